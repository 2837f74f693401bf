// fp8, mxfp4, Mistral's params.json, no quantization, and the producers that are refused by name.
#include <gtest/gtest.h>

#include "tests/unit/model_configs.h"

namespace imp::model {
namespace {

using testing::expect_config_refused;
using testing::json;
using testing::ReadConfig;
using testing::with_section;

constexpr const char* kUp = "model.layers.0.mlp.up_proj";

json fp8_json() {
  return json{{"quant_method", "fp8"},
              {"fmt", "e4m3"},
              {"activation_scheme", "dynamic"},
              {"weight_block_size", {128, 64}}};
}

TEST(Fp8Config, Blocks) {
  const ReadConfig read(with_section(fp8_json()));
  EXPECT_EQ(read->dialect, Dialect::kFp8);
  EXPECT_EQ(read->quantization, "fp8");
  const Expectation e = read->expect(kUp);
  EXPECT_TRUE(e.quantized);
  EXPECT_EQ(e.bits, 8u);
  EXPECT_EQ(e.is_float, true);
  EXPECT_EQ(e.block_rows, 128u);
  EXPECT_EQ(e.group_size, 64u);
  EXPECT_FALSE(e.per_tensor);
  EXPECT_TRUE(e.activations_8bit);
}

TEST(Fp8Config, OneScaleAModule) {
  for (const bool there : {true, false}) {
    json section = fp8_json();
    if (there)
      section["weight_block_size"] = nullptr;
    else
      section.erase("weight_block_size");
    const Expectation e = ReadConfig(with_section(section))->expect(kUp);
    EXPECT_TRUE(e.per_tensor);
    EXPECT_EQ(e.group_size, std::nullopt);
    EXPECT_EQ(e.block_rows, std::nullopt);
  }
}

TEST(Fp8Config, OddBlocksAndFormats) {
  for (const char* size : {"[128]", "[0, 128]", "128", "[128, -1]", "[128, \"x\"]", "[1, 2, 3]"}) {
    json section = fp8_json();
    section["weight_block_size"] = json::parse(size);
    expect_config_refused(with_section(section), ErrorKind::kBadConfig, "in/config.json",
                          "weight_block_size is ");
  }
  json section = fp8_json();
  section["fmt"] = "e5m2";
  expect_config_refused(with_section(section), ErrorKind::kUnsupportedScheme, "in/config.json",
                        "fmt is 'e5m2'");
}

TEST(Fp8Config, WhatIsLeftOut) {
  for (const char* key : {"modules_to_not_convert", "ignored_layers"}) {
    json section = fp8_json();
    section[key] = {"mlp.gate", "model.layers.1.self_attn.q_proj", "visual", "model.layers.2",
                    "never"};
    const ReadConfig read(with_section(section));
    for (const char* module :
         {"model.layers.0.mlp.gate", "model.layers.1.self_attn.q_proj", "model.visual.merger",
          "model.layers.2.mlp.up_proj", "lm_head", "model.embed_tokens", "model.norm"})
      EXPECT_FALSE(read->expect(module).quantized) << module;
    for (const char* module : {"model.layers.0.mlp.gate_proj", "model.layers.11.self_attn.q_proj",
                               "model.layers.20.mlp.up_proj", kUp})
      EXPECT_TRUE(read->expect(module).quantized) << module;
    EXPECT_EQ(read->unmatched(), std::vector<std::string>{"never"});
  }
  json section = fp8_json();
  section["modules_to_not_convert"] = nullptr;
  const ReadConfig read(with_section(section));
  EXPECT_FALSE(read->expect("lm_head").quantized) << "writers keep it without saying so";
  EXPECT_FALSE(read->expect("model.layers.0.mlp.gate").quantized);
}

TEST(Fp8Config, DeepSeekV4HasItsExpertsFromModelOpt) {
  json section = fp8_json();
  section["moe_quant_algo"] = "NVFP4";
  section["quantized_layers"] = {"layers.0.ffn.experts"};
  ConfigDocuments documents = with_section(section);
  documents.hf_quant_config = json{{"quantization", {{"quant_algo", "NVFP4"}}}};
  const ReadConfig read(documents);
  EXPECT_EQ(read->dialect, Dialect::kFp8) << "hf_quant_config.json does not win here";
  EXPECT_EQ(read->expect("model.layers.0.ffn.experts.7.w1").word, "NVFP4");
  EXPECT_EQ(read->expect("model.layers.0.ffn.experts.7.w1").group_size, 16u);
  EXPECT_EQ(read->expect("model.layers.0.ffn.shared_experts.w1").word, "fp8");
  EXPECT_EQ(read->expect("model.layers.1.ffn.experts.7.w1").word, "fp8");
  section["quantized_layers"] = {{"layers.1.ffn.experts", {{"quant_algo", "NVFP4"}}}};
  EXPECT_EQ(ReadConfig(with_section(section))->expect("model.layers.1.ffn.experts.7.w1").word,
            "NVFP4");
  section["moe_quant_algo"] = "FP3";
  expect_config_refused(with_section(section), ErrorKind::kUnsupportedScheme, "in/config.json",
                        "moe_quant_algo is 'FP3'");
}

TEST(Mxfp4Config, TheRoutedExperts) {
  const ReadConfig read(
      with_section(json{{"quant_method", "mxfp4"},
                        {"modules_to_not_convert",
                         {"model.layers.*.self_attn", "model.layers.*.mlp.router",
                          "model.embed_tokens", "lm_head", "model.layers.5.mlp.experts"}}}));
  EXPECT_EQ(read->dialect, Dialect::kMxfp4);
  const Expectation e = read->expect("model.layers.0.mlp.experts.gate_up_proj");
  EXPECT_TRUE(e.quantized);
  EXPECT_EQ(e.word, "mxfp4");
  EXPECT_EQ(e.bits, 4u);
  EXPECT_EQ(e.group_size, 32u);
  EXPECT_TRUE(e.weight_only);
  EXPECT_TRUE(read->expect("model.layers.0.mlp.experts.3.up_proj").quantized);
  for (const char* module :
       {"model.layers.0.self_attn.q_proj", "model.layers.0.mlp.router", "lm_head",
        "model.embed_tokens", "model.layers.5.mlp.experts.down_proj", "model.norm"})
    EXPECT_FALSE(read->expect(module).quantized) << module;
  EXPECT_TRUE(read->unmatched().empty());
}

ConfigDocuments params(json quantization) {
  ConfigDocuments documents;
  documents.params = json{{"dim", 64}, {"n_layers", 2}, {"quantization", std::move(quantization)}};
  return documents;
}

TEST(MistralConfig, Fp8) {
  const ReadConfig read(params({{"qformat_weight", "fp8_e4m3"}, {"qscheme_act", "TENSOR"}}));
  EXPECT_EQ(read->dialect, Dialect::kMistral);
  EXPECT_EQ(read->file, "params.json");
  const Expectation e = read->expect("model.layers.0.attention.wq");
  EXPECT_TRUE(e.quantized);
  EXPECT_TRUE(e.per_tensor);
  EXPECT_TRUE(e.activations_8bit);
  EXPECT_FALSE(e.unscaled);
  EXPECT_FALSE(read->expect("lm_head").quantized);
  EXPECT_FALSE(read->expect("model.layers.0.attention_norm").quantized);
  const ReadConfig bare(params({{"qformat_weight", "fp8_e4m3"}, {"qscheme_act", "NO_SCALES"}}));
  EXPECT_TRUE(bare->expect("model.layers.0.attention.wq").unscaled);
}

TEST(MistralConfig, OthersAreNamed) {
  expect_config_refused(params({{"qformat_weight", "int3"}}), ErrorKind::kUnsupportedScheme,
                        "in/params.json", "qformat_weight is 'int3'");
  expect_config_refused(params({{"qformat_weight", "fp8_e4m3"}, {"qscheme_act", "ROW"}}),
                        ErrorKind::kUnsupportedScheme, "in/params.json", "qscheme_act is 'ROW'");
}

TEST(MistralConfig, CompressedTensorsInsideParams) {
  const json section = {
      {"quant_method", "compressed-tensors"},
      {"config_groups",
       {{"group_0",
         {{"targets", {"re:.*experts.*"}},
          {"weights", {{"num_bits", 4}, {"type", "float"}, {"group_size", 16}}}}}}}};
  const ReadConfig read(params(section));
  EXPECT_EQ(read->dialect, Dialect::kCompressedTensors);
  EXPECT_EQ(read->file, "params.json");
  EXPECT_EQ(read->expect("model.layers.0.experts.0.w1").group_size, 16u);
  // config.json, where there is one that speaks of quantization, goes first.
  ConfigDocuments two = params(section);
  two.config = json{{"quantization_config", fp8_json()}};
  EXPECT_EQ(ReadConfig(two)->dialect, Dialect::kFp8);
}

TEST(NoQuantConfig, NothingSpeaksOfQuantization) {
  ConfigDocuments with_params;
  with_params.params = json{{"dim", 64}};
  for (const ConfigDocuments& documents :
       {ConfigDocuments{}, ConfigDocuments{json{{"model_type", "llama"}}, {}, {}, {}},
        ConfigDocuments{json{{"quantization_config", nullptr}}, {}, {}, {}}, with_params}) {
    const ReadConfig read(documents);
    EXPECT_EQ(read->dialect, Dialect::kUnquantized);
    EXPECT_EQ(read->quantization, "");
    EXPECT_FALSE(read->expect(kUp).quantized);
    EXPECT_TRUE(read->unmatched().empty());
    EXPECT_TRUE(read.log.warnings.empty());
  }
}

TEST(RefusedProducers, T35T45EachIsNamedAndDescribed) {
  const std::pair<const char*, const char*> rows[] = {
      {"awq", "AutoAWQ's qweight"},
      {"gptq", "GPTQ (qweight"},
      {"auto-round", "AutoRound's own format"},
      {"intel/auto-round", "AutoRound's own format"},
      {"bitsandbytes", "nf4, fp4 or int8 blocks"},
      {"quark", "AMD Quark"},
      {"exl2", "ExLlamaV2"},
      {"exl3", "ExLlamaV3"},
      {"hqq", "HQQ"},
      {"torchao", "tensor subclasses"},
      {"aqlm", "codebooks"},
      {"fbgemm_fp8", "FBGEMM FP8"},
      {"never-heard-of", "which is unknown"},
  };
  for (const auto& [method, what] : rows) {
    json section = fp8_json();
    section["quant_method"] = method;
    expect_config_refused(with_section(section), ErrorKind::kUnsupportedFormat, "in",
                          "quant_method is '" + std::string(method) + "'");
    expect_config_refused(with_section(section), ErrorKind::kUnsupportedFormat, "in", what);
  }
  json section = fp8_json();
  section.erase("quant_method");
  expect_config_refused(with_section(section), ErrorKind::kUnsupportedFormat, "in",
                        "names no quant_method");
}

TEST(RefusedProducers, ThoseThatNameNoMethod) {
  ConfigDocuments mlx;
  mlx.config = json{{"quantization", {{"group_size", 64}, {"bits", 4}}},
                    {"quantization_config", {{"group_size", 64}, {"bits", 4}}}};
  expect_config_refused(mlx, ErrorKind::kUnsupportedFormat, "in", "MLX");
  mlx.config->erase("quantization_config");
  expect_config_refused(mlx, ErrorKind::kUnsupportedFormat, "in", "MLX");
  expect_config_refused(with_section(json{{"load_in_4bit", true}}), ErrorKind::kUnsupportedFormat,
                        "in", "bitsandbytes");
  json csf = fp8_json();
  csf["weight_scale_encoding"] = "csf";
  expect_config_refused(with_section(csf), ErrorKind::kUnsupportedFormat, "in", "NVFP4-CSF");
  ConfigDocuments comfy = with_section(fp8_json());
  comfy.metadata_keys = {"format"};
  EXPECT_EQ(ReadConfig(comfy)->dialect, Dialect::kFp8);
  comfy.metadata_keys.push_back("_quantization_metadata");
  expect_config_refused(comfy, ErrorKind::kUnsupportedFormat, "in", "ComfyUI");
}

}  // namespace
}  // namespace imp::model
