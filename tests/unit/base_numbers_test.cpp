// Checked arithmetic, shapes, dtypes and little-endian access.
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "src/base/checked.h"
#include "src/base/dtype.h"
#include "src/base/little_endian.h"
#include "src/base/shape.h"

namespace imp {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

TEST(Checked, AddStopsAtTheEdge) {
  EXPECT_EQ(checked_add(2, 3), 5u);
  EXPECT_EQ(checked_add(kMax, 0), kMax);
  EXPECT_EQ(checked_add(kMax - 1, 1), kMax);
  EXPECT_EQ(checked_add(kMax, 1), std::nullopt);
  EXPECT_EQ(checked_add(1, kMax), std::nullopt);
  EXPECT_EQ(checked_add(kMax, kMax), std::nullopt);
}

TEST(Checked, MulStopsAtTheEdge) {
  EXPECT_EQ(checked_mul(6, 7), 42u);
  EXPECT_EQ(checked_mul(0, kMax), 0u);
  EXPECT_EQ(checked_mul(kMax, 0), 0u);
  EXPECT_EQ(checked_mul(kMax, 1), kMax);
  EXPECT_EQ(checked_mul(uint64_t{1} << 32, (uint64_t{1} << 32) - 1), kMax - 0xFFFFFFFFu);
  EXPECT_EQ(checked_mul(uint64_t{1} << 32, uint64_t{1} << 32), std::nullopt);
  EXPECT_EQ(checked_mul(kMax / 2 + 1, 2), std::nullopt);
}

TEST(Checked, RangeFitsCannotWrap) {
  EXPECT_TRUE(range_fits(0, 0, 0));
  EXPECT_TRUE(range_fits(3, 7, 10));
  EXPECT_TRUE(range_fits(10, 0, 10));
  EXPECT_FALSE(range_fits(4, 7, 10));
  EXPECT_FALSE(range_fits(11, 0, 10));
  EXPECT_FALSE(range_fits(kMax, 1, 10));
  EXPECT_FALSE(range_fits(1, kMax, 10));
  EXPECT_FALSE(range_fits(8, kMax - 7, kMax)) << "8 + (2^64 - 8) wraps to 0";
  EXPECT_TRUE(range_fits(8, kMax - 8, kMax));
}

TEST(Checked, Rounding) {
  EXPECT_EQ(round_up(0, 64), 0u);
  EXPECT_EQ(round_up(1, 64), 64u);
  EXPECT_EQ(round_up(64, 64), 64u);
  EXPECT_EQ(round_up(65, 64), 128u);
  EXPECT_EQ(div_up(0, 64), 0u);
  EXPECT_EQ(div_up(64, 64), 1u);
  EXPECT_EQ(div_up(65, 64), 2u);
}

TEST(Shape, ElementsAndText) {
  EXPECT_EQ(Shape().num_elems(), 1u) << "a scalar";
  EXPECT_EQ(Shape().to_string(), "[]");
  EXPECT_EQ(Shape({2, 3}).num_elems(), 6u);
  EXPECT_EQ(Shape({2, 3}).to_string(), "[2, 3]");
  EXPECT_EQ(Shape({2, 0, 3}).num_elems(), 0u);
  EXPECT_EQ(Shape({uint64_t{1} << 32, uint64_t{1} << 32}).num_elems(), std::nullopt);
}

TEST(Shape, RankIsPartOfEquality) {
  EXPECT_EQ(Shape({1}), Shape({1}));
  EXPECT_NE(Shape({1}), Shape());
  EXPECT_NE(Shape({0}), Shape());
}

struct DtypeRow {
  const char* name;
  uint16_t number;  // frozen: stored in artifacts
  uint32_t bits;    // safetensors tensor.rs
};

constexpr DtypeRow kDtypes[] = {
    {"BOOL", 1, 8},    {"F4", 2, 4},           {"F6_E2M3", 3, 6},      {"F6_E3M2", 4, 6},
    {"U8", 5, 8},      {"I8", 6, 8},           {"F8_E5M2", 7, 8},      {"F8_E4M3", 8, 8},
    {"F8_E8M0", 9, 8}, {"F8_E4M3FNUZ", 10, 8}, {"F8_E5M2FNUZ", 11, 8}, {"I16", 12, 16},
    {"U16", 13, 16},   {"F16", 14, 16},        {"BF16", 15, 16},       {"I32", 16, 32},
    {"U32", 17, 32},   {"F32", 18, 32},        {"C64", 19, 64},        {"F64", 20, 64},
    {"I64", 21, 64},   {"U64", 22, 64},
};

TEST(Dtype, NamesNumbersAndBits) {
  for (const DtypeRow& row : kDtypes) {
    const auto dtype = dtype_from_name(row.name);
    ASSERT_TRUE(dtype.has_value()) << row.name;
    EXPECT_EQ(static_cast<uint16_t>(*dtype), row.number) << row.name;
    EXPECT_EQ(dtype_bits(*dtype), row.bits) << row.name;
    EXPECT_EQ(dtype_name(*dtype), row.name);
  }
}

TEST(Dtype, WhatIsNoneHasNoNameAndNoBits) {
  for (const uint16_t number : {uint16_t{0}, uint16_t{23}, uint16_t{0xFFFF}}) {
    EXPECT_EQ(dtype_bits(static_cast<Dtype>(number)), 0u);
    EXPECT_EQ(dtype_name(static_cast<Dtype>(number)), "?");
  }
  for (const char* name : {"", "f32", "F8", "F32 ", "?"})
    EXPECT_EQ(dtype_from_name(name), std::nullopt) << name;
}

TEST(Dtype, PlainFloatsAreTheFourOfUnquantisedWeights) {
  std::set<std::string> floats;
  for (const DtypeRow& row : kDtypes)
    if (is_plain_float(static_cast<Dtype>(row.number))) floats.insert(row.name);
  EXPECT_EQ(floats, (std::set<std::string>{"F16", "BF16", "F32", "F64"}));
}

TEST(LittleEndian, AtAnyAlignment) {
  unsigned char bytes[9] = {0xFF, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0};
  EXPECT_EQ(load_le<uint32_t>(bytes + 1), 0x12345678u);
  store_le<uint16_t>(bytes + 3, 0xABCD);
  EXPECT_EQ(bytes[2], 0x56);
  EXPECT_EQ(bytes[3], 0xCD);
  EXPECT_EQ(bytes[4], 0xAB);
  EXPECT_EQ(bytes[5], 0);
}

}  // namespace
}  // namespace imp
