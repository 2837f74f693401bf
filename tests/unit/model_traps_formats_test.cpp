// Traps of published checkpoints that concern dtypes, packings and names of tensors
// (checkpoint-formats 8; tests are named after the trap's number). Each is a checkpoint that
// imports, with one thing changed.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

using testing::any_has;
using testing::CheckpointEditor;
using testing::EditedTensor;
using testing::expect_refused;
using testing::Imported;

constexpr const char* kFile = "model.safetensors";
constexpr const char* kModelOpt = "modelopt-nvfp4-compress-llama";
constexpr const char* kMoe = "modelopt-nvfp4-qwen3moe";
constexpr const char* kCt = "ct-v012-nvfp4-llama-small";
constexpr const char* kMx = "ct-mxfp4a16-llama-odd";
constexpr const char* kPadded = "ct-v012-w5a16-padded-llama-small";
constexpr const char* kDense = "ct-w3a16asym-channel-llama-odd";
constexpr const char* kBlock64 = "other-fp8block64-1block-qwen3moe";
const std::string kQ = "model.layers.0.self_attn.q_proj";
const std::string kGate = "model.layers.0.mlp.gate_proj";

const PlaneSet& plane(const Imported& imported, const std::string& name, ComponentKind kind) {
  return *imported.find(name)->find(kind);
}

TEST(Traps, T03_ScalesPaddedForAKernel) {
  // [130, 13] is linear; a kernel's tiles have rows in multiples of 128 and columns of 4.
  const std::string down = "model.layers.0.mlp.down_proj";
  CheckpointEditor editor("modelopt-nvfp4-llama-odd");
  EditedTensor& scale = editor.tensor(down + ".weight_scale");
  const uint64_t rows = (scale.shape[0] + 127) / 128 * 128, groups = (scale.shape[1] + 3) / 4 * 4;
  ASSERT_NE(rows, scale.shape[0]);
  scale.shape = {rows, groups};
  scale.bytes.resize(rows * groups);
  expect_refused(editor, ErrorKind::kShapeMismatch, kFile, down + ".weight_scale",
                 "expected F8_E4M3 [208, 25]");
}

TEST(Traps, T23_ADraftLayerOfAnotherPrecision) {
  const std::string draft = "model.layers.1.";  // behind the only layer
  CheckpointEditor editor(kModelOpt);
  editor.add({draft + "eh_proj.weight", "BF16", {128, 256}, std::string(128 * 256 * 2, '\0')});
  editor.add({draft + "enorm.weight", "BF16", {128}, std::string(256, '\0')});
  editor.add({draft + "mlp.up_proj.weight", "BF16", {256, 128}, std::string(256 * 128 * 2, '\0')});
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.find(draft + "mlp.up_proj")->scheme, Scheme::kBf16);
  EXPECT_EQ(imported.find("model.layers.0.mlp.up_proj")->scheme, Scheme::kNvfp4);
  EXPECT_TRUE(imported.log.warnings.empty());
}

TEST(Traps, T20_Mxfp4OfVersion013) {
  const Imported refused("ct-v013-mxfp4a16-llama-small");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.model.error().kind, ErrorKind::kUnsupportedScheme);
  EXPECT_NE(refused.model.error().message.find("0.13.0"), std::string::npos);
  CheckpointEditor editor("ct-v013-mxfp4a16-llama-small");
  editor.config()["quantization_config"]["version"] = "0.14.0";
  EXPECT_TRUE(Imported(editor).ok());
}

TEST(Traps, T21_ExponentBytesOfTwoDtypes) {
  CheckpointEditor editor(kMx);
  editor.tensor(kQ + ".weight_scale").dtype = "F8_E8M0";
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.find(kQ)->scheme, Scheme::kMxfp4);
  CheckpointEditor cast(kMx);  // somebody cast them to numbers
  cast.tensor(kQ + ".weight_scale").dtype = "F8_E4M3";
  expect_refused(cast, ErrorKind::kMissingTensor, kFile, kQ + ".weight_packed",
                 "its weight_global_scale is missing");
}

TEST(Traps, T22_Fp4CodesStoredAsI8) {
  const std::string up = "model.layers.0.mlp.experts.";
  CheckpointEditor editor("modelopt-mxfp4-qwen3moe");
  for (int e = 0; e < 4; ++e) {
    const std::string module = up + std::to_string(e) + ".up_proj.";
    editor.tensor(module + "weight").dtype = "I8";
    editor.rename(module + "weight_scale", module + "scale");
    editor.tensor(module + "scale").dtype = "F8_E8M0";
  }
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight& weight = *imported.find(up + "*.up_proj");
  EXPECT_EQ(weight.scheme, Scheme::kMxfp4);
  EXPECT_EQ(weight.dtype, Dtype::kI8);
  EXPECT_EQ(weight.k, 128u);
  EXPECT_EQ(weight.find(ComponentKind::kCodes)->encoding, Encoding::kRows);
}

TEST(Traps, T24_Fp8BlocksUnderTheNameScale) {
  CheckpointEditor editor("other-fp8block-ue8m0-qwen3");
  editor.rename(kQ + ".weight_scale_inv", kQ + ".scale");
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight& q = *imported.find(kQ);
  EXPECT_EQ(q.scheme, Scheme::kFp8);
  EXPECT_EQ(q.group_rows, 128u);
  EXPECT_EQ(q.group_size, 128u);
  // One exponent is a block still: it is no float that could be a multiplier.
  EXPECT_EQ(imported.find("model.layers.0.self_attn.k_proj")->group_rows, 128u);
  EXPECT_TRUE(imported.find("model.layers.0.self_attn.k_proj")->multipliers.empty());
}

TEST(Traps, T25_BlocksWithPartialEdges) {
  CheckpointEditor editor(kBlock64);  // q_proj [128, 64], scales [2, 1]
  editor.tensor(kQ + ".weight").shape = {96, 64};
  editor.tensor(kQ + ".weight").bytes.resize(96 * 64);
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.find(kQ)->n, 96u);
  EXPECT_EQ(imported.find(kQ)->group_rows, 64u);
  CheckpointEditor too_few(kBlock64);
  too_few.tensor(kQ + ".weight").shape = {129, 64};
  too_few.tensor(kQ + ".weight").bytes.resize(129 * 64);
  expect_refused(too_few, ErrorKind::kShapeMismatch, kFile, kQ + ".weight_scale_inv",
                 "F32 [2, 1], expected one number");
}

TEST(Traps, T25_Bf16ScalesOfBlocks) {
  CheckpointEditor editor(kBlock64);
  editor.tensor(kQ + ".weight_scale_inv").dtype = "BF16";
  editor.tensor(kQ + ".weight_scale_inv").bytes.resize(4);
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.find(kQ)->group_rows, 64u);
}

TEST(Traps, T25_OneBlockIsOneNumber) {
  const Imported imported(kBlock64);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight& up = *imported.find("model.layers.0.mlp.experts.*.up_proj");  // F32 [], each
  EXPECT_EQ(up.multipliers.size(), up.experts);
  EXPECT_EQ(up.group_size, 0u);
  EXPECT_EQ(imported.find("model.layers.0.self_attn.k_proj")->multipliers.size(), 1u) << "[1, 1]";
}

TEST(Traps, T33_ZeroPointsArePackedAlongN) {
  CheckpointEditor editor("ct-v012-w4a16asym-g32-actordergroup-llama-small");
  EditedTensor& zero = editor.tensor(kGate + ".weight_zero_point");  // [256/8, 4]
  zero.shape = {256, 1};
  zero.bytes.resize(256 * 4);
  expect_refused(editor, ErrorKind::kShapeMismatch, kFile, kGate + ".weight_zero_point",
                 "I32 [256, 1], expected I32 [32, 4]");
  CheckpointEditor missing("ct-v012-w4a16asym-g32-actordergroup-llama-small");
  missing.remove(kGate + ".weight_zero_point");
  expect_refused(missing, ErrorKind::kMissingTensor, kFile, kGate + ".weight_packed",
                 "its weight_zero_point is missing");
}

TEST(Traps, T34_TheNumberOfWordsTellsThePacking) {
  // 3 bits, K = 208: 20 words dense, 21 padded. 5 bits, K = 128: 20 dense, 22 padded.
  const Imported dense(kDense), padded(kPadded);
  ASSERT_TRUE(dense.ok()) << dense.error_line();
  ASSERT_TRUE(padded.ok()) << padded.error_line();
  EXPECT_EQ(plane(dense, kGate, ComponentKind::kCodes).encoding, Encoding::kWords);
  EXPECT_EQ(plane(padded, kGate, ComponentKind::kCodes).encoding, Encoding::kPaddedWords);
  // The version does not overrule the words.
  CheckpointEditor editor(kPadded);
  editor.config()["quantization_config"]["version"] = "0.19.0";
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(plane(imported, kGate, ComponentKind::kCodes).encoding, Encoding::kPaddedWords);
}

/// 5 bits and K = 33: six words either way, with different bits in them.
CheckpointEditor with_33_columns() {
  CheckpointEditor editor(kPadded);
  EditedTensor& words = editor.tensor(kGate + ".weight_packed");
  words.shape = {256, 6};
  words.bytes.resize(256 * 6 * 4);
  const int64_t shape[2] = {256, 33};
  std::memcpy(editor.tensor(kGate + ".weight_shape").bytes.data(), shape, sizeof shape);
  return editor;
}

TEST(Traps, T34_WhereTheNumberOfWordsIsEqualTheVersionTells) {
  CheckpointEditor old = with_33_columns();
  const Imported padded(old);
  ASSERT_TRUE(padded.ok()) << padded.error_line();
  EXPECT_EQ(plane(padded, kGate, ComponentKind::kCodes).encoding, Encoding::kPaddedWords);
  CheckpointEditor recent = with_33_columns();
  recent.config()["quantization_config"]["version"] = "0.17.0";
  const Imported dense(recent);
  ASSERT_TRUE(dense.ok()) << dense.error_line();
  EXPECT_EQ(plane(dense, kGate, ComponentKind::kCodes).encoding, Encoding::kWords);
  CheckpointEditor unknown = with_33_columns();
  unknown.config()["quantization_config"].erase("version");
  expect_refused(unknown, ErrorKind::kUnsupportedScheme, kFile, kGate + ".weight_packed",
                 "no version of compressed-tensors that tells");
}

TEST(Traps, T36_ShapesAsI32OrNone) {
  CheckpointEditor narrow(kPadded);
  EditedTensor& shape = narrow.tensor(kGate + ".weight_shape");
  const int32_t dims[2] = {256, 128};
  shape.dtype = "I32";
  shape.bytes.assign(reinterpret_cast<const char*>(dims), sizeof dims);
  const Imported imported(narrow);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.find(kGate)->k, 128u);
  CheckpointEditor missing("ct-v012-w4a16asym-g32-actordergroup-llama-small");
  missing.remove(kGate + ".weight_shape");
  const Imported without(missing);
  ASSERT_TRUE(without.ok()) << without.error_line();
  EXPECT_EQ(without.find(kGate)->k, 128u);
  EXPECT_EQ(without.find(kGate)->find(ComponentKind::kSourceShape), nullptr);
  CheckpointEditor wrong(kPadded);
  wrong.tensor(kGate + ".weight_shape").bytes[0] = 1;  // 257 rows
  expect_refused(wrong, ErrorKind::kShapeMismatch, kFile, kGate + ".weight_shape",
                 "says [257, 128], expected [256, K]");
}

TEST(Traps, T40_ComfyUi) {
  CheckpointEditor editor(kModelOpt);
  editor.add({kQ + ".comfy_quant", "U8", {2}, "{}"});
  expect_refused(editor, ErrorKind::kUnknownTensor, kFile, kQ + ".comfy_quant", "ComfyUI");
}

TEST(Traps, T41_ScalesOfACacheWithoutTheProjection) {
  CheckpointEditor editor("modelopt-nvfp4-kvfp8-llama");
  editor.set_architecture("SomeoneElsesForCausalLM");
  const std::string k = "model.layers.1.self_attn.k_proj";
  for (const char* suffix : {".weight", ".weight_scale", ".weight_scale_2", ".input_scale"})
    editor.remove(k + suffix);
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  ASSERT_NE(imported.find(k + ".k_scale"), nullptr);
  EXPECT_FALSE(imported.find(k + ".k_scale")->gemm);
  EXPECT_EQ(imported.find(k), nullptr);
}

TEST(Traps, T42_TiedHeads) {
  constexpr const char* kTied = "modelopt-nvfp4-llama-odd";
  const Imported tied(kTied);
  ASSERT_TRUE(tied.ok()) << tied.error_line();
  EXPECT_TRUE(tied.find("model.embed_tokens")->tied_head);
  EXPECT_EQ(tied.find("lm_head"), nullptr);
  CheckpointEditor both(kTied);
  both.duplicate("model.embed_tokens.weight", "lm_head.weight");
  const Imported stored(both);
  ASSERT_TRUE(stored.ok()) << stored.error_line();
  EXPECT_FALSE(stored.find("model.embed_tokens")->tied_head);
  ASSERT_NE(stored.find("lm_head"), nullptr);
  EXPECT_TRUE(any_has(stored.log.warnings, "lm_head is stored; both are kept"));
}

TEST(Traps, T49_ALinearLayerNeitherPackedNorIgnored) {
  CheckpointEditor editor(kCt);
  for (const char* suffix :
       {".weight_packed", ".weight_scale", ".weight_global_scale", ".input_global_scale"})
    editor.remove(kQ + suffix);
  editor.add({kQ + ".weight", "BF16", {128, 128}, std::string(128 * 128 * 2, '\0')});
  expect_refused(editor, ErrorKind::kMissingTensor, kFile, kQ + ".weight",
                 "its packed weight is lost");
  // Named as ignored it is what it seems to be.
  editor.config()["quantization_config"]["ignore"].push_back(kQ);
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.find(kQ)->scheme, Scheme::kBf16);
}

TEST(Traps, T50_ARouterBiasOfAnotherDtype) {
  for (const auto& [dtype, bytes] : {std::pair("BF16", 8), std::pair("F32", 16)}) {
    const std::string name = "model.layers.0.mlp.gate.e_score_correction_bias";
    CheckpointEditor editor(kMoe);
    editor.add({name, dtype, {4}, std::string(static_cast<size_t>(bytes), '\0')});
    const Imported imported(editor);
    ASSERT_TRUE(imported.ok()) << imported.error_line();
    ASSERT_NE(imported.find(name), nullptr);
    EXPECT_EQ(dtype_name(imported.find(name)->dtype), dtype);
  }
}

TEST(Traps, T51_ARouterThatSomebodyQuantized) {
  const std::string router = "model.layers.0.mlp.gate";
  CheckpointEditor editor(kMoe);
  editor.remove(router + ".weight");
  const std::string expert = "model.layers.0.mlp.experts.0.up_proj";  // [64, 128]
  for (const char* suffix : {".weight", ".weight_scale", ".weight_scale_2"})
    editor.duplicate(expert + suffix, router + suffix);
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.find(router)->scheme, Scheme::kNvfp4);
  EXPECT_TRUE(any_has(imported.log.warnings, "recipes keep such modules in 16 bits"));
}

TEST(Traps, T52_CopiesInADraftLayer) {
  // Another precision than the trunk's copy: each tensor for itself.
  CheckpointEditor editor(kModelOpt);
  editor.add({"model.layers.1.eh_proj.weight", "F32", {2, 2}, std::string(16, '\0')});
  editor.duplicate("lm_head.weight", "model.layers.1.shared_head.head.weight");
  editor.duplicate("model.embed_tokens.weight", "model.layers.1.embed_tokens.weight");
  EditedTensor& copy = editor.tensor("model.layers.1.embed_tokens.weight");
  copy.dtype = "F32";
  copy.bytes += copy.bytes;
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  size_t copies = 0;
  for (const Weight& weight : imported.model->weights)
    copies +=
        weight.layer == 1 && (weight.scheme == Scheme::kF32 || weight.scheme == Scheme::kBf16);
  EXPECT_EQ(copies, 3u);
  EXPECT_EQ(imported.find("model.embed_tokens")->scheme, Scheme::kBf16);
}

TEST(Traps, T54_ActivationScalesOfAVisionTower) {
  const std::string name =
      "vision_encoder.transformer.layers.0.attention.q_fake_quantizer.qscale_act";
  CheckpointEditor editor(kModelOpt);
  editor.add({name, "F32", {}, testing::f32_bytes({1})});
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  bool copied = false;
  for (const Weight& weight : imported.model->weights)
    copied = copied || (!weight.gemm && weight.name.ends_with("qscale_act"));
  EXPECT_TRUE(copied);
}

TEST(ActOrderTraps, GroupsOutOfRange) {
  CheckpointEditor editor("ct-v012-w4a16asym-g32-actordergroup-llama-small");
  const int32_t group = 4;  // K = 128: groups 0 to 3
  std::memcpy(editor.tensor(kGate + ".weight_g_idx").bytes.data() + 4 * 5, &group, sizeof group);
  expect_refused(editor, ErrorKind::kShapeMismatch, kFile, kGate + ".weight_g_idx",
                 "column 5 is in group 4, expected 0 to 3");
}

TEST(ActOrderTraps, GroupsOfOtherSizesKeepTheirIndex) {
  CheckpointEditor editor("ct-v012-w4a16asym-g32-actordergroup-llama-small");
  std::string& bytes = editor.tensor(kGate + ".weight_g_idx").bytes;
  bytes.assign(bytes.size(), '\0');  // every column in group 0
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_TRUE(imported.find(kGate)->k_gather.empty());
  EXPECT_NE(imported.find(kGate)->find(ComponentKind::kGroupIndex), nullptr);
}

TEST(ActOrderTraps, MinusOneIsNoOrder) {
  CheckpointEditor editor("ct-v012-w4a16asym-g32-actordergroup-llama-small");
  std::string& bytes = editor.tensor(kGate + ".weight_g_idx").bytes;
  bytes.assign(bytes.size(), '\xFF');
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_TRUE(imported.find(kGate)->k_gather.empty());
  EXPECT_TRUE(any_has(imported.log.notes, "weight_g_idx hold -1 only"));
}

TEST(Traps, T12_OverlappingGroupsOfTheConfiguration) {
  // A second group claims q_proj for 8-bit integers; its tensors are NVFP4.
  CheckpointEditor editor(kCt);
  nlohmann::ordered_json& section = editor.config()["quantization_config"];
  section["config_groups"]["group_1"] = section["config_groups"]["group_0"];
  section["config_groups"]["group_1"]["targets"] = {"re:.*self_attn.q_proj$"};
  section["config_groups"]["group_1"]["weights"]["num_bits"] = 8;
  section["config_groups"]["group_1"]["weights"]["type"] = "int";
  section["config_groups"]["group_1"]["format"] = "int-quantized";
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.find(kQ)->scheme, Scheme::kNvfp4);
  EXPECT_TRUE(any_has(imported.log.warnings,
                      "module '" + kQ + "' is of another scheme than config.json says"));
}

TEST(SparseTraps, ABitmaskWithAPlaceTooMany) {
  const std::string mask = kGate + ".bitmask";
  CheckpointEditor half("ct-v012-sparse24-bf16-llama-small");
  half.tensor(mask).bytes[16] = '\xFF';  // row 1, of 16 bytes a row
  expect_refused(half, ErrorKind::kShapeMismatch, kFile, mask, "row 1 has 68 places, expected 64");
  CheckpointEditor listed("ct-v012-sparsebitmask-bf16-llama-small");
  std::string& bytes = listed.tensor(mask).bytes;
  bytes.back() = bytes.back() == '\xFF' ? '\x7F' : '\xFF';
  expect_refused(listed, ErrorKind::kShapeMismatch, kFile, kGate + ".compressed",
                 "elements by the bitmask");
}

TEST(SparseTraps, RowsThatBeginElsewhere) {
  CheckpointEditor editor("ct-v012-sparsebitmask-bf16-llama-small");
  editor.tensor(kGate + ".row_offsets").bytes[8] ^= 1;  // row 1
  expect_refused(editor, ErrorKind::kShapeMismatch, kFile, kGate + ".row_offsets",
                 "row 1 begins at ");
}

TEST(SparseTraps, ShapesThatTheBitmaskDoesNotHave) {
  CheckpointEditor editor("ct-v012-sparse24-bf16-llama-small");
  editor.tensor(kGate + ".shape").bytes[8] = '\x7F';  // K = 127
  expect_refused(editor, ErrorKind::kShapeMismatch, kFile, kGate + ".compressed",
                 "two of four elements");
  CheckpointEditor none("ct-v012-sparse24-bf16-llama-small");
  none.remove(kGate + ".bitmask");
  expect_refused(none, ErrorKind::kMissingTensor, kFile, kGate + ".compressed",
                 "its bitmask is missing");
}

}  // namespace
}  // namespace imp::model
