#include "tests/reference/scheme_values.h"

#include <cmath>
#include <limits>

namespace imp::reference {
namespace {

/// (1 or 0).mantissa * 2^(exponent - bias), subnormals without the leading 1.
double small_float(uint32_t bits, int exponent_bits, int mantissa_bits) {
  const int mantissa = static_cast<int>(bits & ((1u << mantissa_bits) - 1));
  const int exponent = static_cast<int>(bits >> mantissa_bits & ((1u << exponent_bits) - 1));
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, 1 - bias - mantissa_bits)
                    : std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
  return (bits >> (exponent_bits + mantissa_bits) & 1) != 0 ? -magnitude : magnitude;
}

}  // namespace

double e2m1_value(uint32_t code) { return small_float(code, 2, 1); }

double e4m3_value(uint32_t code) {
  if ((code & 0x7F) == 0x7F) return std::numeric_limits<double>::quiet_NaN();
  return small_float(code, 4, 3);
}

double e8m0_value(uint32_t b) {
  return b == 255 ? std::numeric_limits<double>::quiet_NaN()
                  : std::ldexp(1.0, static_cast<int>(b) - 127);
}

double f16_value(uint32_t bits) { return small_float(bits, 5, 10); }
double bf16_value(uint32_t bits) { return f32_value(bits << 16); }

double f32_value(uint32_t bits) {
  const int mantissa = static_cast<int>(bits & 0x7FFFFF), exponent = bits >> 23 & 0xFF;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -149) : std::ldexp(mantissa + 0x800000, exponent - 150);
  return bits >> 31 != 0 ? -magnitude : magnitude;
}

double lut4_value(uint32_t code) {
  static constexpr int kTable[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};
  return kTable[code];
}

}  // namespace imp::reference
