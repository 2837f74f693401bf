// Rounding to e2m1 and e4m3: at every tie, on both sides of it, and for every 16-bit float against
// a search for the nearest value.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "src/quant/bf16.h"
#include "src/quant/f16.h"
#include "src/quant/quantize.h"
#include "tests/reference/scheme_values.h"

namespace imp::quant {
namespace {

/// A format of one sign bit whose codes without it count up with their values.
struct SmallFloat {
  const char* name;
  uint8_t (*from_float)(float);
  double (*value)(uint32_t code);
  uint32_t largest;  ///< code
  uint32_t sign;     ///< bit
  bool keeps_minus_zero;
};

const SmallFloat kFormats[] = {
    {"e2m1", e2m1_from_float, reference::e2m1_value, 7, 8, false},
    {"e4m3", e4m3_from_float, reference::e4m3_value, 0x7E, 0x80, true},
};

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Code of a negative number that rounds to `code`: a number below zero keeps its sign even then.
uint32_t negative(const SmallFloat& format, uint32_t code) { return code | format.sign; }

TEST(SmallFloatRounding, TiesGoToTheEvenCodeAndTheirNeighboursToTheNearest) {
  for (const SmallFloat& format : kFormats)
    for (uint32_t code = 0; code < format.largest; ++code) {
      // Half way: one more significant bit than the format has, exact in a float.
      const auto tie = static_cast<float>((format.value(code) + format.value(code + 1)) / 2);
      const uint32_t even = code % 2 == 0 ? code : code + 1;
      EXPECT_EQ(format.from_float(tie), even) << format.name << " " << tie;
      EXPECT_EQ(format.from_float(std::nextafter(tie, 0.0f)), code) << format.name << " " << tie;
      EXPECT_EQ(format.from_float(std::nextafter(tie, kInfinity)), code + 1)
          << format.name << " " << tie;
      EXPECT_EQ(format.from_float(-tie), negative(format, even)) << format.name << " " << -tie;
      EXPECT_EQ(format.from_float(std::nextafter(-tie, 0.0f)), negative(format, code));
      EXPECT_EQ(format.from_float(std::nextafter(-tie, -kInfinity)), negative(format, code + 1));
    }
}

TEST(SmallFloatRounding, EveryValueIsItsOwnCodeAndSoAreItsNeighbours) {
  for (const SmallFloat& format : kFormats)
    for (uint32_t code = 0; code <= format.largest; ++code) {
      const auto value = static_cast<float>(format.value(code));
      EXPECT_EQ(format.from_float(value), code) << format.name;
      EXPECT_EQ(format.from_float(std::nextafter(value, kInfinity)), code) << format.name;
      if (code > 0) {
        EXPECT_EQ(format.from_float(std::nextafter(value, 0.0f)), code) << format.name;
        EXPECT_EQ(format.from_float(-value), code | format.sign) << format.name;
      }
    }
}

TEST(SmallFloatRounding, LargeNumbersSaturate) {
  for (const SmallFloat& format : kFormats) {
    const auto top = static_cast<float>(format.value(format.largest));
    for (const float beyond : {std::nextafter(top, kInfinity), 1.1f * top, 2 * top,
                               std::numeric_limits<float>::max(), kInfinity}) {
      EXPECT_EQ(format.from_float(beyond), format.largest) << format.name << " " << beyond;
      EXPECT_EQ(format.from_float(-beyond), format.largest | format.sign) << format.name;
    }
  }
}

TEST(SmallFloatRounding, ZeroSubnormalFloatsAndNaN) {
  for (const SmallFloat& format : kFormats) {
    EXPECT_EQ(format.from_float(0.0f), 0u) << format.name;
    EXPECT_EQ(format.from_float(-0.0f), format.keeps_minus_zero ? format.sign : 0u) << format.name;
    for (const float tiny :
         {std::numeric_limits<float>::denorm_min(), 0x1.fffffcp-127f, 0x1p-126f}) {
      EXPECT_EQ(format.from_float(tiny), 0u) << format.name << " " << tiny;
      EXPECT_EQ(format.from_float(-tiny), format.sign) << format.name << " " << tiny;
    }
  }
  for (const float nan : {std::nanf(""), -std::nanf(""), std::nanf("0x7ffff")}) {
    EXPECT_EQ(e4m3_from_float(nan), 0x7F);
    EXPECT_EQ(e2m1_from_float(nan), 0) << "has no NaN";
  }
}

/// The nearest code, found by looking at all; of two as near, the even one. Past the largest no
/// difference is exact, but there is nothing to choose.
uint32_t nearest(const SmallFloat& format, double magnitude) {
  if (magnitude > format.value(format.largest)) return format.largest;
  uint32_t best = 0;
  for (uint32_t code = 1; code <= format.largest; ++code) {
    const double here = std::fabs(format.value(code) - magnitude);
    const double there = std::fabs(format.value(best) - magnitude);
    if (here < there || (here == there && code % 2 == 0)) best = code;
  }
  return best;
}

TEST(SmallFloatRounding, Every16BitFloatGoesToTheNearest) {
  for (const SmallFloat& format : kFormats)
    for (uint32_t bits = 0; bits < 0x8000; ++bits)
      for (const float value : {bf16_to_float(static_cast<uint16_t>(bits)),
                                f16_to_float(static_cast<uint16_t>(bits))}) {
        if (!std::isfinite(value) || value == 0) continue;
        const uint32_t wanted = nearest(format, value);
        ASSERT_EQ(format.from_float(value), wanted) << format.name << " " << value;
        ASSERT_EQ(format.from_float(-value), negative(format, wanted))
            << format.name << " " << value;
      }
}

/// Carry of the mantissa into the exponent, by hand.
TEST(SmallFloatRounding, MantissaCarries) {
  EXPECT_EQ(e4m3_from_float(1.9375f), 0x40);         // between 1.875 and 2: to 2
  EXPECT_EQ(e4m3_from_float(0x1.fffffep-7f), 0x08);  // below the smallest normal: up to it
  EXPECT_EQ(e4m3_from_float(7.5f * 0x1p-9f), 0x08);  // a tie of subnormals carries too
  EXPECT_EQ(e4m3_from_float(0.5f * 0x1p-9f), 0x00);  // tie with zero
  EXPECT_EQ(e4m3_from_float(0x1.000002p-10f), 0x01);
  EXPECT_EQ(e4m3_from_float(432.0f), 0x7E);  // tie of 416 and 448
  EXPECT_EQ(e2m1_from_float(1.75f), 4);      // 1.5 and 2
  EXPECT_EQ(e2m1_from_float(3.5f), 6);       // 3 and 4
  EXPECT_EQ(e2m1_from_float(0.75f), 2);      // 0.5 and 1
  EXPECT_EQ(e2m1_from_float(0.25f), 0);
}

}  // namespace
}  // namespace imp::quant
