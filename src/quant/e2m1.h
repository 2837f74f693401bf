// FP4 E2M1: bits s e e m, bias 1, no NaN, no infinity.
#pragma once

#include <cstdint>

namespace imp::quant {

/// Value of the low four bits of `code`; code 8 is -0.
constexpr float e2m1_to_float(uint8_t code) {
  constexpr float kValues[16] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                                 -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};
  return kValues[code & 0xF];
}

}  // namespace imp::quant
