// ModelOpt's two documents: which goes first and what they may say.
#include <gtest/gtest.h>

#include "tests/unit/model_configs.h"

namespace imp::model {
namespace {

using testing::expect_config_refused;
using testing::json;
using testing::ReadConfig;

constexpr const char* kUp = "model.layers.0.mlp.up_proj";

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

ConfigDocuments both(std::optional<json> config, std::optional<json> hf) {
  return {std::move(config), std::move(hf), std::nullopt, {}};
}

json with_algo(const char* algo) {
  json config = config_json();
  config["quantization_config"]["quant_algo"] = algo;
  return config;
}

TEST(ModelOptConfig, ConfigJsonGoesFirst) {
  const ReadConfig config(both(config_json(), hf_json()));
  EXPECT_EQ(config->dialect, Dialect::kModelOpt);
  EXPECT_EQ(config->file, "config.json");
  EXPECT_EQ(config->quantization, "NVFP4");
  EXPECT_EQ(config->producer, "modelopt 0.47.0");
  EXPECT_EQ(config->version, "0.47.0");
  EXPECT_EQ(config->expect(kUp).group_size, 16u);
  EXPECT_TRUE(config.log.warnings.empty()) << "the order of the patterns is no difference";
}

TEST(ModelOptConfig, HfQuantConfigAlone) {
  for (const auto& first : {std::optional<json>(), std::optional(json{{"model_type", "llama"}})}) {
    const ReadConfig config(both(first, hf_json()));
    EXPECT_EQ(config->file, "hf_quant_config.json");
    EXPECT_EQ(config->quantization, "NVFP4");
    EXPECT_EQ(config->kv_cache, "FP8");
    EXPECT_EQ(config->producer, "modelopt 0.46.1");
    EXPECT_TRUE(config->expect(kUp).quantized);
    EXPECT_FALSE(config->expect("lm_head").quantized);
    EXPECT_TRUE(config.log.warnings.empty());
  }
}

TEST(ModelOptConfig, ConfigJsonAlone) {
  const ReadConfig config(both(config_json(), std::nullopt));
  EXPECT_EQ(config->file, "config.json");
  EXPECT_TRUE(config.log.warnings.empty());
}

TEST(ModelOptConfig, AnyMethodThatBeginsWithModeloptIsModelopt) {
  for (const char* method : {"modelopt", "modelopt_fp4", "modelopt_nvfp4", "modelopt_mixed"}) {
    json config = config_json();
    config["quantization_config"]["quant_method"] = method;
    EXPECT_EQ(ReadConfig(both(config, hf_json()))->file, "config.json") << method;
  }
}

TEST(ModelOptConfig, T31AForeignMethodGivesWayToHfQuantConfig) {
  json config = config_json();
  config["quantization_config"]["quant_method"] = "fp8";
  const ReadConfig read(both(config, hf_json()));
  EXPECT_EQ(read->file, "hf_quant_config.json");
  ASSERT_EQ(read.log.warnings.size(), 1u);
  EXPECT_NE(read.log.warnings[0].find("config.json names quant_method 'fp8'"), std::string::npos)
      << read.log.warnings[0];
}

TEST(ModelOptConfig, DifferencesAreWarnings) {
  const ReadConfig algos(both(with_algo("FP8"), hf_json()));
  EXPECT_EQ(algos->quantization, "FP8");
  EXPECT_EQ(algos.log.warnings,
            std::vector<std::string>{"config.json says quant_algo 'FP8', hf_quant_config.json says "
                                     "'NVFP4'; the tensors decide"});
  json config = config_json();
  config["quantization_config"]["ignore"].push_back("b");
  const ReadConfig lists(both(config, hf_json()));
  EXPECT_EQ(lists.log.warnings,
            std::vector<std::string>{"config.json and hf_quant_config.json exclude different "
                                     "modules; the tensors decide"});
}

// T9: one list, two keys; neither document's key is the other's.
TEST(ModelOptConfig, T09EachDocumentHasItsOwnKeyForTheList) {
  EXPECT_FALSE(ReadConfig(both(config_json(), std::nullopt))->expect("lm_head").quantized);
  EXPECT_FALSE(ReadConfig(both(std::nullopt, hf_json()))->expect("lm_head").quantized);
  json config = config_json();
  config["quantization_config"]["exclude_modules"] = {kUp};
  EXPECT_TRUE(ReadConfig(both(config, std::nullopt))->expect(kUp).quantized);
  json hf = hf_json();
  hf["quantization"]["ignore"] = {kUp};
  EXPECT_TRUE(ReadConfig(both(std::nullopt, hf))->expect(kUp).quantized);
}

struct AlgoRow {
  const char* algo;
  uint32_t bits;
  bool is_float;
  uint64_t group;  ///< 0: one scale a tensor
  uint64_t block_rows;
  bool activations_8bit;
  bool weight_only;
};

// Checkpoint formats, sections 3.2 to 3.8, every string that an export has.
constexpr AlgoRow kAlgos[] = {
    {"FP8", 8, true, 0, 0, true, false},
    {"FP8_PER_CHANNEL_PER_TOKEN", 8, true, kWholeRow, 0, true, false},
    {"fp8_pb_wo", 8, true, 128, 128, false, true},
    {"FP8_PB_WO", 8, true, 128, 128, false, true},
    {"fp8_pb_real", 8, true, 128, 128, false, true},
    {"W4A16_AWQ", 4, false, 128, 0, false, true},
    {"W4A8_AWQ", 4, false, 128, 0, true, false},
    {"W8A16", 8, false, kWholeRow, 0, false, true},
    {"W8A8_SQ_PER_CHANNEL", 8, false, kWholeRow, 0, true, false},
    {"NVFP4", 4, true, 16, 0, false, false},
    {"nvfp4", 4, true, 16, 0, false, false},
    {"W4A16_NVFP4", 4, true, 16, 0, false, true},
    {"NVFP4_AWQ", 4, true, 16, 0, false, false},
    {"NVFP4_SVD", 4, true, 16, 0, false, false},
    {"W4A8_NVFP4_FP8", 4, true, 32, 0, true, false},
    {"mxfp4", 4, true, 32, 0, false, false},
    {"MXFP4", 4, true, 32, 0, false, false},
    {"W4A8_MXFP4_FP8", 4, true, 32, 0, true, false},
    {"MXFP8", 8, true, 32, 0, true, false},
};

TEST(ModelOptConfig, EveryAlgorithm) {
  for (const AlgoRow& row : kAlgos) {
    json config = with_algo(row.algo);
    config["quantization_config"].erase("config_groups");
    const ReadConfig read(both(config, std::nullopt));
    EXPECT_EQ(read->quantization, row.algo);
    const Expectation e = read->expect(kUp);
    EXPECT_TRUE(e.quantized) << row.algo;
    EXPECT_EQ(e.word, row.algo);
    EXPECT_EQ(e.bits, row.bits) << row.algo;
    EXPECT_EQ(e.is_float, row.is_float) << row.algo;
    EXPECT_EQ(e.symmetric, true) << row.algo;
    EXPECT_EQ(e.per_tensor, row.group == 0) << row.algo;
    EXPECT_EQ(e.group_size, row.group == 0 ? std::nullopt : std::optional(row.group)) << row.algo;
    EXPECT_EQ(e.block_rows, row.block_rows == 0 ? std::nullopt : std::optional(row.block_rows));
    EXPECT_EQ(e.activations_8bit, row.activations_8bit) << row.algo;
    EXPECT_EQ(e.weight_only, row.weight_only) << row.algo;
  }
}

TEST(ModelOptConfig, AnAlgorithmThatNoExportHasIsNamed) {
  for (const char* algo : {"W4A8_MXFP4_MXFP8", "NVFP4_ARC", "W4A8_QSERVE_PER_GROUP", "FP4"}) {
    expect_config_refused(both(with_algo(algo), std::nullopt), ErrorKind::kUnsupportedScheme,
                          "in/config.json", "quant_algo is '" + std::string(algo) + "'");
    json hf = hf_json();
    hf["quantization"]["quant_algo"] = algo;
    expect_config_refused(both(std::nullopt, hf), ErrorKind::kUnsupportedScheme,
                          "in/hf_quant_config.json", "quant_algo is '" + std::string(algo) + "'");
  }
}

TEST(ModelOptConfig, GroupSizesComeFromEitherDocument) {
  json config = with_algo("W4A16_NVFP4");
  config["quantization_config"]["config_groups"]["group_0"]["weights"]["group_size"] = 32;
  EXPECT_EQ(ReadConfig(both(config, std::nullopt))->expect(kUp).group_size, 32u);
  config["quantization_config"].erase("config_groups");
  json hf = hf_json();
  hf["quantization"]["quant_algo"] = "W4A16_NVFP4";
  hf["quantization"]["group_size"] = 32;
  EXPECT_EQ(ReadConfig(both(config, hf))->expect(kUp).group_size, 32u);
  EXPECT_EQ(ReadConfig(both(config, std::nullopt))->expect(kUp).group_size, 16u);
}

TEST(ModelOptConfig, OnlyTheKvCache) {
  json hf = hf_json();
  hf["quantization"]["quant_algo"] = nullptr;
  const ReadConfig read(both(std::nullopt, hf));
  EXPECT_EQ(read->quantization, "");
  EXPECT_EQ(read->kv_cache, "FP8");
  EXPECT_FALSE(read->expect(kUp).quantized);
  EXPECT_EQ(read->expect(kUp).bits, std::nullopt);
}

// T8: the list may be wrong, so what is left out is described all the same.
TEST(ModelOptConfig, T08WhatIsExcludedIsDescribed) {
  const ReadConfig read(both(config_json(), std::nullopt));
  const Expectation head = read->expect("lm_head");
  EXPECT_FALSE(head.quantized);
  EXPECT_EQ(head.word, "NVFP4");
  EXPECT_EQ(head.group_size, 16u);
}

TEST(ModelOptConfig, RoutersNormsAndEmbeddingsNeedNoEntry) {
  const ReadConfig read(both(config_json(), std::nullopt));
  for (const char* module :
       {"model.embed_tokens", "model.norm", "model.layers.0.mlp.gate",
        "model.layers.0.block_sparse_moe.gate", "model.layers.0.mlp.shared_expert_gate",
        "model.layers.0.input_layernorm", "model.layers.0.linear_attn.conv1d"})
    EXPECT_FALSE(read->expect(module).quantized) << module;
  for (const char* module :
       {"model.layers.0.mlp.experts.7.up_proj", "model.layers.0.mlp.experts.gate_up_proj",
        "model.layers.0.self_attn.kv_b_proj", "model.layers.0.what.ever"})
    EXPECT_TRUE(read->expect(module).quantized) << module;
}

// T10, T11: stars, and prefixes of another spelling than the tensors'.
TEST(ModelOptConfig, T10T11PatternsAreNeitherLiteralNorBoundToOnePrefix) {
  json config = config_json();
  config["quantization_config"]["ignore"] = {"model.language_model.layers.0.self_attn*",
                                             "mtp*",
                                             "language_model.layers.1.mlp.*",
                                             "backbone.layers.2*",
                                             "*shared_head*",
                                             "nothing.at.all"};
  const ReadConfig read(both(config, std::nullopt));
  for (const char* module :
       {"model.layers.0.self_attn.q_proj", "mtp.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj",
        "model.layers.1.mlp", "model.layers.2.mixer.in_proj", "model.layers.9.shared_head.head"})
    EXPECT_FALSE(read->expect(module).quantized) << module;
  for (const char* module : {"model.layers.0.mlp.up_proj", "model.layers.1.self_attn.q_proj",
                             "model.layers.3.mixer.in_proj"})
    EXPECT_TRUE(read->expect(module).quantized) << module;
  EXPECT_EQ(read->unmatched(), std::vector<std::string>{"nothing.at.all"});
}

json mixed_json() {
  json config = with_algo("MIXED_PRECISION");
  config["quantization_config"]["ignore"] = json::array();
  config["quantization_config"]["quantized_layers"] = json::parse(R"({
    "model.language_model.layers.0.self_attn.q_proj": {"quant_algo": "FP8"},
    "model.layers.0.mlp.experts": {"quant_algo": "NVFP4", "group_size": 16},
    "model.layers.0.mlp.experts.3": {"quant_algo": "W4A16_NVFP4", "group_size": 32},
    "lm_head": {"quant_algo": "fp8_pb_wo"}})");
  return config;
}

TEST(ModelOptConfig, MixedPrecisionTakesTheClosestContainer) {
  const ReadConfig read(both(mixed_json(), std::nullopt));
  EXPECT_EQ(read->expect("model.layers.0.self_attn.q_proj").word, "FP8");
  EXPECT_EQ(read->expect("model.layers.0.mlp.experts.0.up_proj").word, "NVFP4");
  EXPECT_EQ(read->expect("model.layers.0.mlp.experts.gate_up_proj").word, "NVFP4");
  EXPECT_EQ(read->expect("model.layers.0.mlp.experts.3.up_proj").group_size, 32u);
  EXPECT_EQ(read->expect("model.layers.0.mlp.experts.31.up_proj").group_size, 16u)
      << "containers end at dots";
  EXPECT_EQ(read->expect("lm_head").block_rows, 128u);
  for (const char* module : {"model.layers.0.self_attn.k_proj", "model.layers.1.mlp.experts.0.w1",
                             "model.layers.0.self_attn.q_proj2"}) {
    EXPECT_FALSE(read->expect(module).quantized) << module;
    EXPECT_EQ(read->expect(module).word, "") << module;
  }
  EXPECT_TRUE(read->unmatched().empty());
}

TEST(ModelOptConfig, MixedPrecisionFromTheOtherDocumentOrFromGroups) {
  json config = mixed_json();
  json hf = hf_json();
  hf["quantization"]["quant_algo"] = "MIXED_PRECISION";
  hf["quantization"]["quantized_layers"] = config["quantization_config"]["quantized_layers"];
  config["quantization_config"].erase("quantized_layers");
  config["quantization_config"].erase("config_groups");
  EXPECT_EQ(ReadConfig(both(config, hf))->expect("lm_head").word, "fp8_pb_wo");

  config["quantization_config"]["config_groups"] = json::parse(R"({
    "group_0": {"weights": {"num_bits": 8, "type": "float"}, "targets": ["a.b"]},
    "group_1": {"weights": {"num_bits": 4, "type": "float", "group_size": 16}, "targets": ["a.c"]}})");
  const ReadConfig groups(both(config, std::nullopt));
  EXPECT_EQ(groups->expect("a.b").word, "FP8");
  EXPECT_EQ(groups->expect("a.c").word, "NVFP4");
  EXPECT_FALSE(groups->expect("a.d").quantized);

  config["quantization_config"].erase("config_groups");
  expect_config_refused(both(config, std::nullopt), ErrorKind::kBadConfig, "in/config.json",
                        "without 'quantized_layers'");
}

TEST(ModelOptConfig, MixedPrecisionNamesTheModuleOfAnUnknownAlgorithm) {
  json config = mixed_json();
  config["quantization_config"]["quantized_layers"]["lm_head"]["quant_algo"] = "INT3";
  CollectingLog log;
  const auto result = read_quant_config(both(config, std::nullopt), "in", log);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kUnsupportedScheme);
  EXPECT_EQ(result.error().tensor, "lm_head");
  EXPECT_NE(result.error().message.find("quant_algo is 'INT3'"), std::string::npos);
}

TEST(ModelOptConfig, KvCacheSchemes) {
  const std::tuple<const char*, const char*, bool> rows[] = {
      {R"({"dynamic": false, "num_bits": 8, "type": "float"})", "FP8", false},
      {R"("NVFP4")", "NVFP4", false},
      {R"("INT8")", "INT8", false},
      {R"("NVFP4_AFFINE")", "NVFP4_AFFINE", false},
      {"null", "", false},
      {R"("FP8_NEW")", "FP8_NEW", true},
      {R"({"num_bits": 8, "type": "int"})", "unknown", true},
      {R"({"num_bits": 4, "type": "float"})", "unknown", true},
      {R"({"num_bits": "8", "type": "float"})", "unknown", true},
      {R"({"type": "float"})", "unknown", true},
      {"8", "unknown", true},
      {"[]", "unknown", true},
  };
  for (const auto& [text, expected, warned] : rows) {
    json config = config_json();
    config["quantization_config"]["kv_cache_scheme"] = json::parse(text);
    const ReadConfig read(both(config, std::nullopt));
    EXPECT_EQ(read->kv_cache, expected) << text;
    EXPECT_EQ(read.log.warnings.size(), warned ? 1u : 0u) << text;
  }
}

TEST(ModelOptConfig, FieldsOfAnotherTypeAreAsGoodAsAbsent) {
  const json config = json::parse(
      R"({"quantization_config": {"quant_method": "modelopt", "quant_algo": 4, "ignore": {"lm_head": 1},
    "producer": "me", "group_size": -16, "config_groups": [1, 2], "quantized_layers": []}})");
  const ReadConfig read(both(config, std::nullopt));
  EXPECT_EQ(read->quantization, "");
  EXPECT_TRUE(read->unmatched().empty());
  EXPECT_EQ(read->version, "");
  EXPECT_EQ(read->producer, "modelopt");
}

TEST(ModelOptConfig, DocumentsOfAnotherForm) {
  expect_config_refused(both(json{{"quantization_config", "modelopt"}}, hf_json()),
                        ErrorKind::kBadConfig, "in/config.json", "no JSON object");
  for (const json& hf : {json{{"quantization", 1}}, json::object()})
    expect_config_refused(both(config_json(), hf), ErrorKind::kBadConfig, "in/hf_quant_config.json",
                          "no object 'quantization'");
}

}  // namespace
}  // namespace imp::model
