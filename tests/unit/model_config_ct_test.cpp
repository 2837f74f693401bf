// compressed-tensors' configuration: schemes, formats, presets, versions, transforms.
#include <gtest/gtest.h>

#include "tests/unit/model_ct_section.h"

namespace imp::model {
namespace {

using namespace imp::testing;

TEST(CompressedTensorsConfig, AGroupOfIntegers) {
  const ReadConfig read(with_section(section_json()));
  EXPECT_EQ(read->dialect, Dialect::kCompressedTensors);
  EXPECT_EQ(read->producer, "compressed-tensors 0.19.0");
  EXPECT_EQ(read->quantization, "pack-quantized");
  EXPECT_EQ(read->file, "config.json");
  const Expectation e = read->expect(kUp);
  EXPECT_TRUE(e.quantized);
  EXPECT_EQ(e.word, "pack-quantized");
  EXPECT_EQ(e.bits, 4u);
  EXPECT_EQ(e.is_float, false);
  EXPECT_EQ(e.symmetric, true);
  EXPECT_EQ(e.group_size, 128u);
  EXPECT_FALSE(e.per_tensor);
  EXPECT_FALSE(e.act_order);
  EXPECT_TRUE(e.weight_only);
  EXPECT_FALSE(read->expect("lm_head").quantized);
  EXPECT_EQ(read->expect("lm_head").bits, 4u) << "as it would be coded";
}

TEST(CompressedTensorsConfig, Strategies) {
  const Expectation tensor = expect_of(with_weights(R"({"num_bits": 8, "type": "float",
      "strategy": "tensor"})"));
  EXPECT_TRUE(tensor.per_tensor);
  EXPECT_EQ(tensor.group_size, std::nullopt);
  const Expectation channel = expect_of(with_weights(R"({"num_bits": 8, "strategy": "channel",
      "symmetric": false})"));
  EXPECT_EQ(channel.group_size, kWholeRow);
  EXPECT_EQ(channel.symmetric, false);
  EXPECT_EQ(channel.is_float, false) << "int is what a file may leave out";
  const Expectation nvfp4 = expect_of(with_weights(R"({"num_bits": 4, "type": "float",
      "strategy": "tensor_group", "group_size": 16})"));
  EXPECT_EQ(nvfp4.group_size, 16u);
  for (const char* structure : {"[64, 32]", "\"64x32\""}) {
    const json section = with_weights((R"({"num_bits": 8, "type": "float", "strategy": "block",
      "block_structure": )" + std::string(structure) +
                                       "}")
                                          .c_str());
    const Expectation block = expect_of(section);
    EXPECT_EQ(block.block_rows, 64u) << structure;
    EXPECT_EQ(block.group_size, 32u) << structure;
  }
  const Expectation usual =
      expect_of(with_weights(R"({"num_bits": 8, "type": "float", "strategy": "block"})"));
  EXPECT_EQ(usual.block_rows, 128u);
  EXPECT_EQ(usual.group_size, 128u);
}

TEST(CompressedTensorsConfig, AStrategyThatIsNotSaidFollowsFromTheGroupSize) {
  EXPECT_TRUE(expect_of(with_weights(R"({"num_bits": 8, "group_size": null})")).per_tensor);
  EXPECT_EQ(expect_of(with_weights(R"({"num_bits": 8, "group_size": -1})")).group_size, kWholeRow);
  EXPECT_EQ(expect_of(with_weights(R"({"num_bits": 8, "group_size": 64})")).group_size, 64u);
}

TEST(CompressedTensorsConfig, BadArgumentsAreNamed) {
  const std::tuple<const char*, ErrorKind, const char*> rows[] = {
      {R"({"num_bits": 4, "strategy": "group"})", ErrorKind::kBadConfig,
       "strategy is 'group' without a positive group_size"},
      {R"({"num_bits": 4, "strategy": "group", "group_size": 0})", ErrorKind::kBadConfig,
       "without a positive group_size"},
      {R"({"num_bits": 8, "strategy": "token"})", ErrorKind::kUnsupportedScheme,
       "strategy of weights is 'token'"},
      {R"({"num_bits": 8, "strategy": "block", "block_structure": [128]})", ErrorKind::kBadConfig,
       "block_structure"},
      {R"({"num_bits": 8, "strategy": "block", "block_structure": "128"})", ErrorKind::kBadConfig,
       "block_structure"},
      {R"({"num_bits": 8, "strategy": "block", "block_structure": "128x0"})", ErrorKind::kBadConfig,
       "block_structure"},
      {R"({"num_bits": 9})", ErrorKind::kUnsupportedScheme, "9-bit integers"},
      {R"({"num_bits": 1})", ErrorKind::kUnsupportedScheme, "1-bit integers"},
      {R"({"num_bits": 6, "type": "float"})", ErrorKind::kUnsupportedScheme, "6-bit floats"},
      {R"({"num_bits": 4, "type": "bfloat"})", ErrorKind::kBadConfig, "type of weights is"},
      {R"({"num_bits": 4, "group_size": 128, "actorder": "both"})", ErrorKind::kBadConfig,
       "actorder is 'both'"},
  };
  for (const auto& [weights, kind, fragment] : rows)
    expect_config_refused(with_section(with_weights(weights)), kind, "in/config.json", fragment);
}

TEST(CompressedTensorsConfig, SpellingsOfActOrder) {
  const std::pair<const char*, bool> rows[] = {
      {"\"group\"", true},   {"\"dynamic\"", true}, {"true", true},  {"\"weight\"", false},
      {"\"static\"", false}, {"false", false},      {"null", false},
  };
  for (const auto& [word, expected] : rows) {
    json section = section_json();
    section["config_groups"]["group_0"]["weights"]["actorder"] = json::parse(word);
    EXPECT_EQ(expect_of(section).act_order, expected) << word;
  }
}

// T43: "local" scales of activations are per block with a static global, not 8 bits wide.
TEST(CompressedTensorsConfig, T43Activations) {
  const std::tuple<const char*, bool, bool> rows[] = {
      {"null", false, true},
      {R"({"num_bits": 8, "type": "float", "dynamic": true, "strategy": "token"})", true, false},
      {R"({"num_bits": 8, "type": "int", "dynamic": false, "strategy": "tensor"})", true, false},
      {R"({"num_bits": 4, "type": "float", "dynamic": "local", "strategy": "tensor_group",
           "group_size": 16})",
       false, false},
      {R"({"num_bits": 4, "type": "float", "dynamic": true, "strategy": "group",
           "group_size": 32})",
       false, false},
  };
  for (const auto& [activations, eight, weight_only] : rows) {
    const Expectation e = expect_of(with_weights(
        R"({"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16})",
        activations));
    EXPECT_EQ(e.activations_8bit, eight) << activations;
    EXPECT_EQ(e.weight_only, weight_only) << activations;
  }
}

TEST(CompressedTensorsConfig, FormatsOfGroupsAreInheritedOrInferred) {
  json section = section_json();
  section["config_groups"]["group_0"]["format"] = nullptr;
  EXPECT_EQ(expect_of(section).word, "pack-quantized");
  section["config_groups"]["group_0"]["format"] = "int-quantized";
  EXPECT_EQ(expect_of(section).word, "int-quantized");
  const std::tuple<const char*, const char*, const char*> rows[] = {
      {R"({"num_bits": 4, "group_size": 128})", "null", "pack-quantized"},
      {R"({"num_bits": 8, "strategy": "channel"})", R"({"num_bits": 8})", "int-quantized"},
      {R"({"num_bits": 8, "type": "float"})", R"({"num_bits": 8})", "float-quantized"},
      {R"({"num_bits": 4, "type": "float", "group_size": 16})", "null", "nvfp4-pack-quantized"},
      {R"({"num_bits": 4, "type": "float", "group_size": 32})", "null", "mxfp4-pack-quantized"},
      {R"({"num_bits": 8, "type": "float", "group_size": 32})", "null", "mxfp8-quantized"},
  };
  for (const char* format : {static_cast<const char*>(nullptr), "mixed-precision"})
    for (const auto& [weights, activations, word] : rows)
      EXPECT_EQ(expect_of(with_weights(weights, activations, format)).word, word);
}

TEST(CompressedTensorsConfig, UnknownFormatsAreNamed) {
  json section = section_json();
  section["format"] = "marlin-24";
  expect_config_refused(with_section(section), ErrorKind::kUnsupportedFormat, "in/config.json",
                        "'marlin-24': weights in the order of one engine's kernel");
  section["format"] = "gigapack";
  expect_config_refused(with_section(section), ErrorKind::kUnsupportedFormat, "in/config.json",
                        "format is 'gigapack'");
  section["format"] = "mixed-precision";
  section["config_groups"]["group_0"]["format"] = "marlin-24";
  expect_config_refused(with_section(section), ErrorKind::kUnsupportedFormat, "in/config.json",
                        "config_groups 'group_0': format is 'marlin-24'");
}

TEST(CompressedTensorsConfig, Presets) {
  struct Row {
    const char* name;
    uint32_t bits;
    bool is_float;
    std::optional<uint64_t> group;
    bool symmetric, activations_8bit, weight_only;
    const char* word;
  };
  const Row rows[] = {
      {"FP8", 8, true, {}, true, true, false, "float-quantized"},
      {"FP8_DYNAMIC", 8, true, kWholeRow, true, true, false, "float-quantized"},
      {"FP8_BLOCK", 8, true, 128, true, true, false, "float-quantized"},
      {"W8A8", 8, false, kWholeRow, true, true, false, "int-quantized"},
      {"INT8", 8, false, kWholeRow, true, true, false, "int-quantized"},
      {"W4A16", 4, false, 128, true, false, true, "pack-quantized"},
      {"W4A16_ASYM", 4, false, 128, false, false, true, "pack-quantized"},
      {"W2A16", 2, false, 128, true, false, true, "pack-quantized"},
      {"w3a16", 3, false, 128, true, false, true, "pack-quantized"},
      {"W8A16", 8, false, {}, true, false, true, "pack-quantized"},
      {"W4A8", 4, false, 128, true, true, false, "int-quantized"},
      {"W4A4", 4, false, {}, true, false, false, "int-quantized"},
      {"W4AFP8", 4, false, 128, true, true, false, "int-quantized"},
      {"NVFP4", 4, true, 16, true, false, false, "nvfp4-pack-quantized"},
      {"NVFP4A16", 4, true, 16, true, false, true, "nvfp4-pack-quantized"},
      {"MXFP4", 4, true, 32, true, false, false, "mxfp4-pack-quantized"},
      {"MXFP4A16", 4, true, 32, true, false, true, "mxfp4-pack-quantized"},
      {"MXFP8", 8, true, 32, true, true, false, "mxfp8-quantized"},
      {"MXFP8A16", 8, true, 32, true, false, true, "mxfp8-quantized"},
  };
  for (const Row& row : rows) {
    json section = section_json();
    section.erase("format");
    section["config_groups"] = {{row.name, {"Linear"}}};
    const Expectation e = expect_of(section);
    EXPECT_TRUE(e.quantized) << row.name;
    EXPECT_EQ(e.bits, row.bits) << row.name;
    EXPECT_EQ(e.is_float, row.is_float) << row.name;
    EXPECT_EQ(e.group_size, row.group) << row.name;
    EXPECT_EQ(e.per_tensor, std::string(row.name) == "FP8");
    EXPECT_EQ(e.block_rows.has_value(), std::string(row.name) == "FP8_BLOCK");
    EXPECT_EQ(e.symmetric, row.symmetric) << row.name;
    EXPECT_EQ(e.activations_8bit, row.activations_8bit) << row.name;
    EXPECT_EQ(e.weight_only, row.weight_only) << row.name;
    EXPECT_EQ(e.word, row.word) << row.name;
  }
  json section = section_json();
  section["config_groups"] = {{"UNQUANTIZED", {"Linear"}}};
  EXPECT_FALSE(expect_of(section).quantized);
  for (const char* name : {"W9A16", "W4A17", "group_0"}) {
    section["config_groups"] = {{name, {"Linear"}}};
    expect_config_refused(with_section(section), ErrorKind::kUnsupportedScheme, "in/config.json",
                          "preset '" + std::string(name) + "'");
  }
  section["config_groups"] = {{"group_0", 1}};
  expect_config_refused(with_section(section), ErrorKind::kBadConfig, "in/config.json",
                        "config_groups 'group_0' is no JSON object");
}

TEST(CompressedTensorsConfig, VersionsTellOfWordsAndOfMxfp4Scales) {
  struct Row {
    const char* version;
    std::optional<bool> padded;
    bool quarter;
  };
  const Row rows[] = {
      {"0.19.0", false, false},     {"0.17.0", false, false},         {"0.16.9", true, false},
      {"0.13.0", true, true},       {"0.13.1.dev4+gabc", true, true}, {"0.12.2", true, false},
      {"0.1.3", true, false},       {"1.0.0", false, false},          {"1.13.0", false, false},
      {"", std::nullopt, false},    {"dev", std::nullopt, false},     {"0", std::nullopt, false},
      {"0.x", std::nullopt, false},
  };
  for (const Row& row : rows) {
    json section = with_weights(R"({"num_bits": 4, "type": "float", "group_size": 32})", "null",
                                "mxfp4-pack-quantized");
    section["version"] = row.version;
    const ReadConfig read(with_section(section));
    EXPECT_EQ(read->padded_words, row.padded) << row.version;
    EXPECT_EQ(read->mxfp4_scales_quarter, row.quarter) << row.version;
    EXPECT_EQ(read->version, row.version);
  }
  json section = section_json();
  section["version"] = "0.13.0";
  EXPECT_FALSE(ReadConfig(with_section(section))->mxfp4_scales_quarter) << "integers were right";
  section.erase("version");
  EXPECT_EQ(ReadConfig(with_section(section))->padded_words, std::nullopt);
}

TEST(CompressedTensorsConfig, WhatIsNotCompressedMayBePlain) {
  json section = section_json();
  section["quantization_status"] = "frozen";
  const ReadConfig read(with_section(section));
  EXPECT_FALSE(read->expect(kUp).quantized);
  EXPECT_EQ(read->expect(kUp).bits, 4u);
  ASSERT_EQ(read.log.warnings.size(), 1u);
  EXPECT_NE(read.log.warnings[0].find("quantization_status is 'frozen'"), std::string::npos);
  section["format"] = "dense";
  const ReadConfig dense(with_section(section));
  EXPECT_FALSE(dense->expect(kUp).quantized);
  EXPECT_EQ(dense->expect(kUp).word, "dense");
  EXPECT_TRUE(dense.log.warnings.empty());
  section = section_json();
  section.erase("quantization_status");
  EXPECT_TRUE(expect_of(section).quantized);
}

TEST(CompressedTensorsConfig, KvCacheAndSparsity) {
  json section = section_json();
  section["kv_cache_scheme"] = {{"num_bits", 8}, {"type", "float"}};
  section["config_groups"] = json::object();
  section["format"] = "dense";
  const ReadConfig kv(with_section(section));
  EXPECT_EQ(kv->kv_cache, "fp8");
  EXPECT_EQ(kv->quantization, "");
  EXPECT_FALSE(kv->expect(kUp).quantized);
  for (const char* format : {"sparse-24-bitmask", "sparse-bitmask"}) {
    const ReadConfig sparse(with_section(
        json{{"quant_method", "compressed-tensors"}, {"sparsity_config", {{"format", format}}}}));
    EXPECT_EQ(sparse->quantization, format);
    EXPECT_FALSE(sparse->expect(kUp).quantized);
    EXPECT_EQ(sparse->expect(kUp).word, format);
  }
  for (const char* format : {"dense", ""}) {
    json plain = section_json();
    plain["sparsity_config"] = {{"format", format}};
    EXPECT_EQ(ReadConfig(with_section(plain))->quantization, "pack-quantized");
  }
  section["sparsity_config"] = {{"format", "block-sparse"}};
  expect_config_refused(with_section(section), ErrorKind::kUnsupportedFormat, "in/config.json",
                        "sparsity_config's format is 'block-sparse'");
}

json transform_json(const char* location) {
  return json{{"config_groups",
               {{"R1",
                 {{"type", "hadamard"},
                  {"apply",
                   {{{"location", "weight_output"}, {"targets", {"re:.*o_proj$"}}},
                    {{"location", location}, {"inverse", true}, {"targets", {"Linear"}}}}}}}}}};
}

TEST(CompressedTensorsConfig, T37OnlyTransformsThatAreInTheWeights) {
  json section = section_json();
  section["transform_config"] = transform_json("weight_input");
  EXPECT_TRUE(expect_of(section).quantized);
  for (const char* location : {"input", "output", "q_attn", "k_cache", "weights", ""}) {
    section["transform_config"] = transform_json(location);
    expect_config_refused(with_section(section), ErrorKind::kUnsupportedFormat, "in/config.json",
                          "online transform 'R1' (hadamard, transform_config) works on "
                          "activations at '" +
                              std::string(location) + "'");
  }
  for (const char* empty : {"{}", "null", R"({"config_groups": {}})"}) {
    section["transform_config"] = json::parse(empty);
    EXPECT_TRUE(expect_of(section).quantized) << empty;
  }
  section["transform_config"] = {{"rotation", "hadamard"}};
  expect_config_refused(with_section(section), ErrorKind::kUnsupportedFormat, "in/config.json",
                        "transform_config is of an unknown form");
  section["transform_config"] = {{"config_groups", {{"R1", json::object()}}}};
  expect_config_refused(with_section(section), ErrorKind::kBadConfig, "in/config.json",
                        "transform 'R1' has no list 'apply'");
}

TEST(CompressedTensorsConfig, WhereTheSectionLies) {
  json nested = section_json();
  ConfigDocuments documents;
  documents.config = json{{"text_config", {{"quantization_config", nested}}}};
  EXPECT_EQ(ReadConfig(documents)->expect(kUp).bits, 4u);
  documents.config = json{{"compression_config", nested}};
  EXPECT_EQ(ReadConfig(documents)->expect(kUp).bits, 4u);
  // The oldest files: the quantization inside, and no producer's name.
  nested.erase("quant_method");
  documents.config = json{{"compression_config",
                           {{"quantization_config", nested}, {"sparsity_config", json::object()}}}};
  const ReadConfig oldest(documents);
  EXPECT_EQ(oldest->dialect, Dialect::kCompressedTensors);
  EXPECT_EQ(oldest->expect(kUp).bits, 4u);
}

}  // namespace
}  // namespace imp::model
