// NVFP4: e2m1 codes, an e4m3 scale per 16 along K, one f32 per tensor. Three orders of
// multiplication exist; each function says which one it is.
//
//   unscaled   e2m1 * e4m3                                   exact: 2 and 4 significant bits
//   kernel     fl32(exact(e2m1 * e4m3) * multiplier)         what a GEMM's epilogue gives
//   value      e2m1 * e4m3 * global, or / global, exactly, then rounded once: export and reports
#pragma once

#include <cstdint>

#include "src/quant/bf16.h"
#include "src/quant/e2m1.h"
#include "src/quant/e4m3.h"
#include "src/quant/f16.h"

namespace imp::quant {

inline constexpr uint32_t kNvfp4Group = 16;  ///< codes along K that share a block scale

/// How a producer stores the tensor's f32: ModelOpt's weight_scale_2 multiplies,
/// compressed-tensors' weight_global_scale divides.
enum class Convention : uint8_t { kMultiplier, kDivisor };

/// Code at column k of a canonical row (even k in the low nibble).
constexpr uint8_t nvfp4_code(const uint8_t* row, uint64_t k) {
  return static_cast<uint8_t>(row[k / 2] >> (4 * (k % 2)) & 0xF);
}

constexpr float nvfp4_unscaled(uint8_t code, uint8_t scale) {
  return e2m1_to_float(code) * e4m3_to_float(scale);
}

/// What every kernel gives for a weight alone. For a divisor, `multiplier` is fl32(1 / global).
constexpr float nvfp4_kernel_value(uint8_t code, uint8_t scale, float multiplier) {
  return nvfp4_unscaled(code, scale) * multiplier;
}

/// For kMultiplier the product, exactly (6 + 24 significant bits). For kDivisor the quotient
/// rounded to 53 bits; rounding that again to p <= 24 bits, or to a subnormal, gives what one
/// rounding of the true quotient gives. Numerator and divisor have at most 24 bits each, so a
/// quotient that is no tie of the p-bit grid differs from each tie (p + 1 bits) by more than 2^-50
/// of itself, and 53 >= 2*24 + 2.
constexpr double nvfp4_exact(uint8_t code, uint8_t scale, float global, Convention convention) {
  const double unscaled = nvfp4_unscaled(code, scale);
  return convention == Convention::kMultiplier ? unscaled * global : unscaled / global;
}

constexpr float nvfp4_value_f32(uint8_t code, uint8_t scale, float global, Convention convention) {
  return static_cast<float>(nvfp4_exact(code, scale, global, convention));
}

constexpr uint16_t nvfp4_value_bf16(uint8_t code, uint8_t scale, float global,
                                    Convention convention) {
  return bf16_from_double(nvfp4_exact(code, scale, global, convention));
}

constexpr uint16_t nvfp4_value_f16(uint8_t code, uint8_t scale, float global,
                                   Convention convention) {
  return f16_from_double(nvfp4_exact(code, scale, global, convention));
}

}  // namespace imp::quant
