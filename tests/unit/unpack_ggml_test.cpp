// imp-unpack --dequantize on what GGUF brings: blocks that stay blocks, values that are stored as
// others, the halves of kv_b_proj, integers.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "src/quant/ggml_blocks.h"
#include "src/unpack/values.h"
#include "tests/unit/gguf_model.h"
#include "tests/unit/gguf_tensors.h"
#include "tests/unit/unpack_run.h"

namespace imp::testing {
namespace {

using model::StoredAs;
using unpack::ValueConverter;

std::vector<float> floats_of(Bytes bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}
std::vector<float> floats_of(const std::string& bytes) {
  return floats_of(std::as_bytes(std::span(bytes)));
}

TEST(ValueConverter, BlocksMayBeCutAnywhere) {
  std::mt19937 random(5);
  for (const GgmlTypeInfo& info : block_types()) {
    const std::vector<std::byte> blocks = random_blocks(info, 7, random);
    std::vector<float> want(7 * info.block_elems);
    quant::decode_blocks(info.type, blocks, want);
    for (const size_t piece : {size_t{1}, size_t{info.block_bytes} + 1, blocks.size()}) {
      ValueConverter converter({Dtype::kU8, info.type, StoredAs::kItself}, Dtype::kF32);
      std::vector<float> got;
      for (size_t at = 0; at < blocks.size(); at += piece) {
        const auto values = floats_of(
            converter.convert(Bytes(blocks).subspan(at, std::min(piece, blocks.size() - at))));
        got.insert(got.end(), values.begin(), values.end());
      }
      ASSERT_EQ(got.size(), want.size()) << info.name << " in pieces of " << piece;
      EXPECT_EQ(std::memcmp(got.data(), want.data(), 4 * want.size()), 0) << info.name;
    }
  }
}

TEST(ValueConverter, UndoesWhatWasStored) {
  const float ones[] = {1.0f, 2.5f, 1.0f + 0x1p-23f, -0.5f};
  ValueConverter plus_one({Dtype::kF32, {}, StoredAs::kPlusOne}, Dtype::kF32);
  EXPECT_EQ(floats_of(plus_one.convert(std::as_bytes(std::span(ones)))),
            (std::vector<float>{0.0f, 1.5f, 0x1p-23f, -1.5f}));
  // log 1 = 0, log 2 and log 0.5 rounded once.
  const float exps[] = {-1.0f, -2.0f, -0.5f};
  ValueConverter neg_exp({Dtype::kF32, {}, StoredAs::kNegExp}, Dtype::kF32);
  EXPECT_EQ(floats_of(neg_exp.convert(std::as_bytes(std::span(exps)))),
            (std::vector<float>{0.0f, 0.693147181f, -0.693147181f}));
  const uint16_t halves[] = {0x3F80, 0x4000};  // bf16 1 and 2
  ValueConverter to_bf16({Dtype::kBF16, {}, StoredAs::kPlusOne}, Dtype::kBF16);
  const Bytes out = to_bf16.convert(std::as_bytes(std::span(halves)));
  ASSERT_EQ(out.size(), 4u);
  EXPECT_EQ(std::to_integer<int>(out[1]), 0);     // 0
  EXPECT_EQ(std::to_integer<int>(out[3]), 0x3F);  // 1
  EXPECT_EQ(std::to_integer<int>(out[2]), 0x80);
}

CheckpointEditor dequantized(const std::string& artifact) {
  UnpackCase unpacked(artifact);
  unpacked.options.mode = unpack::Mode::kDequantizeF32;
  return unpacked.checkpoint();
}

TEST(UnpackGgml, BlocksOfAnyRankHaveTheirElements) {
  GgufFile gguf = fixture_gguf();
  add_blocks(gguf, "a.weight", GgmlType::kQ8_0, 12, 64);
  gguf.tensors.back().ne = {64, 4, 3};
  CheckpointEditor values = dequantized(artifact_of(gguf, {89}));
  EXPECT_EQ(values.tensor("a.weight").dtype, "F32");
  EXPECT_EQ(values.tensor("a.weight").shape, (std::vector<uint64_t>{3, 4, 64}));
  std::vector<float> want(12 * 64);
  const std::string& blocks = gguf.tensors.back().data;
  quant::decode_blocks(GgmlType::kQ8_0, std::as_bytes(std::span(blocks)), want);
  EXPECT_EQ(floats_of(values.tensor("a.weight").bytes), want);
  UnpackCase as_stored(artifact_of(gguf, {89}));
  CheckpointEditor source = as_stored.checkpoint();
  EXPECT_EQ(source.tensor("a.weight").dtype, "U8");
  EXPECT_EQ(source.tensor("a.weight").shape, (std::vector<uint64_t>{3, 4, 68}));
  EXPECT_EQ(source.tensor("a.weight").bytes, blocks);
}

TEST(UnpackGgml, IntegersAndDoublesStay) {
  constexpr uint32_t kI32 = 26, kF64 = 28;
  GgufFile gguf = fixture_gguf();
  gguf.tensors.push_back({"i.weight", {2}, kI32, std::string("\1\0\0\0\2\0\0\0", 8)});
  const double value = 1.0 / 3;
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  gguf.tensors.push_back({"d.weight", {1}, kF64, bytes});
  CheckpointEditor values = dequantized(artifact_of(gguf, {89}));
  EXPECT_EQ(values.tensor("i.weight").dtype, "I32");
  EXPECT_EQ(values.tensor("i.weight").bytes, gguf.tensors[0].data);
  EXPECT_EQ(values.tensor("d.weight").dtype, "F64");
  EXPECT_EQ(values.tensor("d.weight").bytes, bytes);
}

/// DeepSeek-V2 of one layer with latent attention: 2 heads, 64 latent columns, 32 of K without
/// rotation, 5 of V.
GgufModel latent_model() {
  GgufModel gguf = small_llama("deepseek2");
  for (const char* name : {"blk.0.attn_k.weight", "blk.0.attn_v.weight"}) gguf.remove(name);
  gguf.f32("blk.0.attn_kv_a_mqa.weight", {8, 4});
  gguf.f32("blk.0.attn_kv_a_norm.weight", {3});
  add_blocks(gguf.file, "blk.0.attn_k_b.weight", GgmlType::kQ8_0, 128, 32);
  gguf.file.tensors.back().ne = {32, 64, 2};
  add_blocks(gguf.file, "blk.0.attn_v_b.weight", GgmlType::kQ8_0, 10, 64);
  gguf.file.tensors.back().ne = {64, 5, 2};
  return gguf;
}

std::vector<float> decoded(GgufModel& gguf, const char* name, uint64_t elems) {
  std::vector<float> values(elems);
  quant::decode_blocks(GgmlType::kQ8_0, std::as_bytes(std::span(gguf.file.tensor(name).data)),
                       values);
  return values;
}

TEST(UnpackGgml, HalvesOfKvBComeTogether) {
  GgufModel gguf = latent_model();
  const std::string artifact = artifact_of(gguf.file, {89}, false);
  CheckpointEditor values = dequantized(artifact);
  const std::string name = "model.layers.0.self_attn.kv_b_proj";
  EXPECT_FALSE(values.has(name + ".k_b"));
  EXPECT_FALSE(values.has(name + ".v_b"));
  EXPECT_EQ(values.tensor(name + ".weight").shape, (std::vector<uint64_t>{2 * (32 + 5), 64}));
  const std::vector<float> k = decoded(gguf, "blk.0.attn_k_b.weight", 128 * 32);
  const std::vector<float> v = decoded(gguf, "blk.0.attn_v_b.weight", 10 * 64);
  std::vector<float> want;
  for (size_t head = 0; head < 2; ++head) {
    for (size_t n = 0; n < 32; ++n)
      for (size_t r = 0; r < 64; ++r) want.push_back(k[(head * 64 + r) * 32 + n]);
    want.insert(want.end(), v.begin() + static_cast<std::ptrdiff_t>(head * 5 * 64),
                v.begin() + static_cast<std::ptrdiff_t>((head + 1) * 5 * 64));
  }
  EXPECT_EQ(floats_of(values.tensor(name + ".weight").bytes), want);
  // As stored they are two.
  UnpackCase as_stored(artifact);
  CheckpointEditor source = as_stored.checkpoint();
  EXPECT_EQ(source.tensor(name + ".k_b").bytes, gguf.file.tensor("blk.0.attn_k_b.weight").data);
  EXPECT_EQ(source.tensor(name + ".v_b").bytes, gguf.file.tensor("blk.0.attn_v_b.weight").data);
}

TEST(UnpackGgml, FilesAreNamedLikeTheHubs) {
  GgufFile gguf = fixture_gguf();
  add_blocks(gguf, "a.weight", GgmlType::kQ4_0, 3, 64);
  UnpackCase unpacked(artifact_of(gguf, {89}));
  ASSERT_TRUE(unpacked.run().ok());
  EXPECT_TRUE(unpacked.files().contains("model.safetensors"));
  EXPECT_FALSE(unpacked.files().contains("m.gguf"));
}

}  // namespace
}  // namespace imp::testing
