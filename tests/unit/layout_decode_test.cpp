// The decodes that kernels/layouts/README.md gives kernel writers are exact: for every code and
// every scale byte in the range it states, in bf16 and in fp16, and not outside.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "kernels/layouts/mma64_int4.h"
#include "kernels/layouts/mma64_mxfp4.h"
#include "src/quant/bf16.h"
#include "src/quant/f16.h"
#include "tests/reference/scheme_values.h"

namespace imp::layouts {
namespace {

/// A 16-bit type: its values, and multiplication with one rounding.
struct Bf16 {
  static double value(uint32_t bits) { return reference::bf16_value(bits & 0xFFFF); }
  static double rounded(double value) {
    return quant::bf16_to_float(quant::bf16_from_double(value));
  }
};
struct Fp16 {
  static double value(uint32_t bits) { return reference::f16_value(bits & 0xFFFF); }
  static double rounded(double value) { return quant::f16_to_float(quant::f16_from_double(value)); }
};

template <class Half>
double times(double a, double b) {
  return Half::rounded(a * b);
}

/// Every code, as the word decode gives it: times 2^-126 in bf16, times 2^-14 in fp16.
template <class Half>
double decoded_code(uint32_t code) {
  const bool is_bf16 = std::is_same_v<Half, Bf16>;
  const uint32_t shift = is_bf16 ? 6 : 9;
  return Half::value((code & 8) << 12 | (code & 7) << shift);
}

double exact_value(uint32_t code, uint32_t b) {
  return reference::e2m1_value(code) * reference::e8m0_value(b);
}

TEST(Mxfp4Range, Bf16HoldsEveryCodeUpTo252) {
  for (uint32_t b = 0; b < 255; ++b) {
    bool all = true;
    for (uint32_t code = 0; code < 16; ++code)
      all = all && Bf16::rounded(exact_value(code, b)) == exact_value(code, b);
    EXPECT_EQ(mma64_mxfp4::scale_fits_bf16(static_cast<uint8_t>(b)), all) << b;
  }
  EXPECT_FALSE(mma64_mxfp4::scale_fits_bf16(255));
}

TEST(Mxfp4Range, Fp16HoldsEveryCodeTimesTheUnitFrom92To128) {
  for (uint32_t b = 0; b < 255; ++b) {
    bool all = true;
    for (uint32_t code = 0; code < 16; ++code) {
      const double value = exact_value(code, b) * mma64_mxfp4::kFp16Unit;
      all = all && Fp16::rounded(value) == value;
    }
    EXPECT_EQ(mma64_mxfp4::scale_fits_fp16(static_cast<uint8_t>(b)), all) << b;
  }
  EXPECT_FALSE(mma64_mxfp4::scale_fits_fp16(255));
}

TEST(Mxfp4Decode, Bf16OneMultiplicationUpTo128) {
  for (uint32_t b = 0; b <= 128; ++b)
    for (uint32_t code = 0; code < 16; ++code)
      ASSERT_EQ(times<Bf16>(decoded_code<Bf16>(code), Bf16::value((b + 126) << 7)),
                exact_value(code, b))
          << code << ", " << b;
}

TEST(Mxfp4Decode, Bf16TwoMultiplicationsForEveryByte) {
  for (uint32_t b = 0; b <= 252; ++b)
    for (uint32_t code = 0; code < 16; ++code) {
      const double first = Bf16::value((b / 2 + 127) << 7);
      const double second = Bf16::value((b - b / 2 + 126) << 7);
      ASSERT_EQ(times<Bf16>(times<Bf16>(decoded_code<Bf16>(code), first), second),
                exact_value(code, b))
          << code << ", " << b;
    }
  // Groups of zeros stay zeros under any byte but NaN: both factors are finite.
  for (uint32_t b = 253; b <= 254; ++b) {
    EXPECT_LT((b / 2 + 127) << 7, 0x7F80u);
    EXPECT_LT((b - b / 2 + 126) << 7, 0x7F80u);
  }
}

TEST(Mxfp4Decode, Fp16From92To128) {
  for (uint32_t b = 92; b <= 128; ++b)
    for (uint32_t code = 0; code < 16; ++code) {
      const double want = exact_value(code, b) * mma64_mxfp4::kFp16Unit;
      const double r = decoded_code<Fp16>(code);
      if (b <= 116) {
        ASSERT_EQ(times<Fp16>(r, Fp16::value((b - 86) << 10)), want) << code << ", " << b;
      }
      if (b >= 99) {
        const double raised = times<Fp16>(r, Fp16::value(0x6C00));
        ASSERT_EQ(times<Fp16>(raised, Fp16::value((b - 98) << 10)), want) << code << ", " << b;
      }
    }
}

TEST(Int4Decode, PairsMinusZeroPointAreExact) {
  uint64_t canonical = 0;
  for (uint32_t e = 0; e < 8; ++e) canonical |= uint64_t{15 - 2 * e % 16} << (4 * e);
  const uint32_t word = static_cast<uint32_t>(mma64_int4::encode_words(canonical));
  for (uint32_t e = 0; e < 8; ++e) {
    const uint32_t pair = word >> (4 * (e / 2)) & 0x000F000F;
    EXPECT_EQ(pair >> (16 * (e % 2)) & 0xFFFF, 15 - 2 * e % 16) << e;
  }
  for (uint32_t u = 0; u < 16; ++u)
    for (uint32_t zero = 0; zero < 16; ++zero) {
      const double want = static_cast<double>(u) - zero;
      EXPECT_EQ(Bf16::rounded(Bf16::value(0x4300 | u) - Bf16::value(0x4300 | zero)), want);
      EXPECT_EQ(Fp16::rounded(Fp16::value(0x6400 | u) - Fp16::value(0x6400 | zero)), want);
    }
}

TEST(Int8Decode, CodesMinusZeroPointAreExact) {
  for (uint32_t u = 0; u < 256; ++u)
    for (uint32_t zero = 0; zero < 256; ++zero) {
      const double want = static_cast<double>(u) - zero;
      const double wide =
          reference::f32_value(0x4B000000 | u) - reference::f32_value(0x4B000000 | zero);
      ASSERT_EQ(wide, want);
      ASSERT_EQ(Bf16::rounded(wide), want);
      ASSERT_EQ(Fp16::rounded(Fp16::value(0x6400 | u) - Fp16::value(0x6400 | zero)), want);
    }
}

TEST(Fp8Decode, EveryNumberIsExact) {
  for (uint32_t b = 0; b < 256; ++b) {
    if ((b & 0x7F) == 0x7F) continue;
    const double want = reference::e4m3_value(b);
    EXPECT_EQ(times<Bf16>(Bf16::value((b & 0x80) << 8 | (b & 0x7F) << 4), Bf16::value(0x7B80)),
              want);
    EXPECT_EQ(times<Fp16>(Fp16::value((b & 0x80) << 8 | (b & 0x7F) << 7), Fp16::value(0x5C00)),
              want);
  }
}

}  // namespace
}  // namespace imp::layouts
