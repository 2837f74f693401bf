// Blocks of GGUF apart and together: every block comes back byte for byte, elements are in the
// order of K, values of the planes are those of the blocks, and what no block holds is refused.
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <string>

#include "src/quant/decode.h"
#include "src/quant/ggml_blocks.h"
#include "tests/unit/ggml_cases.h"

namespace imp::quant {
namespace {

using testing::block_types;
using testing::random_blocks;

constexpr BlockField kFields[] = {BlockField::kCodes, BlockField::kScale, BlockField::kMin,
                                  BlockField::kSuperScale, BlockField::kSuperMin};

std::vector<const BlockPlanes*> planes_of_all_types() {
  std::vector<const BlockPlanes*> all;
  for (const GgmlTypeInfo& info : block_types())
    if (const BlockPlanes* planes = block_planes(info.type)) all.push_back(planes);
  return all;
}

bool has_field(const BlockPlanes& planes, BlockField field) {
  switch (field) {
    case BlockField::kMin:
      return planes.has_min;
    case BlockField::kSuperScale:
      return planes.has_super;
    case BlockField::kSuperMin:
      return planes.has_super && planes.has_min;
    default:
      return true;
  }
}

/// Owned canonical planes of some rows.
struct Taken {
  std::vector<std::byte> plane[5];
  BlockFields fields() const { return {plane[0], plane[1], plane[2], plane[3], plane[4]}; }
};

Taken take_apart(const BlockPlanes& planes, uint64_t rows, uint64_t k, Bytes blocks) {
  Taken taken;
  for (size_t i = 0; i < std::size(kFields); ++i) {
    if (!has_field(planes, kFields[i])) continue;
    const uint64_t bits = field_columns(planes, kFields[i], k) * field_bits(planes, kFields[i]);
    EXPECT_EQ(bits % 8, 0u);
    taken.plane[i].resize(rows * bits / 8);
    extract_field(planes, kFields[i], rows, k, blocks, taken.plane[i]);
  }
  return taken;
}

std::string name_of(const BlockPlanes& planes) {
  return std::string(ggml_type_info(planes.type).name);
}

struct Shape {
  uint64_t rows, blocks_per_row;
};
constexpr Shape kShapes[] = {{1, 1}, {3, 2}, {5, 7}};

TEST(GgmlPlanes, TypesThatComeApart) {
  std::string names;
  for (const BlockPlanes* planes : planes_of_all_types()) names += name_of(*planes) + " ";
  EXPECT_EQ(names,
            "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4 "
            "NVFP4 ");
}

TEST(GgmlPlanes, RandomBlocksComeBackByteForByte) {
  std::mt19937 random(21);
  for (const BlockPlanes* planes : planes_of_all_types())
    for (const Shape& shape : kShapes) {
      const GgmlTypeInfo& info = ggml_type_info(planes->type);
      const uint64_t k = shape.blocks_per_row * info.block_elems;
      std::vector<std::byte> blocks(shape.rows * block_row_bytes(info.type, k));
      for (std::byte& b : blocks) b = static_cast<std::byte>(random());
      if (info.type == GgmlType::kTq1_0)
        for (uint64_t at = 0; at < blocks.size(); at += info.block_bytes)
          testing::as_tq1_0_encodes(&blocks[at]);
      EXPECT_TRUE(blocks_come_back(*planes, blocks)) << info.name;
      const Taken taken = take_apart(*planes, shape.rows, k, blocks);
      std::vector<std::byte> joined(blocks.size(), std::byte{0xA5});
      const Status status = join_fields(*planes, shape.rows, k, taken.fields(), joined);
      ASSERT_TRUE(status.ok()) << info.name << ": " << status.error().message;
      EXPECT_EQ(joined, blocks) << info.name;
    }
}

TEST(GgmlPlanes, BytesThatNoEncoderWritesAreNoticed) {
  std::mt19937 random(24);
  const GgmlTypeInfo& info = ggml_type_info(GgmlType::kTq1_0);
  const BlockPlanes& planes = *block_planes(info.type);
  auto blocks = random_blocks(info, 3, random);
  ASSERT_TRUE(blocks_come_back(planes, blocks));
  std::byte& byte = blocks[info.block_bytes + 7];
  byte = std::byte{1};  // has the digits 00000, for which 0 is written
  EXPECT_TRUE(blocks_come_back(planes, Bytes(blocks).first(info.block_bytes)));
  EXPECT_FALSE(blocks_come_back(planes, blocks));
  byte = std::byte{0};
  EXPECT_TRUE(blocks_come_back(planes, blocks));
}

WeightFormat format_of(const BlockPlanes& planes, uint64_t rows, uint64_t k) {
  WeightFormat format;
  format.kind = planes.code == BlockCode::kOffsetBinary ? CodeKind::kInteger
                : planes.code == BlockCode::kUnsigned   ? CodeKind::kUnsigned
                : planes.code == BlockCode::kLut        ? CodeKind::kLut
                                                        : CodeKind::kE2m1;
  format.bits = planes.code_bits;
  format.rows = rows;
  format.columns = k;
  format.group_size = planes.group_size;
  format.scale_dtype = planes.scale_dtype;
  format.super_group = planes.has_super ? kSuperGroup : 0;
  std::copy(std::begin(kIq4NlValues), std::end(kIq4NlValues), format.lut.begin());
  return format;
}

/// Equal bits; zeros of either sign are equal where e2m1 is (code 8 is -0 elsewhere, +0 in ggml).
bool same(float a, float b, bool any_zero) {
  return (any_zero && a == 0 && b == 0) || std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

TEST(GgmlPlanes, ValuesOfThePlanesAreThoseOfTheBlocks) {
  std::mt19937 random(22);
  for (const BlockPlanes* planes : planes_of_all_types()) {
    const GgmlTypeInfo& info = ggml_type_info(planes->type);
    const uint64_t rows = 6;
    const uint64_t k = 4 * info.block_elems;
    const auto blocks = random_blocks(info, rows * 4, random);
    std::vector<float> wanted(rows * k);
    decode_blocks(info.type, blocks, wanted);

    const Taken taken = take_apart(*planes, rows, k, blocks);
    const WeightFormat format = format_of(*planes, rows, k);
    const CanonicalRows canonical = {
        rows,          0, taken.plane[0], taken.plane[1], {}, taken.plane[2], taken.plane[3],
        taken.plane[4]};
    std::vector<double> values(rows * k);
    decode_rows(format, canonical, *column_groups(format, {}), {}, values);
    for (uint64_t i = 0; i < values.size(); ++i)
      ASSERT_TRUE(same(static_cast<float>(values[i]), wanted[i], planes->code == BlockCode::kE2m1))
          << info.name << " row " << i / k << " column " << i % k << ": " << values[i] << " for "
          << wanted[i];
  }
}

TEST(GgmlPlanes, RowsAsTheyAreAreCopied) {
  std::mt19937 random(23);
  for (const BlockPlanes* planes : planes_of_all_types()) {
    const GgmlTypeInfo& info = ggml_type_info(planes->type);
    const auto blocks = random_blocks(info, 6, random);
    EXPECT_EQ(field_columns(*planes, BlockField::kRows, 3 * info.block_elems),
              3 * info.block_bytes);
    std::vector<std::byte> rows(blocks.size());
    extract_field(*planes, BlockField::kRows, 2, 3 * info.block_elems, blocks, rows);
    EXPECT_EQ(rows, blocks) << info.name;
  }
}

/// The order of elements alone: codes of a block that counts up come out counting up.
TEST(GgmlPlanes, SplitHalvesBecomePairs) {
  std::vector<uint8_t> block(18);
  for (uint32_t e = 0; e < 16; ++e) block[2 + e] = static_cast<uint8_t>(e | (15 - e) << 4);
  const BlockPlanes& planes = *block_planes(GgmlType::kQ4_0);
  std::vector<std::byte> codes(16);
  extract_field(planes, BlockField::kCodes, 1, 32, std::as_bytes(std::span(block)), codes);
  for (uint32_t e = 0; e < 32; ++e) {
    const auto byte = std::to_integer<uint32_t>(codes[e / 2]);
    EXPECT_EQ(byte >> (4 * (e % 2)) & 15, e < 16 ? e : 31 - e) << e;
  }
}

struct Refusal {
  GgmlType type;
  size_t field;  ///< of kFields
  uint64_t row, column;
  uint32_t element;  ///< that no block holds
  const char* says;
};

void put_element(std::vector<std::byte>& plane, uint64_t index, uint32_t bits, uint32_t value) {
  if (bits == 8) {
    plane[index] = static_cast<std::byte>(value);
    return;
  }
  const uint32_t shift = 4 * (index % 2);
  const auto kept = std::to_integer<uint32_t>(plane[index / 2]) & ~(15u << shift);
  plane[index / 2] = static_cast<std::byte>(kept | value << shift);
}

TEST(GgmlPlanes, OneElementThatNoBlockHoldsIsRefusedWithItsPlace) {
  const Refusal refusals[] = {
      {GgmlType::kQ5_0, 0, 1, 33, 111, "code 111 at row 1, column 33"},
      {GgmlType::kQ5_0, 0, 0, 5, 144, "code 144 at row 0, column 5"},
      {GgmlType::kQ5_1, 0, 2, 63, 32, "code 32 at row 2, column 63"},
      {GgmlType::kQ2_K, 0, 0, 301, 4, "code 4 at row 0, column 301"},
      {GgmlType::kQ2_K, 1, 1, 17, 16, "scale 16 at row 1, column 17"},
      {GgmlType::kQ2_K, 2, 1, 3, 255, "min 255 at row 1, column 3"},
      {GgmlType::kQ3_K, 0, 2, 500, 12, "code 12 at row 2, column 500"},
      {GgmlType::kQ3_K, 0, 2, 501, 3, "code 3 at row 2, column 501"},
      {GgmlType::kQ3_K, 1, 0, 4, 32, "scale 32 at row 0, column 4"},
      {GgmlType::kQ3_K, 1, 0, 4, 0xDF, "scale -33 at row 0, column 4"},
      {GgmlType::kQ4_K, 1, 2, 9, 64, "scale 64 at row 2, column 9"},
      {GgmlType::kQ4_K, 2, 0, 15, 64, "min 64 at row 0, column 15"},
      {GgmlType::kQ5_K, 0, 1, 0, 32, "code 32 at row 1, column 0"},
      {GgmlType::kQ5_K, 1, 0, 4, 200, "scale 200 at row 0, column 4"},
      {GgmlType::kQ6_K, 0, 2, 511, 95, "code 95 at row 2, column 511"},
      {GgmlType::kQ6_K, 0, 2, 511, 160, "code 160 at row 2, column 511"},
      {GgmlType::kIq4Xs, 1, 1, 0, 32, "scale 32 at row 1, column 0"},
      {GgmlType::kIq4Xs, 1, 1, 8, 0x80, "scale -128 at row 1, column 8"},
      {GgmlType::kTq2_0, 0, 0, 256, 6, "code 6 at row 0, column 256"},
      {GgmlType::kTq2_0, 0, 0, 257, 11, "code 11 at row 0, column 257"},
  };
  std::mt19937 random(24);
  for (const Refusal& r : refusals) {
    const BlockPlanes& planes = *block_planes(r.type);
    const GgmlTypeInfo& info = ggml_type_info(r.type);
    const uint64_t k = 2 * info.block_elems;
    const auto blocks = random_blocks(info, 6, random);
    Taken taken = take_apart(planes, 3, k, blocks);
    std::vector<std::byte> joined(blocks.size());
    ASSERT_TRUE(join_fields(planes, 3, k, taken.fields(), joined).ok());
    const uint64_t columns = field_columns(planes, kFields[r.field], k);
    put_element(taken.plane[r.field], r.row * columns + r.column,
                field_bits(planes, kFields[r.field]), r.element);
    const Status status = join_fields(planes, 3, k, taken.fields(), joined);
    ASSERT_FALSE(status.ok()) << info.name << " " << r.says;
    EXPECT_EQ(status.error().kind, ErrorKind::kInverseMismatch);
    EXPECT_EQ(status.error().message, std::string(r.says) + " is none that a block of " +
                                          std::string(info.name) + " can hold");
  }
}

}  // namespace
}  // namespace imp::quant
