// Traps of published checkpoints that concern scales (checkpoint-formats 8; tests are named after
// the trap's number). Each is a checkpoint that imports, with one thing changed.
#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

using testing::any_has;
using testing::CheckpointEditor;
using testing::EditedTensor;
using testing::expect_refused;
using testing::f32_bytes;
using testing::Imported;

constexpr const char* kFile = "model.safetensors";
constexpr const char* kModelOpt = "modelopt-nvfp4-compress-llama";
constexpr const char* kMoe = "modelopt-nvfp4-qwen3moe";
constexpr const char* kCt = "ct-v012-nvfp4-llama-small";
constexpr const char* kKv = "modelopt-nvfp4-kvfp8-llama";
constexpr const char* kFp8 = "ct-fp8-kvfp8-llama-small";
const std::string kQ = "model.layers.0.self_attn.q_proj";
const std::string kDown = "model.layers.0.mlp.down_proj";

float f32_of(CheckpointEditor& editor, const std::string& name) {
  float value = 0;
  std::memcpy(&value, editor.tensor(name).bytes.data(), sizeof value);
  return value;
}

TEST(Traps, T01_ReciprocalsThatWereLostAreWarnedAbout) {
  CheckpointEditor ct(kCt);
  ct.set_f32(kQ + ".weight_global_scale", 1 / f32_of(ct, kQ + ".weight_global_scale"));
  const Imported divisor(ct);
  ASSERT_TRUE(divisor.ok()) << divisor.error_line();
  EXPECT_TRUE(any_has(divisor.log.warnings, "1 values of weight_global_scale are below 1"));
  CheckpointEditor modelopt(kModelOpt);
  modelopt.set_f32(kDown + ".weight_scale_2", 1 / f32_of(modelopt, kDown + ".weight_scale_2"));
  const Imported multiplier(modelopt);
  ASSERT_TRUE(multiplier.ok()) << multiplier.error_line();
  EXPECT_TRUE(any_has(multiplier.log.warnings, "1 values of weight_scale_2 are above 1"));
  EXPECT_EQ(multiplier.log.warnings.size(), 1u);
}

TEST(Traps, T02_ScalarsOfAnyRankAreOneNumber) {
  for (const std::vector<uint64_t>& shape : {std::vector<uint64_t>{}, {1}, {1, 1}}) {
    CheckpointEditor editor(kCt);
    const auto bits = std::bit_cast<uint32_t>(f32_of(editor, kQ + ".weight_global_scale"));
    editor.tensor(kQ + ".weight_global_scale").shape = shape;
    editor.tensor(kQ + ".input_global_scale").shape = shape;
    const Imported imported(editor);
    ASSERT_TRUE(imported.ok()) << imported.error_line();
    EXPECT_EQ(imported.find(kQ)->multipliers, (std::vector<Scalar>{{bits, ScalarState::kDivisor}}));
  }
}

TEST(Traps, T04_PartsWithDifferentGlobalScalesKeepTheirOwn) {
  const std::string up = "model.layers.0.mlp.up_proj", gate = "model.layers.0.mlp.gate_proj";
  CheckpointEditor editor(kModelOpt);
  const float gate_scale = f32_of(editor, gate + ".weight_scale_2");
  editor.set_f32(up + ".weight_scale_2", gate_scale / 4);
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_TRUE(any_has(imported.log.warnings, "largest ratio 4.0"));
  EXPECT_EQ(std::bit_cast<float>(imported.find(gate)->multipliers[0].bits), gate_scale);
  EXPECT_EQ(std::bit_cast<float>(imported.find(up)->multipliers[0].bits), gate_scale / 4);
}

TEST(Traps, T05_AnExpertWithoutInputScaleIsCounted) {
  CheckpointEditor editor(kMoe);
  editor.remove("model.layers.0.mlp.experts.2.up_proj.input_scale");
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  ASSERT_EQ(imported.log.warnings.size(), 1u);
  EXPECT_TRUE(any_has(imported.log.warnings, "1 routed experts have no input scale"));
}

/// The scale of an expert that calibration never reached is whatever was in memory.
bool is_garbage(float value) { return !(value >= 0x1p-126f && value <= 1e30f); }

TEST(Traps, T05_InputScalesFromUninitialisedMemoryAreUnused) {
  CheckpointEditor editor("ct-nvfp4-uncalibrated-qwen3moe");
  size_t garbage = 0;
  for (const EditedTensor& tensor : editor.tensors())
    if (tensor.name.ends_with(".input_global_scale"))
      garbage += is_garbage(f32_of(editor, tensor.name));
  ASSERT_GT(garbage, 5u);
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.log.warnings.size(), 1u) << "one line, not one an expert";
  EXPECT_TRUE(any_has(imported.log.warnings, std::to_string(garbage) + " input scales"));
  size_t unused = 0;
  for (const Weight& weight : imported.model->weights)
    for (size_t e = 0; e < weight.input_scales.size(); ++e) {
      const Scalar& scalar = weight.input_scales[e];
      const float value = std::bit_cast<float>(scalar.bits);
      EXPECT_EQ(scalar.state, is_garbage(value) ? ScalarState::kUnused : ScalarState::kDivisor)
          << weight.name << " " << e;
      unused += scalar.state == ScalarState::kUnused;
    }
  EXPECT_EQ(unused, garbage);
}

TEST(Traps, T05_OnlyRoutedExpertsAreForgiven) {
  CheckpointEditor editor("ct-nvfp4-uncalibrated-qwen3moe");
  editor.set_f32_bits(kQ + ".input_global_scale", 0x7FC00000);
  expect_refused(editor, ErrorKind::kBadScale, kFile, kQ + ".input_global_scale", "value is nan");
}

TEST(Traps, T14_HalfOfTheScalesIsNoRecipe) {
  CheckpointEditor editor(kModelOpt);
  EditedTensor& scale = editor.tensor(kQ + ".weight_scale");
  scale.shape = {256, 4};
  scale.bytes.resize(256 * 4);
  expect_refused(editor, ErrorKind::kUnsupportedScheme, kFile, kQ + ".weight_scale",
                 "one scale per 32 codes");
}

TEST(Traps, T14_ALeakedQuantizerScale) {
  CheckpointEditor editor(kModelOpt);
  editor.add({kQ + ".weight_quantizer._scale", "F32", {}, f32_bytes({1})});
  expect_refused(editor, ErrorKind::kUnknownTensor, kFile, kQ + ".weight_quantizer._scale",
                 "leaked quantizer scale");
}

TEST(Traps, T26_AScaleARowIsNeverOneNumber) {
  CheckpointEditor editor(kFp8);
  EditedTensor& scale = editor.tensor(kQ + ".weight_scale");
  const uint64_t rows = editor.tensor(kQ + ".weight").shape[0];
  scale.shape = {rows, 1};
  std::string bytes;
  for (uint64_t n = 0; n < rows; ++n) bytes += scale.bytes;
  scale.bytes = bytes;
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight& q = *imported.find(kQ);
  EXPECT_EQ(q.group_size, q.k);
  EXPECT_EQ(q.group_rows, 1u);
  EXPECT_TRUE(q.multipliers.empty());
  EXPECT_NE(q.find(ComponentKind::kBlockScale), nullptr);
}

TEST(Traps, T27_Fp8WithoutAScaleIsRefused) {
  CheckpointEditor editor(kFp8);
  EditedTensor& head = editor.tensor("lm_head.weight");
  head.dtype = "F8_E4M3";
  head.bytes.resize(head.bytes.size() / 2);
  expect_refused(editor, ErrorKind::kMissingTensor, kFile, "lm_head.weight",
                 "its weight_scale is missing");
}

TEST(Traps, T28_KvScalesOfEverySpelling) {
  const std::string block = "model.layers.1.self_attn.";
  for (const auto& [k, v] :
       {std::pair("k_scale", "v_scale"), std::pair("attn.k_scale", "attn.v_scale")}) {
    CheckpointEditor editor(kKv);
    editor.rename(block + "k_proj.k_scale", block + k);
    editor.rename(block + "v_proj.v_scale", block + v);
    const Imported imported(editor);
    ASSERT_TRUE(imported.ok()) << imported.error_line();
    ASSERT_NE(imported.find(block + k), nullptr) << k;
    EXPECT_EQ(imported.find(block + k)->role, Role::kKvKScale);
    EXPECT_EQ(imported.find(block + v)->role, Role::kKvVScale);
  }
}

TEST(Traps, T28_TwoSpellingsMustAgree) {
  const std::string block = "model.layers.1.self_attn.";
  CheckpointEditor equal(kKv);
  equal.duplicate(block + "k_proj.k_scale", block + "k_scale");
  equal.duplicate(block + "v_proj.v_scale", block + "v_scale");
  EXPECT_TRUE(Imported(equal).ok());
  CheckpointEditor different(kKv);
  different.duplicate(block + "k_proj.k_scale", block + "k_scale");
  different.duplicate(block + "v_proj.v_scale", block + "v_scale");
  different.set_f32(block + "k_scale", 2 * f32_of(different, block + "k_scale"));
  expect_refused(different, ErrorKind::kBadScale, kFile, block + "k_proj.k_scale", "differs from");
}

TEST(Traps, T28_HalfAPair) {
  CheckpointEditor editor(kFp8);
  editor.remove("model.layers.0.self_attn.v_scale");
  expect_refused(editor, ErrorKind::kMissingTensor, kFile, "model.layers.0.self_attn.k_scale",
                 "has no counterpart");
  CheckpointEditor affine("modelopt-other-nvfp4-kvaffine-llama");
  affine.remove("model.layers.0.self_attn.k_proj.k_bias");
  expect_refused(affine, ErrorKind::kMissingTensor, kFile, "model.layers.0.self_attn.v_proj.v_bias",
                 "has no counterpart model.layers.0.self_attn.k_proj.k_bias");
}

TEST(Traps, T29_AbsentKvScalesStayAbsent) {
  CheckpointEditor editor(kKv);
  size_t before = 0, after = 0;
  for (const EditedTensor& tensor : editor.tensors()) before += tensor.name.ends_with("k_scale");
  editor.remove("model.layers.1.self_attn.k_proj.k_scale");
  editor.remove("model.layers.1.self_attn.v_proj.v_scale");
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  for (const Weight& weight : imported.model->weights) after += weight.role == Role::kKvKScale;
  EXPECT_EQ(after + 1, before);
}

TEST(Traps, T32_AGlobalScaleOfNothing) {
  for (const uint32_t bits : {0x7F800000u, 0x7FC00000u, 0u}) {
    CheckpointEditor zero(kCt);
    zero.set_f32_bits(kQ + ".weight_global_scale", bits);
    // Both zeros: +0 in the low nibble, -0 in the high one.
    for (char& byte : zero.tensor(kQ + ".weight_packed").bytes) byte = '\x80';
    const Imported imported(zero);
    ASSERT_TRUE(imported.ok()) << imported.error_line();
    EXPECT_EQ(imported.find(kQ)->multipliers, (std::vector<Scalar>{{bits, ScalarState::kUnused}}));
    EXPECT_TRUE(any_has(imported.log.warnings, "1 global scales are no usable numbers"));
    CheckpointEditor last(zero);
    last.tensor(kQ + ".weight_packed").bytes.back() = '\x10';
    expect_refused(last, ErrorKind::kBadScale, kFile, kQ + ".weight_global_scale", "value is ");
  }
}

TEST(Traps, T32_NegativeGlobalsAreRefusedWhateverTheCodes) {
  CheckpointEditor editor(kCt);
  editor.set_f32(kQ + ".weight_global_scale", -1);
  for (char& byte : editor.tensor(kQ + ".weight_packed").bytes) byte = '\0';
  expect_refused(editor, ErrorKind::kBadScale, kFile, kQ + ".weight_global_scale", "value is -1");
}

TEST(Traps, T38_APreQuantScaleIsCarried) {
  const std::string o = "model.layers.0.self_attn.o_proj";
  const Imported imported("modelopt-other-nvfp4awq-llama");
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_NE(imported.find(o)->find(ComponentKind::kKScale), nullptr);
  EXPECT_EQ(imported.find(kQ)->find(ComponentKind::kKScale), nullptr) << "folded into the norm";
  EXPECT_TRUE(imported.find(kQ)->k_scales.empty());
}

TEST(Traps, T38_APreQuantScaleThatIsNoNumber) {
  const std::string name = "model.layers.0.self_attn.o_proj.pre_quant_scale";
  CheckpointEditor editor("modelopt-other-nvfp4awq-llama");
  editor.tensor(name).bytes[6] = '\x80';  // element 3: BF16 0x7F80, infinity
  editor.tensor(name).bytes[7] = '\x7F';
  expect_refused(editor, ErrorKind::kBadScale, kFile, name, "element 3 is inf");
}

TEST(Traps, T53_NegativeScalesAreRefused) {
  CheckpointEditor editor(kFp8);
  editor.tensor(kQ + ".weight_scale").bytes[1] =
      static_cast<char>(editor.tensor(kQ + ".weight_scale").bytes[1] | '\x80');
  expect_refused(editor, ErrorKind::kBadScale, kFile, kQ + ".weight_scale",
                 "expected a finite scale of at least 0");
}

}  // namespace
}  // namespace imp::model
