// IEEE binary16.
#pragma once

#include <bit>
#include <cstdint>

#include "src/quant/round_double.h"

namespace imp::quant {

/// Exact. A NaN keeps its sign and payload.
constexpr float f16_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = bits >> 10 & 0x1F;
  const uint32_t mantissa = bits & 0x3FF;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000u | mantissa << 13);
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | (exponent + 127 - 15) << 23 | mantissa << 13);
}

/// Nearest, ties to even, in one rounding; overflow to infinity; a NaN stays one and becomes quiet.
constexpr uint16_t f16_from_double(double value) { return round_double<5, 10>(value); }

/// A double holds every float, so this is one rounding too.
constexpr uint16_t f16_from_float(float value) { return f16_from_double(value); }

}  // namespace imp::quant
