// The two quantization documents of ModelOpt: which goes first, what they may say, and who else
// writes such files.
#include <gtest/gtest.h>

#include "src/model/quant_config.h"
#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

using nlohmann::json;
using testing::any_has;
using testing::CheckpointEditor;
using testing::expect_refused;
using testing::Imported;

constexpr const char* kLlama = "modelopt-nvfp4-compress-llama";

json config_json() {
  return json::parse(R"({"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4",
    "ignore": ["lm_head", "a*"], "producer": {"name": "modelopt", "version": "0.47.0"},
    "config_groups": {"group_0": {"weights": {"group_size": 16}}}}})");
}

json hf_json() {
  return json::parse(
      R"({"producer": {"name": "modelopt", "version": "0.46.1"}, "quantization": {"quant_algo": "NVFP4",
    "kv_cache_quant_algo": "FP8", "group_size": 16, "exclude_modules": ["a*", "lm_head"]}})");
}

QuantConfig read(const std::optional<json>& config, const std::optional<json>& hf, Log& log) {
  const auto result = read_quant_config(config, hf, "in", log);
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().to_line());
  return result.ok() ? *result : QuantConfig{};
}

void expect_error(const std::optional<json>& config, const std::optional<json>& hf, ErrorKind kind,
                  const std::string& file, const std::string& fragment) {
  CollectingLog log;
  const auto result = read_quant_config(config, hf, "in", log);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(error_kind_name(result.error().kind), error_kind_name(kind));
  EXPECT_EQ(result.error().file, file);
  EXPECT_NE(result.error().message.find(fragment), std::string::npos) << result.error().message;
}

TEST(QuantConfig, ConfigJsonGoesFirst) {
  CollectingLog log;
  const QuantConfig config = read(config_json(), hf_json(), log);
  EXPECT_EQ(config.file, "config.json");
  EXPECT_EQ(config.quant_algo, "NVFP4");
  EXPECT_EQ(config.group_size, 16u);
  EXPECT_EQ(config.exclude_modules, (std::vector<std::string>{"lm_head", "a*"}));
  EXPECT_EQ(config.producer_version, "0.47.0");
  EXPECT_TRUE(log.warnings.empty()) << "the order of the patterns is no difference";
}

TEST(QuantConfig, HfQuantConfigAlone) {
  CollectingLog log;
  const QuantConfig config = read(json{{"architectures", "X"}}, hf_json(), log);
  EXPECT_EQ(config.file, "hf_quant_config.json");
  EXPECT_EQ(config.quant_algo, "NVFP4");
  EXPECT_EQ(config.kv_cache_quant_algo, "FP8");
  EXPECT_EQ(config.group_size, 16u);
  EXPECT_EQ(config.exclude_modules, (std::vector<std::string>{"a*", "lm_head"}));
  EXPECT_EQ(config.producer_version, "0.46.1");
  EXPECT_TRUE(log.warnings.empty());
  EXPECT_EQ(read(std::nullopt, hf_json(), log).file, "hf_quant_config.json");
}

TEST(QuantConfig, ConfigJsonAlone) {
  CollectingLog log;
  EXPECT_EQ(read(config_json(), std::nullopt, log).file, "config.json");
  EXPECT_TRUE(log.warnings.empty());
}

TEST(QuantConfig, AnyMethodThatBeginsWithModeloptIsModelopt) {
  for (const char* method : {"modelopt", "modelopt_fp4", "modelopt_nvfp4"}) {
    json config = config_json();
    config["quantization_config"]["quant_method"] = method;
    CollectingLog log;
    EXPECT_EQ(read(config, hf_json(), log).file, "config.json") << method;
  }
}

TEST(QuantConfig, AForeignMethodGivesWayToHfQuantConfig) {
  json config = config_json();
  config["quantization_config"]["quant_method"] = "fp8";
  CollectingLog log;
  EXPECT_EQ(read(config, hf_json(), log).file, "hf_quant_config.json");
  ASSERT_EQ(log.warnings.size(), 1u);
  EXPECT_NE(log.warnings[0].find("config.json names quant_method 'fp8'"), std::string::npos)
      << log.warnings[0];
}

TEST(QuantConfig, DifferencesAreWarnings) {
  json config = config_json();
  config["quantization_config"]["quant_algo"] = "FP8";
  CollectingLog log;
  EXPECT_EQ(read(config, hf_json(), log).quant_algo, "FP8");
  ASSERT_EQ(log.warnings.size(), 1u);
  EXPECT_EQ(
      log.warnings[0],
      "config.json says quant_algo 'FP8', hf_quant_config.json says 'NVFP4'; the tensors decide");

  config = config_json();
  config["quantization_config"]["ignore"].push_back("b");
  CollectingLog other;
  EXPECT_EQ(read(config, hf_json(), other).exclude_modules.size(), 3u);
  ASSERT_EQ(other.warnings.size(), 1u);
  EXPECT_EQ(other.warnings[0],
            "config.json and hf_quant_config.json exclude different modules; the tensors decide");
}

TEST(QuantConfig, KvCacheSchemes) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({"dynamic": false, "num_bits": 8, "type": "float"})", "FP8"},
      {R"("NVFP4")", "NVFP4"},
      {"null", ""},
      {R"({"num_bits": 8, "type": "int"})", "unknown"},
      {R"({"num_bits": 4, "type": "float"})", "unknown"},
      {R"({"num_bits": "8", "type": "float"})", "unknown"},
      {R"({"type": "float"})", "unknown"},
      {"8", "unknown"},
      {"[]", "unknown"},
  };
  for (const auto& [text, expected] : rows) {
    json config = config_json();
    config["quantization_config"]["kv_cache_scheme"] = json::parse(text);
    CollectingLog log;
    EXPECT_EQ(read(config, std::nullopt, log).kv_cache_quant_algo, expected) << text;
  }
}

TEST(QuantConfig, FieldsOfAnotherTypeAreAsGoodAsAbsent) {
  json config = json::parse(
      R"({"quantization_config": {"quant_method": "modelopt", "quant_algo": 4, "ignore": {"lm_head": 1},
    "producer": "me", "group_size": -16, "config_groups": [1, 2]}})");
  CollectingLog log;
  const QuantConfig read_config = read(config, std::nullopt, log);
  EXPECT_EQ(read_config.quant_algo, "");
  EXPECT_TRUE(read_config.exclude_modules.empty());
  EXPECT_EQ(read_config.producer_version, "");
  EXPECT_EQ(read_config.group_size, std::nullopt);
}

TEST(QuantConfig, OtherProducersAreNamed) {
  for (const char* method : {"awq", "gptq", "compressed-tensors", "fp8", "bitsandbytes"}) {
    json config = config_json();
    config["quantization_config"]["quant_method"] = method;
    expect_error(config, std::nullopt, ErrorKind::kUnsupportedFormat, "in",
                 "quant_method is '" + std::string(method) + "'");
  }
  json config = config_json();
  config["quantization_config"].erase("quant_method");
  expect_error(config, std::nullopt, ErrorKind::kUnsupportedFormat, "in",
               "quant_method is '(none named)'");
}

TEST(QuantConfig, NoQuantization) {
  expect_error(json::object(), std::nullopt, ErrorKind::kUnsupportedFormat, "in",
               "no quantization found");
  expect_error(std::nullopt, std::nullopt, ErrorKind::kUnsupportedFormat, "in",
               "no quantization found");
  expect_error(json{{"quantization_config", nullptr}}, std::nullopt, ErrorKind::kUnsupportedFormat,
               "in", "no quantization found");
}

TEST(QuantConfig, DocumentsOfAnotherForm) {
  expect_error(json{{"quantization_config", "modelopt"}}, hf_json(), ErrorKind::kBadConfig,
               "in/config.json", "no JSON object");
  expect_error(config_json(), json{{"quantization", 1}}, ErrorKind::kBadConfig,
               "in/hf_quant_config.json", "no object 'quantization'");
  expect_error(config_json(), json::object(), ErrorKind::kBadConfig, "in/hf_quant_config.json",
               "no object 'quantization'");
}

// The same through a whole checkpoint.

TEST(ImportConfig, EachDocumentAloneIsEnough) {
  CheckpointEditor without_hf(kLlama);
  without_hf.remove_file("hf_quant_config.json");
  const Imported first(without_hf);
  ASSERT_TRUE(first.ok()) << first.error_line();
  EXPECT_EQ(first.model->producer, "modelopt 0.47.0");
  CheckpointEditor without_section(kLlama);
  without_section.config().erase("quantization_config");
  const Imported second(without_section);
  ASSERT_TRUE(second.ok()) << second.error_line();
  EXPECT_EQ(second.model->quantization, "NVFP4");
  EXPECT_TRUE(second.log.warnings.empty());
}

TEST(ImportConfig, WithoutBothThereIsNoQuantization) {
  CheckpointEditor editor(kLlama);
  editor.remove_file("hf_quant_config.json");
  editor.config().erase("quantization_config");
  expect_refused(editor, ErrorKind::kUnsupportedFormat, "", "",
                 "unquantized checkpoints are not supported");
}

TEST(ImportConfig, OtherAlgorithmsAreRefusedByName) {
  // Every string that ModelOpt's exporter emits but NVFP4 (checkpoint formats, section 3.2).
  for (const char* algo :
       {"FP8", "FP8_PER_CHANNEL_PER_TOKEN", "fp8_pb_wo", "fp8_pb_real", "W4A16_AWQ", "W4A8_AWQ",
        "W8A16", "W8A8_SQ_PER_CHANNEL", "W4A16_NVFP4", "NVFP4_AWQ", "NVFP4_SVD", "W4A8_NVFP4_FP8",
        "mxfp4", "W4A8_MXFP4_FP8", "MXFP8", "MIXED_PRECISION", "nvfp4"}) {
    CheckpointEditor editor(kLlama);
    editor.set_quant_algo(algo);
    expect_refused(editor, ErrorKind::kUnsupportedScheme, "config.json", "",
                   "quant_algo is '" + std::string(algo) + "'; supported is NVFP4");
  }
}

TEST(ImportConfig, OnlyTheKvCacheQuantized) {
  CheckpointEditor editor(kLlama);
  editor.config()["quantization_config"].erase("quant_algo");
  editor.hf_quant_config()["quantization"]["quant_algo"] = nullptr;
  expect_refused(editor, ErrorKind::kUnsupportedScheme, "config.json", "",
                 "only the KV cache is quantized");
}

TEST(ImportConfig, GroupsOf32AreRefused) {
  CheckpointEditor editor(kLlama);
  editor.config()["quantization_config"]["config_groups"]["group_0"]["weights"]["group_size"] = 32;
  expect_refused(editor, ErrorKind::kUnsupportedScheme, "config.json", "",
                 "group_size is 32, expected 16");
  CheckpointEditor hf_only(kLlama);
  hf_only.config().erase("quantization_config");
  hf_only.hf_quant_config()["quantization"]["group_size"] = 32;
  expect_refused(hf_only, ErrorKind::kUnsupportedScheme, "hf_quant_config.json", "",
                 "group_size is 32, expected 16");
}

TEST(ImportConfig, KvCacheAlgorithms) {
  for (const char* algo : {"INT8", "NVFP4_AFFINE"}) {
    CheckpointEditor editor(kLlama);
    editor.config()["quantization_config"]["kv_cache_scheme"] = algo;
    expect_refused(editor, ErrorKind::kUnsupportedScheme, "config.json", "",
                   "KV cache scheme is '" + std::string(algo) + "'; supported are FP8 and NVFP4");
  }
}

TEST(ImportConfig, AKvCacheWithoutScalesIsNormal) {
  CheckpointEditor editor(kLlama);
  editor.config()["quantization_config"]["kv_cache_scheme"] = "NVFP4";
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  for (const Weight& weight : imported.model->weights)
    EXPECT_TRUE(weight.role != Role::kKvKScale && weight.role != Role::kKvVScale)
        << "absent stays absent";
}

TEST(ImportConfig, AForeignSectionBesideModeloptsFileIsAWarning) {
  CheckpointEditor editor(kLlama);
  editor.config()["quantization_config"] = {{"quant_method", "fp8"},
                                            {"activation_scheme", "dynamic"}};
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_TRUE(any_has(imported.log.warnings, "config.json names quant_method 'fp8'"));
}

TEST(ImportConfig, MalformedJson) {
  CheckpointEditor editor(kLlama);
  editor.set_file("hf_quant_config.json", "{\"quantization\": ");
  expect_refused(editor, ErrorKind::kBadConfig, "hf_quant_config.json", "", "");
}

}  // namespace
}  // namespace imp::model
