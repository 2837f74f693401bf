// Values of codes and scales, from the definitions of the formats alone. All are exact in double.
#pragma once

#include <cstdint>

namespace imp::reference {

/// Sign, two bits of exponent (bias 1), one of mantissa.
double e2m1_value(uint32_t code);
/// Sign, four bits of exponent (bias 7), three of mantissa; 0x7F and 0xFF are NaN.
double e4m3_value(uint32_t code);
/// 2^(b - 127); 255 is NaN.
double e8m0_value(uint32_t b);
/// IEEE binary16; no infinity, no NaN.
double f16_value(uint32_t bits);
double bf16_value(uint32_t bits);
/// Entry of the table of IQ4_NL and IQ4_XS.
double lut4_value(uint32_t code);
double f32_value(uint32_t bits);

}  // namespace imp::reference
