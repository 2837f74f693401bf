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

TEST(Refuses, SuffixesThatMeanNothingBesideTheCodes) {
  struct Row {
    const char* suffix;
    ErrorKind kind;
    const char* says;
  };
  const Row rows[] = {
      {"pre_quant_scale", ErrorKind::kShapeMismatch, "BF16 [2], expected a float tensor [128]"},
      {"weight_packed", ErrorKind::kUnsupportedScheme, "two weights of one module"},
      {"weight_global_scale", ErrorKind::kUnknownTensor, "a compressed-tensors divisor"},
      {"weight_scale_inv", ErrorKind::kDuplicateName, "means the same as tensor"},
      {"weight_zero_point", ErrorKind::kUnknownTensor, "zero points of integer codes"},
      {"weight_g_idx", ErrorKind::kUnknownTensor, "act-order groups"},
      {"weight_shape", ErrorKind::kUnknownTensor, "is not supported"},
      {"bitmask", ErrorKind::kUnknownTensor, "is not supported"},
      {"k_bias", ErrorKind::kUnknownTensor, "is not supported on module 'self_attn.q_proj'"},
      {"qweight", ErrorKind::kUnknownTensor, "AutoGPTQ or AutoAWQ"},
      {"comfy_quant", ErrorKind::kUnknownTensor, "ComfyUI"},
      {"weight_scale_csf", ErrorKind::kUnknownTensor, "compressed block scales"},
      {"weight_quantizer._svdquant_lora_a", ErrorKind::kMissingTensor, "its other factor"},
      {"weight_quantizer._svdquant_lora_b", ErrorKind::kMissingTensor, "its other factor"}};
  for (const Row& row : rows) {
    CheckpointEditor editor(kLlama);
    const std::string name = kQ + "." + row.suffix;
    editor.add(small(name));
    // Of two scales, the one that is looked at later is named.
    const bool later = std::string(row.suffix) == "weight_packed";
    expect_refused(editor, row.kind, kFile, later ? kQ + ".weight" : name, row.says);
  }
}

TEST(Refuses, SuffixesThatNobodyKnows) {
  for (const char* suffix : {"Weight", "weight_scale_3", "zeros", "lora_A"}) {
    CheckpointEditor editor(kLlama);
    const std::string name = kQ + "." + suffix;
    editor.add(small(name));
    expect_refused(editor, ErrorKind::kUnknownTensor, kFile, name,
                   "suffix '" + std::string(suffix) + "' is not supported");
  }
}

TEST(Refuses, ModulesInsideALinearLayer) {
  for (const char* suffix : {"lora_A.weight", "input_quantizer._amax", "u_output.weight"}) {
    CheckpointEditor editor(kLlama);
    const std::string name = kQ + "." + suffix;
    editor.add(small(name));
    expect_refused(editor, ErrorKind::kUnknownTensor, kFile, name,
                   "beside the weight of '" + kQ + "'");
  }
}

TEST(Refuses, SuffixesInTheWrongPlace) {
  for (const char* name :
       {"model.norm.weight_scale", "model.layers.0.input_layernorm.input_scale",
        "model.layers.0.self_attn.q_proj.k_scale", "model.layers.0.self_attn.k_proj.v_scale"}) {
    CheckpointEditor editor(kLlama);
    editor.add(small(name));
    expect_refused(editor, ErrorKind::kUnknownTensor, kFile, name, "is not supported");
  }
}

TEST(Accepts, ModulesThatNobodyNamed) {
  for (const char* module : {"model.layers.0.something.else", "transformer.wte", "mtp.fc",
                             "model.visual.blocks.0.attn.qkv"}) {
    CheckpointEditor editor(kLlama);
    const std::string name = std::string(module) + ".weight";
    editor.add(small(name));
    const Imported imported(editor);
    ASSERT_TRUE(imported.ok()) << imported.error_line();
    bool found = false;
    for (const Weight& weight : imported.model->weights)
      found = found || (weight.name == name && !weight.gemm && weight.scheme == Scheme::kBf16 &&
                        weight.shape == Shape{2});
    EXPECT_TRUE(found) << name;
  }
}

TEST(Accepts, AQuantizedModuleThatNobodyNamed) {
  CheckpointEditor editor(kLlama);
  for (const char* suffix : {".weight", ".weight_scale", ".weight_scale_2", ".input_scale"})
    editor.duplicate(kQ + suffix, "model.layers.0.something.else" + std::string(suffix));
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight* weight = imported.find("model.layers.0.something.else");
  ASSERT_NE(weight, nullptr);
  EXPECT_TRUE(weight->gemm);
  EXPECT_EQ(weight->scheme, Scheme::kNvfp4);
  EXPECT_EQ(weight->role, Role::kOther);
}

TEST(Refuses, NamesWithoutPlainNumbers) {
  for (const char* name :
       {"model.layers.00.mlp.up_proj.weight", "model.layers.-1.mlp.up_proj.weight",
        "model.layers.4294967295.mlp.up_proj.weight",
        "model.layers.0.mlp.experts.00.up_proj.weight",
        "model.layers.0.mlp.experts.*.up_proj.weight",
        "model.layers.0.mlp.experts.99999999999.up_proj.weight"}) {
    CheckpointEditor editor(kMoe);
    editor.add(small(name));
    expect_refused(editor, ErrorKind::kUnknownTensor, kFile, name,
                   "name is not of the form MODULE.SUFFIX");
  }
}

TEST(Refuses, ScalesWithoutAWeight) {
  CheckpointEditor expert(kMoe);
  expert.remove(kExperts + "2.up_proj.weight");
  expect_refused(expert, ErrorKind::kMissingTensor, kFile, kExperts + "2.up_proj.weight_scale",
                 "its weight is missing");
  CheckpointEditor unnamed(kLlama);
  unnamed.duplicate(kQ + ".weight_scale", "model.layers.0.something.else.weight_scale");
  expect_refused(unnamed, ErrorKind::kMissingTensor, kFile,
                 "model.layers.0.something.else.weight_scale", "its weight is missing");
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

TEST(Refuses, ExpertsOfTwoForms) {
  // Same codes, but one expert has a scale a row and the other one number.
  const std::string expert = "model.layers.0.mlp.experts.1.up_proj.weight_scale";
  CheckpointEditor editor("modelopt-int8wo-qwen3moe");
  editor.tensor(expert).shape = {};
  editor.tensor(expert).bytes.resize(4);
  expect_refused(editor, ErrorKind::kShapeMismatch, kFile,
                 "model.layers.0.mlp.experts.1.up_proj.weight",
                 "experts of one layer must be alike");
}

TEST(Refuses, BlockScalesOfAnotherShape) {
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
  CheckpointEditor flat(kLlama);
  flat.tensor(kQ + ".weight").shape = {256 * 64};
  expect_refused(flat, ErrorKind::kShapeMismatch, kFile, kQ + ".weight", "expected rank 2");
  for (const std::vector<uint64_t>& shape : {std::vector<uint64_t>{0, 64}, {256, 0}}) {
    CheckpointEditor editor(kLlama);
    editor.tensor(kQ + ".weight").shape = shape;
    editor.tensor(kQ + ".weight").bytes.clear();
    expect_refused(editor, ErrorKind::kShapeMismatch, kFile, kQ + ".weight", "U8 [");
  }
}

TEST(Refuses, CodesOfAnotherDtype) {
  for (const char* dtype : {"BOOL", "F8_E8M0", "F8_E5M2", "F8_E4M3FNUZ"}) {
    CheckpointEditor editor(kLlama);
    editor.tensor(kQ + ".weight").dtype = dtype;
    expect_refused(editor, ErrorKind::kUnsupportedScheme, kFile, kQ + ".weight",
                   std::string(dtype) + " [256, 64] is no weight of a known scheme");
  }
  // Familiar codes, but the scales beside them are another scheme's.
  for (const char* dtype : {"I8", "F8_E4M3"}) {
    CheckpointEditor editor(kLlama);
    editor.tensor(kQ + ".weight").dtype = dtype;
    expect_refused(editor, ErrorKind::kShapeMismatch, kFile, kQ + ".weight_scale",
                   "F8_E4M3 [256, 8], expected");
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

TEST(Refuses, EmbeddingsThatAreNeitherFloatNorQuantized) {
  CheckpointEditor scaled(kLlama);
  scaled.duplicate(kDown + ".weight_scale", "model.embed_tokens.weight_scale");
  expect_refused(scaled, ErrorKind::kUnsupportedScheme, kFile, "model.embed_tokens.weight",
                 "with block scales beside it");
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
