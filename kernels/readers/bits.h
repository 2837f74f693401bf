// Number formats as kernels decode them: bits moved into place, then one exact multiplication by a
// power of two. Independent of src/quant on purpose. For host and device; a device compiles it with
// subnormal floats kept and without contracting products and sums (-ftz=false -fmad=false), so that
// both get the same bits.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/readers/hd.h"

namespace imp::kernels {

IMP_HD inline float float_of_bits(uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(bits);
#else
  return std::bit_cast<float>(bits);
#endif
}

IMP_HD inline uint32_t bits_of_float(float value) {
#if defined(__CUDA_ARCH__)
  return __float_as_uint(value);
#else
  return std::bit_cast<uint32_t>(value);
#endif
}

IMP_HD inline double double_of_bits(uint64_t bits) {
#if defined(__CUDA_ARCH__)
  return __longlong_as_double(static_cast<long long>(bits));
#else
  return std::bit_cast<double>(bits);
#endif
}

IMP_HD inline float quiet_nan() { return float_of_bits(0x7FC00000u); }

/// Lower half of a register that holds two bf16.
IMP_HD inline float bf16_low(uint32_t pair) { return float_of_bits(pair << 16); }

/// The float of these bits times 2^126, exactly. REQUIRES: below 2^2, so that the exponent only
/// grows by 126. A multiplication would do the same, but takes about 100 cycles where the float is
/// subnormal.
IMP_HD inline float times_2_126(uint32_t bits) {
  const uint32_t sign = bits & 0x80000000u, magnitude = bits & 0x7FFFFFFFu;
  const bool is_subnormal = magnitude < 0x00800000u;
  const float above_one = float_of_bits(magnitude + (is_subnormal ? 127u << 23 : 126u << 23));
  const float value = above_one - (is_subnormal ? 1.0f : 0.0f);
  return float_of_bits(bits_of_float(value) | sign);
}

/// s e e m moved to sign, exponent and mantissa of an f32 is the value times 2^-126.
IMP_HD inline float e2m1_bits_to_float(uint32_t code) {
  return times_2_126((code & 8) << 28 | (code & 7) << 22);
}

/// UE4M3 as the block-scaled MMA takes it: the sign bit is ignored.
IMP_HD inline float ue4m3_bits_to_float(uint32_t scale) {
  const uint32_t magnitude = scale & 0x7F;
  if (magnitude == 0x7F) return quiet_nan();
  return float_of_bits(magnitude << 20) * 0x1p120f;
}

/// e4m3 with its sign; 0x7F and 0xFF are NaN.
IMP_HD inline float e4m3_bits_to_float(uint32_t code) {
  const float magnitude = ue4m3_bits_to_float(code);
  return (code & 0x80) != 0 ? -magnitude : magnitude;
}

/// 2^(b - 127); 255 is NaN.
IMP_HD inline float e8m0_bits_to_float(uint32_t b) {
  if (b == 0xFF) return quiet_nan();
  return float_of_bits(b == 0 ? 0x00400000u : b << 23);
}

IMP_HD inline float f16_bits_to_float(uint32_t half) {
  const uint32_t sign = (half & 0x8000) << 16, magnitude = half & 0x7FFF;
  if (magnitude >= 0x7C00) return float_of_bits(sign | 0x7F800000u | (magnitude & 0x3FF) << 13);
  return float_of_bits(sign | magnitude << 13) * 0x1p112f;
}

}  // namespace imp::kernels
