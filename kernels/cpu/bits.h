// Number formats as kernels decode them: bits moved into place, then one exact multiplication by a
// power of two. Independent of src/quant on purpose.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

namespace imp::kernels {

/// Lower half of a register that holds two bf16.
inline float bf16_low(uint32_t pair) { return std::bit_cast<float>(pair << 16); }

/// The float of these bits times 2^126, exactly. REQUIRES: below 2^2, so that the exponent only
/// grows by 126. A multiplication would do the same, but takes about 100 cycles where the float is
/// subnormal.
inline float times_2_126(uint32_t bits) {
  const uint32_t sign = bits & 0x80000000u, magnitude = bits & 0x7FFFFFFFu;
  const bool is_subnormal = magnitude < 0x00800000u;
  const float above_one =
      std::bit_cast<float>(magnitude + (is_subnormal ? 127u << 23 : 126u << 23));
  const float value = above_one - (is_subnormal ? 1.0f : 0.0f);
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
}

/// s e e m moved to sign, exponent and mantissa of an f32 is the value times 2^-126.
inline float e2m1_bits_to_float(uint32_t code) {
  return times_2_126((code & 8) << 28 | (code & 7) << 22);
}

/// UE4M3 as the block-scaled MMA takes it: the sign bit is ignored.
inline float ue4m3_bits_to_float(uint32_t scale) {
  const uint32_t magnitude = scale & 0x7F;
  if (magnitude == 0x7F) return std::numeric_limits<float>::quiet_NaN();
  return std::bit_cast<float>(magnitude << 20) * 0x1p120f;
}

/// e4m3 with its sign; 0x7F and 0xFF are NaN.
inline float e4m3_bits_to_float(uint32_t code) {
  const float magnitude = ue4m3_bits_to_float(code);
  return (code & 0x80) != 0 ? -magnitude : magnitude;
}

/// 2^(b - 127); 255 is NaN.
inline float e8m0_bits_to_float(uint32_t b) {
  if (b == 0xFF) return std::numeric_limits<float>::quiet_NaN();
  return std::bit_cast<float>(b == 0 ? 0x00400000u : b << 23);
}

inline float f16_bits_to_float(uint32_t half) {
  const uint32_t sign = (half & 0x8000) << 16, magnitude = half & 0x7FFF;
  if (magnitude >= 0x7C00)
    return std::bit_cast<float>(sign | 0x7F800000u | (magnitude & 0x3FF) << 13);
  return std::bit_cast<float>(sign | magnitude << 13) * 0x1p112f;
}

}  // namespace imp::kernels
