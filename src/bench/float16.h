// 16-bit values of the two activation types, as bits.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/readers/bits.h"

namespace imp::bench {

/// Half of the distance between neighbours, relative to the value: 8 and 11 significant bits.
constexpr double unit_roundoff(bool f16) { return f16 ? 0x1p-11 : 0x1p-8; }

inline float float_of(uint16_t bits, bool f16) {
  return f16 ? kernels::f16_bits_to_float(bits) : kernels::bf16_low(bits);
}

/// The value cut to the type's significant bits; below the normal range of f16 it becomes 0.
/// REQUIRES: |value| in the range of the type. Benchmarks need exact inputs, not nearest ones.
inline uint16_t cut_to_16(float value, bool f16) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (!f16) return static_cast<uint16_t>(bits >> 16);
  const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
  constexpr uint32_t kSmallestNormal = 113u << 23;  // 2^-14
  if (magnitude < kSmallestNormal) return static_cast<uint16_t>(sign);
  return static_cast<uint16_t>(sign | (magnitude - (112u << 23)) >> 13);
}

}  // namespace imp::bench
