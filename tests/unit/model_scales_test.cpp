// Scales that are one number: what is refused, what is odd and yet taken.
#include <gtest/gtest.h>

#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

using testing::CheckpointEditor;
using testing::expect_refused;
using testing::Imported;

constexpr const char* kLlama = "modelopt-nvfp4-compress-llama";
constexpr const char* kMoe = "modelopt-nvfp4-qwen3moe";
constexpr const char* kKv = "modelopt-nvfp4-kvfp8-llama";
constexpr const char* kFile = "model.safetensors";
const std::string kQ = "model.layers.0.self_attn.q_proj";
const std::string kDown = "model.layers.0.mlp.down_proj";
const std::string kExperts = "model.layers.0.mlp.experts.";

const uint32_t kBadBits[] = {
    0x7FC00000,  // NaN
    0xFFC00000,  // NaN, sign set
    0x7F800001,  // signalling NaN
    0x7F800000,  // infinity
    0xFF800000,  // minus infinity
    0xBF800000,  // -1
    0x80000000,  // -0
    0x80000001,  // smallest negative
};

TEST(Refuses, NumbersThatAreNoScale) {
  for (const char* suffix : {".weight_scale_2", ".input_scale"})
    for (const uint32_t bits : kBadBits) {
      CheckpointEditor editor(kLlama);
      editor.set_f32_bits(kQ + suffix, bits);
      expect_refused(editor, ErrorKind::kBadScale, kFile, kQ + suffix,
                     "expected a finite scale of at least 0");
    }
  for (const uint32_t bits : kBadBits) {
    CheckpointEditor editor(kKv);
    editor.set_f32_bits("model.layers.1.self_attn.v_proj.v_scale", bits);
    expect_refused(editor, ErrorKind::kBadScale, kFile, "model.layers.1.self_attn.v_proj.v_scale",
                   "expected a finite scale");
  }
}

TEST(Refuses, ABadMultiplierOfOneExpert) {
  CheckpointEditor editor(kMoe);
  editor.set_f32_bits(kExperts + "3.down_proj.weight_scale_2", 0x7F800000);
  expect_refused(editor, ErrorKind::kBadScale, kFile, kExperts + "3.down_proj.weight_scale_2",
                 "value is inf");
}

TEST(Refuses, ScalesThatAreNoSingleFloat) {
  for (const char* suffix : {".weight_scale_2", ".input_scale"}) {
    CheckpointEditor two(kLlama);
    two.tensor(kQ + suffix).shape = {2};
    two.tensor(kQ + suffix).bytes = testing::f32_bytes({1, 1});
    expect_refused(two, ErrorKind::kShapeMismatch, kFile, kQ + suffix,
                   "shape is [2], expected one element");
    CheckpointEditor none(kLlama);
    none.tensor(kQ + suffix).shape = {0};
    none.tensor(kQ + suffix).bytes.clear();
    expect_refused(none, ErrorKind::kShapeMismatch, kFile, kQ + suffix,
                   "shape is [0], expected one element");
    for (const char* dtype : {"I32", "U32"}) {
      CheckpointEditor other(kLlama);
      other.tensor(kQ + suffix).dtype = dtype;
      expect_refused(other, ErrorKind::kUnsupportedScheme, kFile, kQ + suffix,
                     "dtype is " + std::string(dtype) + ", expected F32, F16 or BF16");
    }
  }
}

TEST(Accepts, ScalarsOfNarrowFloats) {
  struct Row {
    const char* dtype;
    const char* bytes;
    uint32_t bits;  ///< of the same number as f32
  };
  // 0.15625 in each: F16 0x3100, BF16 0x3E20, F32 0x3E200000.
  const Row rows[] = {{"F16", "\x00\x31", 0x3E200000}, {"BF16", "\x20\x3E", 0x3E200000}};
  for (const Row& row : rows) {
    CheckpointEditor editor(kLlama);
    editor.tensor(kQ + ".weight_scale_2").dtype = row.dtype;
    editor.tensor(kQ + ".weight_scale_2").bytes = std::string(row.bytes, 2);
    const Imported imported(editor);
    ASSERT_TRUE(imported.ok()) << imported.error_line();
    EXPECT_EQ(imported.find(kQ)->multipliers[0].bits, row.bits) << row.dtype;
  }
}

TEST(Refuses, HalfAPairOfKvScales) {
  CheckpointEditor no_v(kKv);
  no_v.remove("model.layers.1.self_attn.v_proj.v_scale");
  expect_refused(no_v, ErrorKind::kMissingTensor, kFile, "model.layers.1.self_attn.k_proj.k_scale",
                 "has no counterpart model.layers.1.self_attn.v_proj.v_scale");
  CheckpointEditor no_k(kKv);
  no_k.remove("model.layers.1.self_attn.k_proj.k_scale");
  expect_refused(no_k, ErrorKind::kMissingTensor, kFile, "model.layers.1.self_attn.v_proj.v_scale",
                 "has no counterpart model.layers.1.self_attn.k_proj.k_scale");
}

TEST(Accepts, AZeroScaleWithAWarning) {
  CheckpointEditor editor(kLlama);
  editor.set_f32(kQ + ".weight_scale_2", 0.0f);
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.log.warnings,
            std::vector<std::string>{"tensor '" + kQ +
                                     ".weight_scale_2' is 0: everything it scales is zero"});
}

// The largest that is still finite times 2^14, which mma64 takes in its epilogue.
TEST(Accepts, TinyAndHugeScales) {
  for (const uint32_t bits : {1u, 0x787FFFFFu}) {
    CheckpointEditor editor(kLlama);
    editor.set_f32_bits(kQ + ".weight_scale_2", bits);
    const Imported imported(editor);
    ASSERT_TRUE(imported.ok()) << imported.error_line();
    EXPECT_EQ(imported.find(kQ)->multipliers[0].bits, bits);
  }
}

TEST(Accepts, ScalarsOfRankOne) {
  for (const std::vector<uint64_t>& shape : {std::vector<uint64_t>{1}, {1, 1}}) {
    CheckpointEditor editor(kLlama);
    const uint32_t before = Imported(kLlama).find(kQ)->multipliers[0].bits;
    editor.tensor(kQ + ".weight_scale_2").shape = shape;
    editor.tensor(kQ + ".input_scale").shape = shape;
    const Imported imported(editor);
    ASSERT_TRUE(imported.ok()) << imported.error_line();
    EXPECT_EQ(imported.find(kQ)->multipliers[0].bits, before);
    EXPECT_TRUE(imported.log.warnings.empty());
  }
}

TEST(Accepts, TheZeroTensorTrapUpToItsBlockScales) {
  // down_proj is all zero: the exporter wrote weight_scale_2 = 0 and NaN block scales. The number
  // is warned about here; the planes are judged when they are read.
  const Imported imported("modelopt-trap-nvfp4-zerotensor-llama");
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.log.warnings,
            std::vector<std::string>{"tensor '" + kDown +
                                     ".weight_scale_2' is 0: everything it scales is zero"});
}

}  // namespace
}  // namespace imp::model
