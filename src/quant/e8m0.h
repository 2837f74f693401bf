// E8M0: 2^(b - 127), no sign; 255 is NaN.
#pragma once

#include <bit>
#include <cstdint>

namespace imp::quant {

constexpr bool e8m0_is_nan(uint8_t code) { return code == 0xFF; }

/// Exact. Code 0 is 2^-127, a subnormal float.
constexpr float e8m0_to_float(uint8_t code) {
  if (e8m0_is_nan(code)) return std::bit_cast<float>(0x7FC00000u);
  return std::bit_cast<float>(code == 0 ? 0x00400000u : static_cast<uint32_t>(code) << 23);
}

}  // namespace imp::quant
