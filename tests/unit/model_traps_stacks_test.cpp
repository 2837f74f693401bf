// Traps of published checkpoints that concern experts in one tensor (checkpoint-formats 8, named
// after the trap's number).
#include <gtest/gtest.h>

#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

using testing::CheckpointEditor;
using testing::EditedTensor;
using testing::expect_refused;
using testing::f32_bytes;
using testing::Imported;

constexpr const char* kFile = "model.safetensors";
constexpr const char* kGptOss = "modelopt-other-nvfp4-gptoss";
constexpr const char* kFp8 = "modelopt-fp8-gptoss";
constexpr const char* kBf16 = "other-bf16-gptoss";
const std::string kGateUp = "model.layers.0.mlp.experts.gate_up_proj";
const std::string kDown = "model.layers.0.mlp.experts.down_proj";

Encoding codes(const Imported& imported, const std::string& name) {
  return imported.find(name)->find(ComponentKind::kCodes)->encoding;
}

TEST(Traps, T07_AStackWithoutItsGlobalScale) {
  CheckpointEditor editor(kGptOss);
  editor.remove(kGateUp + "_weight_scale_2");
  expect_refused(editor, ErrorKind::kMissingTensor, kFile, kGateUp,
                 "its weight_scale_2 is missing");
}

TEST(Traps, T07_OneScalarIsEveryExperts) {
  const Imported imported(kGptOss);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight& gate_up = *imported.find(kGateUp);
  ASSERT_EQ(gate_up.multipliers.size(), 4u);
  for (const Scalar& scalar : gate_up.multipliers) EXPECT_EQ(scalar, gate_up.multipliers[0]);
  EXPECT_EQ(gate_up.find(ComponentKind::kMultiplier)->tensors.size(), 1u);
  EXPECT_EQ(gate_up.input_scales.size(), 4u);
}

TEST(Traps, T15_AStackWithoutItsBlockScales) {
  CheckpointEditor editor(kGptOss);
  editor.remove(kGateUp + "_weight_scale");
  expect_refused(editor, ErrorKind::kMissingTensor, kFile, kGateUp, "its weight_scale is missing");
}

TEST(Traps, T16_ThePackedAxisIsK) {
  const Imported imported(kGptOss);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight& down = *imported.find(kDown);  // U8 [4, 48, 128], scales [4, 6, 128]
  EXPECT_EQ(down.experts, 4u);
  EXPECT_EQ(down.n, 128u);
  EXPECT_EQ(down.k, 96u);
  EXPECT_TRUE(down.stacked);
  EXPECT_EQ(down.shape, (Shape{48, 128}));
  EXPECT_EQ(codes(imported, kDown), Encoding::kInFirst);
  EXPECT_EQ(down.find(ComponentKind::kBlockScale)->encoding, Encoding::kInFirst);
}

TEST(Traps, T16_StacksPackedAlongTheLastAxisAreRows) {
  // Motif, Step: [E, N, K/2]. An architecture nobody named, so only the axis decides.
  CheckpointEditor editor(kGptOss);
  editor.set_architecture("SomeoneElsesForCausalLM");
  for (const char* layer : {"0", "1"}) {
    const std::string experts = std::string("model.layers.") + layer + ".mlp.experts.";
    editor.tensor(experts + "down_proj").shape = {4, 128, 48};
    editor.tensor(experts + "down_proj_weight_scale").shape = {4, 128, 6};
    editor.tensor(experts + "gate_up_proj").shape = {4, 192, 64};
    editor.tensor(experts + "gate_up_proj_weight_scale").shape = {4, 192, 8};
  }
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.find(kDown)->n, 128u);
  EXPECT_EQ(imported.find(kDown)->k, 96u);
  EXPECT_EQ(codes(imported, kDown), Encoding::kRows);
  EXPECT_EQ(codes(imported, kGateUp), Encoding::kRows);
}

TEST(Traps, T16_BlocksAlongTheOutputAxisAreRefused) {
  for (const char* fixture : {"modelopt-trap-mxfp4-gptoss", "modelopt-trap-mxfp8-gptoss"}) {
    const Imported imported(fixture);
    ASSERT_FALSE(imported.ok()) << fixture;
    EXPECT_EQ(imported.model.error().kind, ErrorKind::kUnsupportedScheme);
    EXPECT_EQ(imported.model.error().tensor, kDown);
    EXPECT_NE(imported.model.error().message.find("output axis"), std::string::npos);
  }
}

TEST(Traps, T16_AMatrixThatTheConfigurationDoesNotKnow) {
  CheckpointEditor editor(kGptOss);
  editor.config()["hidden_size"] = 256;
  expect_refused(editor, ErrorKind::kShapeMismatch, kFile, kDown,
                 "N = 128, K = 96, expected N = 256, K = 96");
}

TEST(Traps, T16_UnpackedStacksGoByTheArchitecture) {
  const Imported fp8(kFp8);  // gate_up_proj is [4, 128, 128]
  ASSERT_TRUE(fp8.ok()) << fp8.error_line();
  EXPECT_EQ(codes(fp8, kGateUp), Encoding::kInFirstInterleaved);
  EXPECT_EQ(fp8.find(kDown)->k, 64u);
  EXPECT_EQ(fp8.find(kDown)->multipliers.size(), 4u);
  const Imported bf16(kBf16);
  ASSERT_TRUE(bf16.ok()) << bf16.error_line();
  EXPECT_EQ(codes(bf16, kDown), Encoding::kInFirst);
  EXPECT_EQ(bf16.find(kGateUp)->n, 128u);
  EXPECT_EQ(bf16.find(kGateUp)->k, 64u);
  EXPECT_EQ(bf16.find(kGateUp)->scheme, Scheme::kBf16);
}

TEST(Traps, T16_ASquareStackOfAnUnknownArchitecture) {
  CheckpointEditor editor(kBf16);  // down_proj is [4, 64, 64]
  editor.set_architecture("SomeoneElsesForCausalLM");
  expect_refused(editor, ErrorKind::kUnsupportedScheme, kFile, kDown, "cannot be told");
}

TEST(Traps, T17_GateAndUpAlternateInGptOss) {
  const Imported imported("other-mxfp4-gptoss");
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight& gate_up = *imported.find(kGateUp);
  for (const ComponentKind kind :
       {ComponentKind::kCodes, ComponentKind::kBlockScale, ComponentKind::kBias})
    EXPECT_EQ(gate_up.find(kind)->encoding, Encoding::kRowsInterleaved);
  EXPECT_EQ(gate_up.scheme, Scheme::kMxfp4);
  EXPECT_EQ(gate_up.n, 192u);
  EXPECT_EQ(gate_up.k, 64u);
  EXPECT_EQ(gate_up.shape, (Shape{192, 2, 16}));
  EXPECT_EQ(codes(imported, kDown), Encoding::kRows);
  EXPECT_EQ(imported.find(kDown)->find(ComponentKind::kBias)->encoding, Encoding::kRows);
}

TEST(Traps, T18_NamesWithUnderscoresAreOneModule) {
  const Imported imported(kGptOss);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.find(kGateUp)->planes.size(), 5u)
      << "codes, block scales, multiplier, input scale, bias";
}

TEST(Traps, T46_OneScalarAnExpertOrOneForAll) {
  CheckpointEditor all(kGptOss);
  all.tensor(kGateUp + "_weight_scale_2").shape = {4};
  all.tensor(kGateUp + "_weight_scale_2").bytes = f32_bytes({0.5f, 0.25f, 0.125f, 0.0625f});
  const Imported imported(all);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.find(kGateUp)->multipliers[3].bits, 0x3D800000u);
  CheckpointEditor three(kGptOss);
  three.tensor(kGateUp + "_weight_scale_2").shape = {3};
  three.tensor(kGateUp + "_weight_scale_2").bytes = f32_bytes({0.5f, 0.25f, 0.125f});
  expect_refused(three, ErrorKind::kShapeMismatch, kFile, kGateUp + "_weight_scale_2",
                 "shape is [3], expected one element or one an expert (4)");
}

TEST(Stacks, HoldAsManyExpertsAsTheConfigurationSays) {
  CheckpointEditor editor(kBf16);
  for (const char* key : {"num_local_experts", "num_experts"})
    if (editor.config().contains(key)) editor.config()[key] = 8;
  expect_refused(editor, ErrorKind::kShapeMismatch, kFile, kDown,
                 "holds 4 experts, expected 8 as config.json says");
}

TEST(Stacks, BiasesHaveASliceAnExpert) {
  CheckpointEditor editor(kGptOss);
  EditedTensor& bias = editor.tensor(kDown + "_bias");
  bias.shape = {128, 4};
  expect_refused(editor, ErrorKind::kShapeMismatch, kFile, kDown + "_bias",
                 "BF16 [128, 4], expected a float tensor [4, 128]");
}

TEST(Stacks, ScalesOfGptOssHaveOneAGroup) {
  CheckpointEditor editor("other-mxfp4-gptoss");
  EditedTensor& scales = editor.tensor(kDown + "_scales");
  scales.shape = {4, 3, 64};
  expect_refused(editor, ErrorKind::kShapeMismatch, kFile, kDown + "_scales",
                 "U8 [4, 3, 64], expected U8 [4, 64, 3]");
}

}  // namespace
}  // namespace imp::model
