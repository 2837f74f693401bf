// Dialects of which there is no small checkpoint by the real exporter: tensors as published headers
// list them (checkpoint-formats 3.9, 3.10, 6 and 9), small and with plain numbers in them.
#include <gtest/gtest.h>

#include <initializer_list>

#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

using nlohmann::json;
using testing::CheckpointEditor;
using testing::Imported;

size_t bytes_of(const std::string& dtype) {
  if (dtype == "F32") return 4;
  return dtype == "BF16" ? 2 : 1;
}

/// A checkpoint that holds only what is put into it.
class Checkpoint {
 public:
  explicit Checkpoint(const json& config) : editor_("other-fp8block64-1block-qwen3moe") {
    std::vector<std::string> names;
    for (const testing::EditedTensor& tensor : editor_.tensors()) names.push_back(tensor.name);
    for (const std::string& name : names) editor_.remove(name);
    editor_.config() = nlohmann::ordered_json::parse(config.dump());
  }
  void add(const std::string& name, const std::string& dtype, const std::vector<uint64_t>& shape) {
    uint64_t elems = 1;
    for (const uint64_t dim : shape) elems *= dim;
    std::string bytes(elems * bytes_of(dtype), '\0');
    if (dtype == "F32")
      for (size_t i = 3; i < bytes.size(); i += 4) bytes[i] = '\x3B';
    editor_.add({name, dtype, shape, bytes});
  }
  void add_nvfp4(const std::string& module, uint64_t n, uint64_t k) {
    add(module + ".weight", "U8", {n, k / 2});
    add(module + ".weight_scale", "F8_E4M3", {n, k / 16});
    add(module + ".weight_scale_2", "F32", {});
    add(module + ".input_scale", "F32", {});
  }
  CheckpointEditor& editor() { return editor_; }

 private:
  CheckpointEditor editor_;
};

void expect_matrix(const Imported& imported, const std::string& name, Scheme scheme, uint64_t n,
                   uint64_t k, uint64_t experts = 1) {
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight* weight = imported.find(name);
  ASSERT_NE(weight, nullptr) << name;
  EXPECT_TRUE(weight->gemm) << name;
  EXPECT_EQ(scheme_name(weight->scheme), scheme_name(scheme)) << name;
  EXPECT_EQ(weight->n, n) << name;
  EXPECT_EQ(weight->k, k) << name;
  EXPECT_EQ(weight->experts, experts) << name;
}

TEST(Dialects, DeepSeekV4MixesThreeSchemes) {
  Checkpoint file({{"architectures", {"DeepseekV4ForCausalLM"}},
                   {"hidden_size", 128},
                   {"num_hidden_layers", 1},
                   {"n_routed_experts", 2},
                   {"quantization_config",
                    {{"quant_method", "fp8"},
                     {"fmt", "e4m3"},
                     {"activation_scheme", "dynamic"},
                     {"weight_block_size", {128, 128}},
                     {"moe_quant_algo", "NVFP4"}}}});
  file.add("embed.weight", "BF16", {32, 128});
  file.add("layers.0.attn.wq_a.weight", "F8_E4M3", {192, 128});
  file.add("layers.0.attn.wq_a.scale", "F8_E8M0", {2, 1});
  for (const char* e : {"0", "1"}) {
    file.add_nvfp4(std::string("layers.0.ffn.experts.") + e + ".w1", 64, 128);
    const std::string draft = std::string("mtp.0.ffn.experts.") + e + ".w1.";
    file.add(draft + "weight", "I8", {64, 64});
    file.add(draft + "scale", "F8_E8M0", {64, 4});
  }
  const Imported imported(file.editor());
  expect_matrix(imported, "model.layers.0.attn.wq_a", Scheme::kFp8, 192, 128);
  EXPECT_EQ(imported.find("model.layers.0.attn.wq_a")->group_rows, 128u);
  expect_matrix(imported, "model.layers.0.ffn.experts.*.w1", Scheme::kNvfp4, 64, 128, 2);
  expect_matrix(imported, "mtp.0.ffn.experts.*.w1", Scheme::kMxfp4, 64, 128, 2);
  EXPECT_EQ(imported.find("model.embed_tokens")->role, Role::kTokenEmbedding);
}

/// [E, N, K/2] with one scalar an expert: not transposed (Motif, Step).
void add_row_stack(Checkpoint& file, const std::string& codes, const std::string& separator,
                   uint64_t n, uint64_t k) {
  file.add(codes, "U8", {4, n, k / 2});
  const std::string module = separator == "." ? codes.substr(0, codes.rfind('.')) : codes;
  file.add(module + separator + "weight_scale", "F8_E4M3", {4, n, k / 16});
  file.add(module + separator + "weight_scale_2", "F32", {4});
  file.add(module + separator + "input_scale", "F32", {4});
}

json moe_config(const char* architecture, const char* method) {
  return {{"architectures", {architecture}},
          {"hidden_size", 64},
          {"num_hidden_layers", 1},
          {"moe_intermediate_size", 32},
          {"quantization_config", {{"quant_method", method}, {"quant_algo", "NVFP4"}}}};
}

TEST(Dialects, StacksThatAreNotTransposed) {
  Checkpoint motif(moe_config("MotifForCausalLM", "modelopt_nvfp4"));
  add_row_stack(motif, "model.layers.0.moe.experts.gate_up_proj", "_", 64, 64);
  add_row_stack(motif, "model.layers.0.moe.experts.down_proj", "_", 64, 32);
  const Imported underscores(motif.editor());
  expect_matrix(underscores, "model.layers.0.moe.experts.gate_up_proj", Scheme::kNvfp4, 64, 64, 4);
  expect_matrix(underscores, "model.layers.0.moe.experts.down_proj", Scheme::kNvfp4, 64, 32, 4);
  Checkpoint step(moe_config("Step3p5ForCausalLM", "modelopt"));
  add_row_stack(step, "model.layers.0.moe.up_proj.weight", ".", 32, 64);
  const Imported dots(step.editor());
  expect_matrix(dots, "model.layers.0.moe.up_proj", Scheme::kNvfp4, 32, 64, 4);
  EXPECT_TRUE(dots.find("model.layers.0.moe.up_proj")->stacked);
  EXPECT_EQ(dots.find("model.layers.0.moe.up_proj")->multipliers.size(), 4u);
  EXPECT_EQ(dots.find("model.layers.0.moe.up_proj")->find(ComponentKind::kCodes)->encoding,
            Encoding::kRows);
}

/// One layer in Mistral's own names, FP8, with or without the scales.
Result<Model> import_mistral(const testing::TempFolder& folder, const char* activations,
                             bool scales, CollectingLog& log) {
  Checkpoint file(json::object());
  for (const char* name : {"tok_embeddings.weight", "output.weight"})
    file.add(name, "BF16", {32, 64});
  for (const char* name :
       {"norm.weight", "layers.0.attention_norm.weight", "layers.0.ffn_norm.weight"})
    file.add(name, "BF16", {64});
  for (const char* module : {"attention.wq", "attention.wk", "attention.wv", "attention.wo",
                             "feed_forward.w1", "feed_forward.w3", "feed_forward.w2"}) {
    const std::string name = std::string("layers.0.") + module;
    file.add(name + ".weight", "F8_E4M3", {64, 64});
    if (!scales) continue;
    file.add(name + ".qscale_weight", "F32", {});
    file.add(name + ".qscale_act", "F32", {});
  }
  const json params = {
      {"dim", 64},
      {"n_layers", 1},
      {"hidden_dim", 64},
      {"quantization", {{"qformat_weight", "fp8_e4m3"}, {"qscheme_act", activations}}}};
  file.editor().set_file("params.json", params.dump());
  const std::filesystem::path path = file.editor().write(folder.path());
  std::filesystem::rename(path / "model.safetensors", path / "consolidated.safetensors");
  std::filesystem::remove(path / "config.json");
  return import_checkpoint(path, {}, log);
}

TEST(Dialects, MistralsOwnFiles) {
  const testing::TempFolder folder;
  CollectingLog log;
  const Result<Model> model = import_mistral(folder, "TENSOR", true, log);
  ASSERT_TRUE(model.ok()) << model.error().to_line();
  size_t seen = 0;
  for (const Weight& weight : model->weights) {
    if (weight.scheme != Scheme::kFp8) continue;
    EXPECT_EQ(weight.multipliers, (std::vector<Scalar>{{0x3B000000, ScalarState::kMultiplier}}));
    EXPECT_EQ(weight.input_scales.size(), 1u);
    EXPECT_TRUE(weight.activations_8bit);
    ++seen;
  }
  EXPECT_EQ(seen, 7u);
}

TEST(Dialects, OnlyMistralDefinesAScaleOfOne) {
  const testing::TempFolder unscaled_folder, lost_folder;
  CollectingLog log;
  const Result<Model> unscaled = import_mistral(unscaled_folder, "NO_SCALES", false, log);
  ASSERT_TRUE(unscaled.ok()) << unscaled.error().to_line();
  for (const Weight& weight : unscaled->weights) EXPECT_TRUE(weight.multipliers.empty());
  const Result<Model> lost = import_mistral(lost_folder, "TENSOR", false, log);
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().kind, ErrorKind::kMissingTensor);
}

TEST(Dialects, GptOssAsOpenAiWroteIt) {
  Checkpoint file({{"num_hidden_layers", 1}, {"hidden_size", 64}, {"intermediate_size", 32}});
  file.add("embedding.weight", "BF16", {32, 64});
  file.add("norm.scale", "BF16", {64});
  file.add("block.0.attn.norm.scale", "BF16", {64});
  file.add("block.0.attn.sinks", "BF16", {4});
  file.add("block.0.mlp.mlp1_weight.blocks", "U8", {4, 64, 2, 16});
  file.add("block.0.mlp.mlp1_weight.scales", "U8", {4, 64, 2});
  file.add("block.0.mlp.mlp1_bias", "BF16", {4, 64});
  const Imported imported(file.editor());
  expect_matrix(imported, "block.0.mlp.mlp1_weight", Scheme::kMxfp4, 64, 64, 4);
}

TEST(Dialects, Fp8BlocksWithNarrowScalesAndPartialEdges) {
  Checkpoint file({{"architectures", {"SomeoneElsesForCausalLM"}},
                   {"num_hidden_layers", 1},
                   {"quantization_config",
                    {{"quant_method", "fp8"},
                     {"activation_scheme", "dynamic"},
                     {"weight_block_size", {128, 128}}}}});
  const std::string kv = "model.layers.0.self_attn.kv_a_proj_with_mqa";  // GLM-5.2: [576, 6144]
  file.add(kv + ".weight", "F8_E4M3", {576, 192});
  file.add(kv + ".weight_scale_inv", "BF16", {5, 2});
  const Imported imported(file.editor());
  expect_matrix(imported, kv, Scheme::kFp8, 576, 192);
  EXPECT_EQ(imported.find(kv)->group_rows, 128u);
  EXPECT_EQ(imported.find(kv)->group_size, 128u);
  EXPECT_TRUE(imported.find(kv)->activations_8bit);
}

TEST(Dialects, StacksOfFusedExpertsInRows) {
  // Qwen3.5: [E, 2F, H] in bf16; the sizes tell.
  Checkpoint file({{"architectures", {"SomeoneElsesForCausalLM"}},
                   {"num_hidden_layers", 1},
                   {"text_config", {{"hidden_size", 64}, {"moe_intermediate_size", 48}}}});
  file.add("model.language_model.layers.0.mlp.experts.gate_up_proj", "BF16", {4, 96, 64});
  const Imported imported(file.editor());
  expect_matrix(imported, "model.layers.0.mlp.experts.gate_up_proj", Scheme::kBf16, 96, 64, 4);
  EXPECT_EQ(imported.find("model.layers.0.mlp.experts.gate_up_proj")
                ->find(ComponentKind::kCodes)
                ->encoding,
            Encoding::kRows);
}

}  // namespace
}  // namespace imp::model
