// The configuration of every checkpoint that the exporters wrote says of each module what the
// exporter recorded that it did with it.
#include <gtest/gtest.h>
#include <re2/re2.h>

#include "tests/unit/model_configs.h"

namespace imp::model {
namespace {

using testing::configurations;
using testing::documents_of;
using testing::json;
using testing::ReadConfig;

/// What an exporter's word for a scheme means; fields that it does not say are empty.
struct Meaning {
  bool quantized = true;
  std::optional<uint32_t> bits;
  std::optional<bool> is_float;
  std::optional<uint64_t> group_size;
  bool block = false;
  bool per_tensor = false;
  std::optional<bool> symmetric;
  bool act_order = false;
};

std::optional<uint64_t> group_of(const std::string& strategy) {
  if (strategy == "channel") return kWholeRow;
  return std::stoul(strategy.substr(strategy.find('g') + 1));
}

/// "int4_g128_sym", "int8_channel" (ModelOpt's, always symmetric).
std::optional<Meaning> integers(const std::string& word) {
  static const RE2 form("int([2-8])_(channel|g[0-9]+)(_sym|_asym|_compress)?");
  uint32_t bits = 0;
  std::string strategy, symmetry;
  if (!RE2::FullMatch(word, form, &bits, &strategy, &symmetry)) return std::nullopt;
  Meaning meaning;
  meaning.bits = bits;
  meaning.is_float = false;
  meaning.group_size = group_of(strategy);
  meaning.symmetric = symmetry != "_asym";
  return meaning;
}

/// "pack-quantized_4bit_group_g32_asym_g_idx", of the tool that recorded the older releases.
std::optional<Meaning> old_words(const std::string& word) {
  static const RE2 form(
      "(?:sparse-24-bitmask\\+)?(pack|naive|int|float|nvfp4-pack)(?:-quantized)?_([2-8])bit_"
      "(?:(channel)|(?:tensor_)?group_(g[0-9]+))_(sym|asym)(_g_idx)?");
  uint32_t bits = 0;
  std::string format, channel, group, symmetry, act_order;
  if (!RE2::FullMatch(word, form, &format, &bits, &channel, &group, &symmetry, &act_order))
    return std::nullopt;
  Meaning meaning;
  meaning.bits = bits;
  meaning.is_float = format == "float" || format == "nvfp4-pack";
  meaning.group_size = group_of(channel.empty() ? group : channel);
  meaning.symmetric = symmetry == "sym";
  meaning.act_order = !act_order.empty();
  return meaning;
}

std::optional<Meaning> meaning_of(const std::string& word) {
  const auto floats = [](uint32_t bits, std::optional<uint64_t> group) {
    Meaning meaning;
    meaning.bits = bits;
    meaning.is_float = true;
    meaning.group_size = group;
    return meaning;
  };
  if (word == "bf16" || word == "f16" || word == "f32" || word.ends_with("bitmask+bf16")) {
    Meaning plain;
    plain.quantized = false;
    return plain;
  }
  if (word == "nvfp4") return floats(4, 16);
  if (word == "nvfp4_g32" || word == "mxfp4" || word == "gptoss_mxfp4") return floats(4, 32);
  if (word == "mxfp8") return floats(8, 32);
  if (word == "fp8_channel") return floats(8, kWholeRow);
  Meaning fp8 = floats(8, std::nullopt);
  fp8.per_tensor = word == "fp8_tensor";
  fp8.block = word.starts_with("fp8_block");
  // One block may be all that a matrix has, whatever the configuration says of blocks.
  if (fp8.per_tensor || fp8.block || word == "fp8_tensor_scale_inv") return fp8;
  if (const auto meaning = integers(word)) return meaning;
  return old_words(word);
}

void expect_said(const Expectation& e, const Meaning& meaning, const std::string& where) {
  EXPECT_EQ(e.quantized, meaning.quantized) << where;
  if (!meaning.quantized) return;
  EXPECT_EQ(e.bits, meaning.bits) << where;
  EXPECT_EQ(e.is_float, meaning.is_float) << where;
  if (meaning.group_size) {
    EXPECT_EQ(e.group_size, meaning.group_size) << where;
  }
  if (meaning.block) {
    EXPECT_TRUE(e.block_rows && e.group_size) << where;
  }
  if (meaning.per_tensor) {
    EXPECT_TRUE(e.per_tensor) << where;
  }
  if (meaning.symmetric) {
    EXPECT_EQ(e.symmetric, meaning.symmetric) << where;
  }
  EXPECT_EQ(e.act_order, meaning.act_order) << where;
}

/// Refused by what the configuration says; the other refusals need the tensors.
bool is_refused_by_configuration(const std::string& fixture) {
  for (const char* name :
       {"ct-quip-llama-small", "ct-spinquant-r1r2r4-llama-small",
        "ct-v012-marlin24-w4a16-llama-small", "other-autoround-llama", "other-awq-llama",
        "other-bnb-int8-llama", "other-bnb-nf4-llama", "other-gptq-llama"})
    if (fixture == name) return true;
  return false;
}

TEST(ConfigFixtures, EachSaysWhatTheExporterDid) {
  size_t modules = 0;
  for (const auto& [fixture, entry] : configurations().items()) {
    if (is_refused_by_configuration(fixture) || !entry.contains("schemes")) continue;
    const ReadConfig config(documents_of(fixture));
    for (const auto& [word, names] : entry["schemes"].items()) {
      const auto meaning = meaning_of(word);
      ASSERT_TRUE(meaning.has_value()) << fixture << ": " << word;
      for (const json& name : names) {
        const std::string module = normalise_prefix(name.get<std::string>());
        // Of a tower's module the name does not tell whether it is a Linear or a convolution.
        if (is_tower(module) && !meaning->quantized) continue;
        expect_said(config->expect(module), *meaning, fixture + ": " + module);
        ++modules;
      }
    }
  }
  EXPECT_GT(modules, 2000u);
}

TEST(ConfigFixtures, ThoseThatAreRefusedAreRefusedByName) {
  size_t refused = 0;
  for (const auto& [fixture, entry] : configurations().items()) {
    if (!is_refused_by_configuration(fixture)) continue;
    EXPECT_TRUE(entry.contains("refuse")) << fixture;
    CollectingLog log;
    const auto result = read_quant_config(documents_of(fixture), "in", log);
    ASSERT_FALSE(result.ok()) << fixture;
    EXPECT_EQ(error_kind_name(result.error().kind), error_kind_name(ErrorKind::kUnsupportedFormat))
        << fixture;
    ++refused;
  }
  EXPECT_EQ(refused, 8u);
}

TEST(ConfigFixtures, NoneIsWarnedAbout) {
  for (const auto& [fixture, entry] : configurations().items()) {
    if (is_refused_by_configuration(fixture)) continue;
    const ReadConfig config(documents_of(fixture));
    EXPECT_TRUE(config.log.warnings.empty()) << fixture << ": " << config.log.warnings[0];
  }
}

TEST(ConfigFixtures, ProducersAndVersions) {
  const std::tuple<const char*, const char*, const char*, const char*> rows[] = {
      {"modelopt-mixed-qwen3moe", "modelopt 0.47.0", "MIXED_PRECISION", ""},
      {"modelopt-bf16-kvfp8-llama", "modelopt 0.47.0", "", "FP8"},
      {"modelopt-nvfp4-kvnvfp4-llama", "modelopt 0.47.0", "NVFP4", "NVFP4"},
      {"modelopt-other-nvfp4-kvaffine-llama", "modelopt 0.47.0", "NVFP4", "NVFP4_AFFINE"},
      {"ct-mixed-kvfp8-qwen3moe", "compressed-tensors 0.19.0", "mixed-precision", "fp8"},
      {"ct-autoround-nvfp4-llama-small", "compressed-tensors (auto-round)", "nvfp4-pack-quantized",
       ""},
      {"ct-v012-sparsebitmask-bf16-llama-small", "compressed-tensors 0.12.2", "sparse-bitmask", ""},
      {"ct-kvonly-fp8head-llama-small", "compressed-tensors 0.19.0", "", "fp8"},
      {"other-fp8block-qwen3", "fp8", "fp8", ""},
      {"other-mxfp4-gptoss", "mxfp4", "mxfp4", ""},
      {"other-bf16-llama", "", "", ""},
  };
  for (const auto& [fixture, producer, quantization, kv_cache] : rows) {
    const ReadConfig config(documents_of(fixture));
    EXPECT_EQ(config->producer, producer) << fixture;
    EXPECT_EQ(config->quantization, quantization) << fixture;
    EXPECT_EQ(config->kv_cache, kv_cache) << fixture;
  }
}

TEST(ConfigFixtures, WordsOfOldReleasesArePadded) {
  for (const auto& [fixture, entry] : configurations().items()) {
    if (!fixture.starts_with("ct-") || is_refused_by_configuration(fixture)) continue;
    const ReadConfig config(documents_of(fixture));
    const bool old = fixture.starts_with("ct-v012-") || fixture.starts_with("ct-v013-");
    const bool unknown = fixture.starts_with("ct-autoround-");
    EXPECT_EQ(config->padded_words, unknown ? std::nullopt : std::optional(old)) << fixture;
    EXPECT_EQ(config->mxfp4_scales_quarter, fixture.starts_with("ct-v013-")) << fixture;
  }
}

TEST(ConfigFixtures, ActivationsOfEightBits) {
  const std::tuple<const char*, bool, bool> rows[] = {
      {"ct-w8a8-llama", true, false},
      {"ct-w8a8asym-static-llama-odd", true, false},
      {"ct-fp8block-llama", true, false},
      {"ct-fp8-weightonly-naive-llama-small", false, true},
      {"ct-w4afp8-llama-small", true, false},
      {"ct-w8a16-llama", false, true},
      {"ct-nvfp4-llama", false, false},
      {"ct-nvfp4a16-llama", false, true},
      {"modelopt-fp8-llama", true, false},
      {"modelopt-int8wo-llama", false, true},
      {"modelopt-w4a16nvfp4-llama", false, true},
      {"modelopt-fp8block-llama", false, true},
      {"other-fp8block-qwen3", true, false},
  };
  for (const auto& [fixture, eight, weight_only] : rows) {
    const Expectation e = ReadConfig(documents_of(fixture))->expect("model.layers.0.mlp.up_proj");
    EXPECT_EQ(e.activations_8bit, eight) << fixture;
    EXPECT_EQ(e.weight_only, weight_only) << fixture;
  }
}

}  // namespace
}  // namespace imp::model
