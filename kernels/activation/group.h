// What one thread computes, for host and device: a group of 16 activations and where it goes.
#pragma once

#include <bit>
#include <cstdint>

#if defined(__CUDACC__)
#define IMP_ACTIVATION_HD __host__ __device__
#else
#define IMP_ACTIVATION_HD
#endif

namespace imp::kernels::activation {

inline constexpr uint32_t kGroup = 16;
inline constexpr uint32_t kWarps = 8;                ///< of a block of threads
inline constexpr uint32_t kWarpGroups = 32;          ///< of one row, a group a lane
inline constexpr float kCodesTimesScales = 2688.0f;  ///< 6 * 448

#if defined(__CUDA_ARCH__)
__device__ inline float float_of_bits(uint32_t bits) { return __uint_as_float(bits); }
__device__ inline uint32_t bits_of_float(float value) { return __float_as_uint(value); }
__device__ inline float divide(float a, float b) { return __fdiv_rn(a, b); }
__device__ inline float multiply(float a, float b) { return __fmul_rn(a, b); }
__device__ inline float add(float a, float b) { return __fadd_rn(a, b); }
#else
inline float float_of_bits(uint32_t bits) { return std::bit_cast<float>(bits); }
inline uint32_t bits_of_float(float value) { return std::bit_cast<uint32_t>(value); }
inline float divide(float a, float b) { return a / b; }
inline float multiply(float a, float b) { return a * b; }
inline float add(float a, float b) { return a + b; }
#endif

/// Mantissa to its upper bits, nearest even; a carry runs into the exponent, as it should.
IMP_ACTIVATION_HD inline uint32_t round_mantissa(uint32_t bits, uint32_t dropped_bits) {
  const uint32_t half = 1u << (dropped_bits - 1);
  return (bits + half - 1 + (bits >> dropped_bits & 1)) >> dropped_bits;
}

/// e4m3 byte of t in (0, inf], at least 01 and at most 7E.
IMP_ACTIVATION_HD inline uint32_t e4m3_of(float t) {
  if (t < 0x1p-9f) return 0x01;
  if (t > 448.0f) return 0x7E;
  // Subnormals are multiples of 2^-9, which is the last bit of 2^14: the addition rounds.
  if (t < 0x1p-6f) return bits_of_float(add(t, 0x1p14f)) - bits_of_float(0x1p14f);
  return round_mantissa(bits_of_float(t), 20) - ((127u - 7u) << 3);
}

/// Exact value of an e4m3 byte 00 to 7E.
IMP_ACTIVATION_HD inline float value_of_e4m3(uint32_t byte) {
  return multiply(float_of_bits(byte << 20), 0x1p120f);
}

/// Magnitude 0..7 of the e2m1 code of |v|, v not NaN.
IMP_ACTIVATION_HD inline uint32_t e2m1_magnitude_of(float v) {
  const float magnitude = float_of_bits(bits_of_float(v) & 0x7FFFFFFFu);
  if (magnitude > 5.0f) return 7;
  // 0, 0.5 and 1 are multiples of 0.5, which is the last bit of 2^22.
  if (magnitude < 1.0f) return bits_of_float(add(magnitude, 0x1p22f)) - bits_of_float(0x1p22f);
  return round_mantissa(bits_of_float(magnitude), 22) - ((127u - 1u) << 1);
}

IMP_ACTIVATION_HD inline bool is_finite(uint32_t bits) {
  return (bits & 0x7F800000u) != 0x7F800000u;
}

struct QuantizedGroup {
  uint32_t scale;     ///< e4m3 byte
  uint32_t codes[2];  ///< code i in bits 4(i%8) of word i/8
};

/// The operations of quantize_activation.h, in their order.
IMP_ACTIVATION_HD inline QuantizedGroup quantize_group(const float (&x)[kGroup], float gs) {
  uint32_t largest = 0;  // of |x|: floats without a sign are ordered like their bits
  for (uint32_t i = 0; i < kGroup; ++i) {
    const uint32_t bits = bits_of_float(x[i]) & 0x7FFFFFFFu;
    largest = bits > largest ? bits : largest;
  }
  if (!is_finite(largest)) return {0x7F, {0, 0}};
  if (largest == 0) return {0, {0, 0}};
  const uint32_t scale = e4m3_of(divide(float_of_bits(largest), multiply(6.0f, gs)));
  const float d = multiply(value_of_e4m3(scale), gs);
  if (d == 0.0f) return {0, {0, 0}};
  QuantizedGroup out{scale, {0, 0}};
  for (uint32_t i = 0; i < kGroup; ++i) {
    const uint32_t code = e2m1_magnitude_of(divide(x[i], d)) | (x[i] < 0.0f ? 8u : 0u);
    out.codes[i / 8] |= code << (4 * (i % 8));
  }
  return out;
}

/// Row that warp `warp` of thread block `block_row` takes, of rows padded to 128. In 128x4 order 32
/// bytes hold rows r, r + 32, r + 64, r + 96 and r + 1, r + 33, ...: one thread block writes them.
IMP_ACTIVATION_HD inline uint64_t row_of_warp(uint64_t block_row, uint32_t warp) {
  return block_row / 16 * 128 + warp % 4 * 32 + block_row % 16 * 2 + warp / 4;
}

/// Offset of the four scales of groups 4q .. 4q + 3 of a row (kernel-layouts 8.2).
IMP_ACTIVATION_HD inline uint64_t scale_word_offset(uint64_t row, uint64_t q, uint64_t groups) {
  const uint64_t group_tiles = (groups + 3) / 4;
  return ((row / 128) * group_tiles + q) * 512 + (row % 32) * 16 + (row % 128) / 32 * 4;
}

}  // namespace imp::kernels::activation
