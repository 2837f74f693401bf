// Tensors that must be refused: each case is a checkpoint that imports with one thing changed.
#include <gtest/gtest.h>

#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

using testing::CheckpointEditor;
using testing::EditedTensor;
using testing::expect_refused;
using testing::Imported;

constexpr const char* kLlama = "modelopt-nvfp4-compress-llama";
constexpr const char* kOdd = "modelopt-nvfp4-llama-odd";
constexpr const char* kMoe = "modelopt-nvfp4-qwen3moe";
constexpr const char* kFile = "model.safetensors";
const std::string kQ = "model.layers.0.self_attn.q_proj";  // [256, 128]
const std::string kDown = "model.layers.0.mlp.down_proj";  // [128, 256]
const std::string kExperts =
    "model.layers.0.mlp.experts.";  // gate, up [64, 128], down [128, 64], four of each

EditedTensor small(const std::string& name, const std::string& dtype = "BF16") {
  return {name, dtype, {2}, std::string(4, '\0')};
}

TEST(Refuses, SuffixesThatChangeTheModelIfDropped) {
  struct Row {
    const char* suffix;
    const char* says;
  };
  const Row rows[] = {{"pre_quant_scale", "AWQ or SmoothQuant"},
                      {"weight_packed", "compressed-tensors packing"},
                      {"weight_global_scale", "compressed-tensors divisor"},
                      {"weight_scale_inv", "DeepSeek-style FP8"},
                      {"weight_zero_point", "asymmetric"},
                      {"weight_g_idx", "act-order"},
                      {"k_bias", "affine KV cache"},
                      {"v_bias", "affine KV cache"},
                      {"qweight", "AutoGPTQ or AutoAWQ"},
                      {"comfy_quant", "ComfyUI"},
                      {"weight_quantizer._svdquant_lora_a", "SVDQuant"},
                      {"weight_quantizer._svdquant_lora_b", "SVDQuant"}};
  for (const Row& row : rows) {
    CheckpointEditor editor(kLlama);
    const std::string name = kQ + "." + row.suffix;
    editor.add(small(name));
    expect_refused(editor, ErrorKind::kUnknownTensor, kFile, name, row.says);
  }
}

TEST(Refuses, SuffixesThatNobodyKnows) {
  for (const char* suffix :
       {"Weight", "weight_scale_3", "scale", "weight_shape", "weight_csf_x", "zeros", ""}) {
    CheckpointEditor editor(kLlama);
    const std::string name = kQ + "." + suffix;
    editor.add(small(name));
    expect_refused(editor, ErrorKind::kUnknownTensor, kFile, name,
                   "suffix '" + std::string(suffix) + "' is not supported");
  }
}

TEST(Refuses, SuffixesInTheWrongPlace) {
  for (const char* name :
       {"model.norm.bias", "model.norm.weight_scale", "model.layers.0.input_layernorm.input_scale",
        "model.layers.0.self_attn.q_proj.k_scale", "model.layers.0.self_attn.k_proj.v_scale",
        "model.embed_tokens.bias"}) {
    CheckpointEditor editor(kLlama);
    editor.add(small(name));
    expect_refused(editor, ErrorKind::kUnknownTensor, kFile, name, "is not supported");
  }
}

TEST(Refuses, ModulesWithoutARole) {
  for (const char* module :
       {"model.layers.0.self_attn.qkv_proj", "model.layers.0.mlp.gate_up_proj",
        "model.layers.0.self_attn.indexer.wk", "model.layers.0.self_attn.q_proj.weight_quantizer",
        "model.visual.blocks.0.attn.qkv", "mtp.fc", "model.layers.0.mlp.shared_experts.up_proj",
        "transformer.wte"}) {
    CheckpointEditor editor(kLlama);
    const std::string name = std::string(module) + ".weight";
    editor.add(small(name));
    const std::string leaf =
        name.starts_with("model.layers.0.") ? std::string(module).substr(15) : module;
    expect_refused(editor, ErrorKind::kUnknownTensor, kFile, name,
                   "module '" + leaf + "' has no known role");
  }
}

TEST(Refuses, ALeakedQuantizerScale) {
  // --low_memory_mode exports before 0.46 leave <m>.weight_quantizer._scale behind.
  CheckpointEditor editor(kLlama);
  editor.add(small(kQ + ".weight_quantizer._scale"));
  expect_refused(editor, ErrorKind::kUnknownTensor, kFile, kQ + ".weight_quantizer._scale",
                 "has no known role");
}

TEST(Refuses, FusedQkv) {
  CheckpointEditor phi3("modelopt-other-nvfp4-phi3");
  phi3.set_architecture("LlamaForCausalLM");
  // The first tensor in the file that has no role.
  expect_refused(phi3, ErrorKind::kUnknownTensor, kFile,
                 "model.layers.0.mlp.gate_up_proj.input_scale",
                 "module 'mlp.gate_up_proj' has no known role");
  CheckpointEditor unchanged("modelopt-other-nvfp4-phi3");
  expect_refused(unchanged, ErrorKind::kUnsupportedArchitecture, "", "",
                 "architecture is 'Phi3ForCausalLM'");
}

TEST(Refuses, StackedExperts) {
  for (const char* name : {"model.layers.0.mlp.experts.gate_up_proj",
                           "model.layers.0.mlp.experts.gate_up_proj_weight_scale",
                           "model.layers.0.mlp.experts.down_proj.weight",
                           "model.layers.0.mlp.experts.gate_up_proj_bias"}) {
    CheckpointEditor editor(kMoe);
    editor.add(small(name));
    expect_refused(editor, ErrorKind::kUnknownTensor, kFile, name,
                   "stacked experts are not supported");
  }
}

TEST(Refuses, NamesWithoutPlainNumbers) {
  for (const char* name :
       {"model.layers.00.mlp.up_proj.weight", "model.layers.-1.mlp.up_proj.weight",
        "model.layers.4294967295.mlp.up_proj.weight",
        "model.layers.0.mlp.experts.00.up_proj.weight",
        "model.layers.0.mlp.experts.*.up_proj.weight",
        "model.layers.0.mlp.experts.99999999999.up_proj.weight", "model.layers.0.weight",
        "weight"}) {
    CheckpointEditor editor(kMoe);
    editor.add(small(name));
    expect_refused(editor, ErrorKind::kUnknownTensor, kFile, name,
                   "name is not of the form MODULE.SUFFIX");
  }
}

TEST(Refuses, TwoTensorsOfOneMeaning) {
  CheckpointEditor editor(kLlama);
  editor.duplicate("model.norm.weight", "language_model.model.norm.weight");
  // The editor puts the copy behind the original.
  expect_refused(editor, ErrorKind::kDuplicateName, kFile, "language_model.model.norm.weight",
                 "means the same as tensor 'model.norm.weight'");
}

TEST(Refuses, ModulesWithoutScales) {
  CheckpointEditor block(kLlama);
  block.remove(kQ + ".weight_scale");
  expect_refused(block, ErrorKind::kMissingTensor, kFile, kQ + ".weight",
                 "its weight_scale is missing");
  CheckpointEditor global(kLlama);
  global.remove(kQ + ".weight_scale_2");
  expect_refused(global, ErrorKind::kMissingTensor, kFile, kQ + ".weight",
                 "its weight_scale_2 is missing");
}

TEST(Refuses, ScalesWithoutAWeight) {
  CheckpointEditor editor(kLlama);
  editor.remove(kQ + ".weight");
  expect_refused(editor, ErrorKind::kMissingTensor, "", kQ + ".weight", "is missing");
  CheckpointEditor expert(kMoe);
  expert.remove(kExperts + "2.up_proj.weight");
  expect_refused(expert, ErrorKind::kMissingTensor, kFile, kExperts + "2.up_proj.weight_scale",
                 "its weight is missing");
}

TEST(Refuses, AMissingExpert) {
  CheckpointEditor middle(kMoe);
  middle.remove_prefix(kExperts + "2.up_proj.");
  expect_refused(middle, ErrorKind::kMissingTensor, kFile, kExperts + "3.up_proj.weight",
                 "is expert 3, expected expert 2 first");
  CheckpointEditor first(kMoe);
  first.remove_prefix(kExperts + "0.up_proj.");
  expect_refused(first, ErrorKind::kMissingTensor, kFile, kExperts + "1.up_proj.weight",
                 "is expert 1, expected expert 0 first");
  CheckpointEditor last(kMoe);
  last.remove_prefix(kExperts + "3.up_proj.");
  expect_refused(last, ErrorKind::kMissingTensor, "", kExperts + "*.up_proj",
                 "has 3 experts, expected 4 as config.json says");
}

TEST(Refuses, AnExtraExpert) {
  CheckpointEditor editor(kMoe);
  for (const char* suffix : {"weight", "weight_scale", "weight_scale_2", "input_scale"})
    editor.duplicate(kExperts + "3.up_proj." + suffix, kExperts + "4.up_proj." + suffix);
  expect_refused(editor, ErrorKind::kMissingTensor, kFile, kExperts + "4.up_proj.weight",
                 "is expert 4, expected only 4 experts");
  CheckpointEditor far(kMoe);
  far.rename_prefix(kExperts + "3.up_proj.", kExperts + "4294967294.up_proj.");
  expect_refused(far, ErrorKind::kMissingTensor, kFile, kExperts + "4294967294.up_proj.weight",
                 "is expert 4294967294, expected expert 3 first");
}

TEST(Refuses, ExpertsInAModelWithoutExperts) {
  CheckpointEditor editor(kLlama);
  editor.rename_prefix("model.layers.0.mlp.up_proj.", kExperts + "0.up_proj.");
  expect_refused(editor, ErrorKind::kMissingTensor, "", "model.layers.0.mlp.up_proj.weight",
                 "is missing");
  CheckpointEditor beside(kLlama);
  for (const char* suffix : {"weight", "weight_scale", "weight_scale_2", "input_scale"})
    beside.duplicate(std::string("model.layers.0.mlp.up_proj.") + suffix,
                     kExperts + "0.up_proj." + suffix);
  expect_refused(beside, ErrorKind::kMissingTensor, kFile, kExperts + "0.up_proj.weight",
                 "expected only 0 experts");
}

TEST(Refuses, ExpertsThatDiffer) {
  CheckpointEditor shape(kMoe);
  EditedTensor& weight = shape.tensor(kExperts + "1.up_proj.weight");
  weight.shape = {32, 64};
  weight.bytes.resize(32 * 64);
  EditedTensor& scale = shape.tensor(kExperts + "1.up_proj.weight_scale");
  scale.shape = {32, 8};
  scale.bytes.resize(32 * 8);
  expect_refused(shape, ErrorKind::kShapeMismatch, kFile, kExperts + "1.up_proj.weight",
                 "U8 [32, 64], but expert 0 has U8 [64, 64]");
  CheckpointEditor dtype(kMoe);
  for (const char* suffix : {"weight", "weight_scale", "weight_scale_2", "input_scale"})
    dtype.remove(kExperts + "1.up_proj." + suffix);
  dtype.add({kExperts + "1.up_proj.weight", "BF16", {64, 128}, std::string(64 * 128 * 2, '\0')});
  expect_refused(dtype, ErrorKind::kShapeMismatch, kFile, kExperts + "1.up_proj.weight",
                 "but expert 0 has U8 [64, 64]");
}

TEST(Refuses, BlockScalesOfAnotherShape) {
  CheckpointEditor half(kLlama);  // the exporter fault "one scale per 32" (T14)
  EditedTensor& scale = half.tensor(kQ + ".weight_scale");
  scale.shape = {256, 4};
  scale.bytes.resize(256 * 4);
  expect_refused(half, ErrorKind::kUnsupportedScheme, kFile, kQ + ".weight_scale",
                 "one scale per 32 codes");

  for (const std::vector<uint64_t>& shape :
       {std::vector<uint64_t>{8, 256}, {256 * 8}, {256, 8, 1}, {128, 16}}) {
    CheckpointEditor editor(kLlama);
    editor.tensor(kQ + ".weight_scale").shape = shape;
    expect_refused(editor, ErrorKind::kShapeMismatch, kFile, kQ + ".weight_scale",
                   "expected F8_E4M3 [256, 8] beside U8 [256, 64]");
  }
}

TEST(Refuses, BlockScalesOfAnotherDtype) {
  for (const char* dtype : {"U8", "F8_E8M0", "F8_E5M2", "I8"}) {
    CheckpointEditor editor(kLlama);
    editor.tensor(kQ + ".weight_scale").dtype = dtype;
    expect_refused(editor, ErrorKind::kShapeMismatch, kFile, kQ + ".weight_scale",
                   std::string(dtype) + " [256, 8], expected F8_E4M3 [256, 8]");
  }
}

TEST(Refuses, CodesOfAnotherShape) {
  CheckpointEditor k24(kLlama);  // K = 24: one group and a half
  EditedTensor& weight = k24.tensor(kQ + ".weight");
  weight.shape = {256, 12};
  weight.bytes.resize(256 * 12);
  expect_refused(k24, ErrorKind::kShapeMismatch, kFile, kQ + ".weight",
                 "K is not a multiple of the group size 16");

  for (const std::vector<uint64_t>& shape : {std::vector<uint64_t>{256 * 64}, {1, 256, 64}}) {
    CheckpointEditor editor(kLlama);
    editor.tensor(kQ + ".weight").shape = shape;
    expect_refused(editor, ErrorKind::kShapeMismatch, kFile, kQ + ".weight", "expected rank 2");
  }
  for (const std::vector<uint64_t>& shape : {std::vector<uint64_t>{0, 64}, {256, 0}}) {
    CheckpointEditor editor(kLlama);
    editor.tensor(kQ + ".weight").shape = shape;
    editor.tensor(kQ + ".weight").bytes.clear();
    expect_refused(editor, ErrorKind::kShapeMismatch, kFile, kQ + ".weight", "U8 [");
  }
}

TEST(Refuses, CodesOfAnotherDtype) {
  for (const char* dtype : {"I8", "F8_E4M3", "F8_E8M0", "BOOL"}) {
    CheckpointEditor editor(kLlama);
    editor.tensor(kQ + ".weight").dtype = dtype;
    expect_refused(editor, ErrorKind::kUnsupportedScheme, kFile, kQ + ".weight",
                   std::string(dtype) + " [256, 64] is neither NVFP4");
  }
}

TEST(Refuses, FloatWeightsWithScalesBesideThem) {
  for (const char* suffix : {"weight_scale", "weight_scale_2"}) {
    CheckpointEditor editor(kLlama);
    editor.duplicate(kDown + "." + suffix, std::string("lm_head.") + suffix);
    expect_refused(editor, ErrorKind::kUnsupportedScheme, kFile, "lm_head.weight",
                   "BF16 [128, 128] with block scales beside it");
  }
  CheckpointEditor editor(kLlama);
  editor.duplicate(kDown + ".input_scale", "lm_head.input_scale");
  expect_refused(editor, ErrorKind::kUnsupportedScheme, kFile, "lm_head.weight",
                 "with an input_scale beside it");
}

TEST(Refuses, AQuantizedEmbedding) {
  for (const char* suffix : {"weight_scale", "weight_scale_2", "input_scale"}) {
    CheckpointEditor editor(kLlama);
    editor.duplicate(kDown + "." + suffix, std::string("model.embed_tokens.") + suffix);
    expect_refused(editor, ErrorKind::kUnsupportedScheme, kFile,
                   std::string("model.embed_tokens.") + suffix,
                   "a quantized token embedding is not supported");
  }
  CheckpointEditor codes(kLlama);
  codes.tensor("model.embed_tokens.weight").dtype = "U8";
  codes.tensor("model.embed_tokens.weight").bytes.resize(128 * 128);
  expect_refused(codes, ErrorKind::kUnsupportedScheme, kFile, "model.embed_tokens.weight",
                 "U8 [128, 128]");
}

TEST(Refuses, NormsThatAreNoVector) {
  CheckpointEditor matrix(kLlama);
  matrix.tensor("model.norm.weight").shape = {1, 128};
  expect_refused(matrix, ErrorKind::kShapeMismatch, kFile, "model.norm.weight",
                 "BF16 [1, 128], expected rank 1");
  CheckpointEditor integers(kLlama);
  integers.tensor("model.norm.weight").dtype = "I16";
  expect_refused(integers, ErrorKind::kUnsupportedScheme, kFile, "model.norm.weight", "I16 [128]");
}

TEST(Refuses, BiasesOfAnotherShapeOrDtype) {
  const std::string bias = "model.layers.0.self_attn.q_proj.bias";  // BF16 [192]
  CheckpointEditor shape(kOdd);
  shape.tensor(bias).shape = {1, 192};
  expect_refused(shape, ErrorKind::kShapeMismatch, kFile, bias,
                 "BF16 [1, 192], expected a float tensor [192]");
  CheckpointEditor length(kOdd);
  length.tensor(bias).shape = {96};
  length.tensor(bias).bytes.resize(192);
  expect_refused(length, ErrorKind::kShapeMismatch, kFile, bias,
                 "BF16 [96], expected a float tensor [192]");
  CheckpointEditor dtype(kOdd);
  dtype.tensor(bias).dtype = "I16";
  expect_refused(dtype, ErrorKind::kShapeMismatch, kFile, bias,
                 "I16 [192], expected a float tensor [192]");
}

/// kMoe whose up_proj experts all have a bias.
CheckpointEditor moe_with_biases() {
  CheckpointEditor editor(kMoe);
  for (int e = 0; e < 4; ++e)
    editor.add(
        {kExperts + std::to_string(e) + ".up_proj.bias", "BF16", {64}, std::string(128, '\0')});
  return editor;
}

TEST(Refuses, BiasesOfOnlySomeExperts) {
  CheckpointEditor good = moe_with_biases();
  const Imported imported(good);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.find(kExperts + "*.up_proj")->find(ComponentKind::kBias)->tensors.size(), 4u);
  CheckpointEditor editor = moe_with_biases();
  editor.remove(kExperts + "2.up_proj.bias");
  expect_refused(editor, ErrorKind::kMissingTensor, kFile, kExperts + "2.up_proj.weight",
                 "its bias is missing");
}

TEST(Refuses, BiasesOfTwoDtypesInOneLayer) {
  CheckpointEditor editor = moe_with_biases();
  editor.tensor(kExperts + "2.up_proj.bias").dtype = "F32";
  editor.tensor(kExperts + "2.up_proj.bias").bytes.resize(256);
  expect_refused(editor, ErrorKind::kShapeMismatch, kFile, kExperts + "2.up_proj.bias",
                 "F32 [64], but expert 0 has BF16 [64]");
}

}  // namespace
}  // namespace imp::model
