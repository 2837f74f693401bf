// FP8 E4M3, the "fn" variant: bits s eeee mmm, bias 7, no infinity, 0x7F and 0xFF are NaN, largest
// 448.
#pragma once

#include <bit>
#include <cstdint>

namespace imp::quant {

constexpr bool e4m3_is_nan(uint8_t code) { return (code & 0x7F) == 0x7F; }

/// Exact. A NaN is quiet and keeps its sign and mantissa bits.
constexpr float e4m3_to_float(uint8_t code) {
  const uint32_t sign = static_cast<uint32_t>(code & 0x80) << 24;
  const uint32_t exponent = code >> 3 & 0xF;
  const uint32_t mantissa = code & 0x7;
  if (e4m3_is_nan(code)) return std::bit_cast<float>(sign | 0x7F800000u | mantissa << 20);
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-9f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | (exponent + 127 - 7) << 23 | mantissa << 20);
}

}  // namespace imp::quant
