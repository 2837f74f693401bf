// Element formats against literal values: E4M3 codes as torch casts them, the rest from the
// formats' definitions.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "src/quant/bf16.h"
#include "src/quant/e2m1.h"
#include "src/quant/e4m3.h"
#include "src/quant/e8m0.h"
#include "src/quant/f16.h"

namespace imp::quant {
namespace {

uint32_t bits(float value) { return std::bit_cast<uint32_t>(value); }
float f32(uint32_t value) { return std::bit_cast<float>(value); }

TEST(E2m1, EveryCode) {
  const uint32_t expected[16] = {0x00000000, 0x3F000000, 0x3F800000, 0x3FC00000,
                                 0x40000000, 0x40400000, 0x40800000, 0x40C00000,
                                 0x80000000, 0xBF000000, 0xBF800000, 0xBFC00000,
                                 0xC0000000, 0xC0400000, 0xC0800000, 0xC0C00000};
  for (uint32_t code = 0; code < 16; ++code)
    EXPECT_EQ(bits(e2m1_to_float(static_cast<uint8_t>(code))), expected[code]) << code;
}

TEST(E2m1, UpperBitsAreIgnored) { EXPECT_EQ(e2m1_to_float(0xF3), 1.5f); }

TEST(E4m3, EveryCodeAsTorchCastsIt) {
  std::ifstream file(IMP_TEST_DATA "/modelopt-e4m3-vectors.json");
  const auto json = nlohmann::json::parse(file);
  ASSERT_EQ(json.at("codes").size(), 256u);
  for (const auto& entry : json.at("codes")) {
    const auto code =
        static_cast<uint8_t>(std::stoul(entry.at("code").get<std::string>(), nullptr, 16));
    // The file has the bytes of the little-endian float in memory order.
    const auto swapped =
        static_cast<uint32_t>(std::stoul(entry.at("f32").get<std::string>(), nullptr, 16));
    EXPECT_EQ(bits(e4m3_to_float(code)), __builtin_bswap32(swapped)) << "code " << int{code};
  }
}

TEST(E4m3, NaNIsTwoCodes) {
  for (uint32_t code = 0; code < 256; ++code)
    EXPECT_EQ(e4m3_is_nan(static_cast<uint8_t>(code)), code == 0x7F || code == 0xFF) << code;
}

TEST(E8m0, EdgesAndOne) {
  EXPECT_EQ(bits(e8m0_to_float(0)), 0x00400000u);  // 2^-127
  EXPECT_EQ(bits(e8m0_to_float(1)), 0x00800000u);
  EXPECT_EQ(e8m0_to_float(127), 1.0f);
  EXPECT_EQ(e8m0_to_float(254), 0x1p127f);
  EXPECT_TRUE(std::isnan(e8m0_to_float(255)));
  EXPECT_TRUE(e8m0_is_nan(255));
  EXPECT_FALSE(e8m0_is_nan(254));
}

struct Rounding {
  uint32_t from;
  uint16_t to;
};

TEST(Bf16, RoundsToNearestEven) {
  const Rounding cases[] = {
      {0x3F800000, 0x3F80}, {0x3F807FFF, 0x3F80}, {0x3F808000, 0x3F80},  // tie, even below
      {0x3F808001, 0x3F81}, {0x3F818000, 0x3F82},                        // tie, even above
      {0x3FFFFFFF, 0x4000},                                              // carry into the exponent
      {0x7F7F7FFF, 0x7F7F}, {0x7F7F8000, 0x7F80}, {0x7F7FFFFF, 0x7F80},  // overflow
      {0x7F800000, 0x7F80}, {0xFF800000, 0xFF80}, {0x00000000, 0x0000}, {0x80000000, 0x8000},
      {0x00008000, 0x0000}, {0x00008001, 0x0001}, {0x00018000, 0x0002}, {0x007FFFFF, 0x0080},
      {0xBF818000, 0xBF82}, {0x7F800001, 0x7FC0}, {0x7FC12345, 0x7FC1}, {0xFFA12345, 0xFFE1},
  };
  for (const Rounding& c : cases) {
    EXPECT_EQ(bf16_from_float(f32(c.from)), c.to) << std::hex << c.from;
    // A signalling NaN may be quieted on its way to double, to the same 16 bits.
    EXPECT_EQ(bf16_from_double(f32(c.from)), c.to) << std::hex << c.from;
  }
}

TEST(Bf16, FromDoubleRoundsOnce) {
  EXPECT_EQ(bf16_from_double(1 + 0x1p-8), 0x3F80);            // tie
  EXPECT_EQ(bf16_from_double(1 + 0x1p-8 + 0x1p-40), 0x3F81);  // through float it would be the tie
  EXPECT_EQ(bf16_from_double(1 + 0x1p-8 - 0x1p-40), 0x3F80);
  EXPECT_EQ(bf16_from_double(0x1p-133), 0x0001);  // smallest subnormal
  EXPECT_EQ(bf16_from_double(0x1p-134), 0x0000);  // its half, tie to even
  EXPECT_EQ(bf16_from_double(0x1.0000000000001p-134), 0x0001);
  EXPECT_EQ(bf16_from_double(-0x1.8p-133), 0x8002);
  EXPECT_EQ(bf16_from_double(-0x1p-135), 0x8000);
  EXPECT_EQ(bf16_from_double(0x1p-1074), 0x0000);
  EXPECT_EQ(bf16_from_double(0x1.fefffffffffffp127), 0x7F7F);
  EXPECT_EQ(bf16_from_double(0x1.ffp127), 0x7F80);
  EXPECT_EQ(bf16_from_double(-1e300), 0xFF80);
}

TEST(Bf16, ToFloatAndBackIsIdentity) {
  for (uint32_t b = 0; b < 0x10000; ++b) {
    const float value = bf16_to_float(static_cast<uint16_t>(b));
    EXPECT_EQ(bits(value), b << 16);
    const uint32_t quiet = std::isnan(value) ? b | 0x40 : b;
    EXPECT_EQ(bf16_from_float(value), quiet);
    EXPECT_EQ(bf16_from_double(value), quiet);
  }
}

TEST(F16, RoundsToNearestEven) {
  const struct {
    double from;
    uint16_t to;
  } cases[] = {
      {1.0, 0x3C00},
      {1 + 0x1p-11, 0x3C00},
      {1 + 3 * 0x1p-11, 0x3C02},
      {1 + 0x1p-11 + 0x1p-40, 0x3C01},
      {2 - 0x1p-12, 0x4000},
      {65504.0, 0x7BFF},
      {65519.99999, 0x7BFF},
      {65520.0, 0x7C00},
      {-65520.0, 0xFC00},
      {1e300, 0x7C00},
      {0x1p-14, 0x0400},
      {0x1p-14 - 0x1p-25, 0x0400},
      {0x1p-14 - 0x1p-24, 0x03FF},
      {0x1p-24, 0x0001},
      {0x1p-25, 0x0000},
      {0x1.0000001p-25, 0x0001},
      {3 * 0x1p-25, 0x0002},
      {-0x1p-26, 0x8000},
      {0.0, 0x0000},
      {-0.0, 0x8000},
      {0x1p-1074, 0x0000},
  };
  for (const auto& c : cases) EXPECT_EQ(f16_from_double(c.from), c.to) << c.from;
  EXPECT_EQ(f16_from_float(f32(0x7F800001)), 0x7E00);
  EXPECT_EQ(f16_from_float(f32(0xFFC02000)), 0xFE01);
  EXPECT_EQ(f16_from_float(f32(0x7F800000)), 0x7C00);
}

TEST(F16, EveryCodeByItsDefinitionAndBack) {
  for (uint32_t b = 0; b < 0x10000; ++b) {
    const int exponent = static_cast<int>(b >> 10 & 31), mantissa = static_cast<int>(b & 1023);
    const float value = f16_to_float(static_cast<uint16_t>(b));
    if (exponent == 31 && mantissa != 0) {
      EXPECT_TRUE(std::isnan(value)) << b;
      EXPECT_EQ(f16_from_float(value), b | 0x200) << b;
      continue;
    }
    double expected = exponent == 0    ? std::ldexp(mantissa, -24)
                      : exponent == 31 ? HUGE_VAL
                                       : std::ldexp(1024 + mantissa, exponent - 25);
    if (b >= 0x8000) expected = -expected;
    EXPECT_EQ(value, expected) << b;
    EXPECT_EQ(std::signbit(value), b >= 0x8000) << b;
    EXPECT_EQ(f16_from_float(value), b);
  }
}

}  // namespace
}  // namespace imp::quant
