// bfloat16: the upper half of a float.
#pragma once

#include <bit>
#include <cstdint>

#include "src/quant/round_double.h"

namespace imp::quant {

/// Exact.
constexpr float bf16_to_float(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

/// Nearest, ties to even; overflow to infinity; a NaN stays one and becomes quiet.
constexpr uint16_t bf16_from_float(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<uint16_t>(bits >> 16 | 0x0040);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/// As bf16_from_float, in one rounding from the double.
constexpr uint16_t bf16_from_double(double value) { return round_double<8, 7>(value); }

}  // namespace imp::quant
