// Up to four neighbouring bytes of a plane whose rows begin at any byte, as one word.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/layouts/hd.h"

namespace imp::kernels {

/// A plane of `size` bytes in memory that is 4-byte aligned.
struct BytePlane {
  const uint8_t* at;
  uint64_t size;
};

IMP_HD inline uint32_t aligned_word(const uint8_t* at) {
#if defined(__CUDA_ARCH__)
  return __ldg(reinterpret_cast<const uint32_t*>(at));
#else
  uint32_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
#endif
}

/// Bytes [offset, offset + count) as a little-endian word, the rest zeros; count 0..4. Reads inside
/// the plane only. REQUIRES: the bytes lie in the plane.
IMP_HD inline uint32_t load_bytes(const BytePlane& plane, uint64_t offset, uint32_t count) {
  if (count == 0) return 0;
  const uint64_t word = offset / 4 * 4;
  const uint32_t skip = static_cast<uint32_t>(offset % 4);
  if (word + 8 > plane.size && (skip != 0 || word + 4 > plane.size)) {
    uint32_t bytes = 0;  // two words would end past the plane
    for (uint32_t i = 0; i < 4; ++i)
      if (i < count) bytes |= static_cast<uint32_t>(plane.at[offset + i]) << (8 * i);
    return bytes;
  }
  uint64_t bytes = aligned_word(plane.at + word);
  if (skip != 0) bytes |= static_cast<uint64_t>(aligned_word(plane.at + word + 4)) << 32;
  const uint32_t value = static_cast<uint32_t>(bytes >> (8 * skip));
  return count == 4 ? value : value & ((1u << (8 * count)) - 1);
}

/// How many of the four bytes from `column` on lie in a row of `columns`.
IMP_HD constexpr uint32_t bytes_inside(uint64_t column, uint64_t columns) {
  if (column >= columns) return 0;
  return columns - column < 4 ? static_cast<uint32_t>(columns - column) : 4;
}

/// The first `count` bytes of `word` to plane[offset ..]. REQUIRES: plane 4-byte aligned.
IMP_HD inline void store_bytes(uint8_t* plane, uint64_t offset, uint32_t count, uint32_t word) {
  if (count == 4 && offset % 4 == 0) {
#if defined(__CUDA_ARCH__)
    *reinterpret_cast<uint32_t*>(plane + offset) = word;
#else
    std::memcpy(plane + offset, &word, sizeof word);
#endif
    return;
  }
  for (uint32_t i = 0; i < 4; ++i)
    if (i < count) plane[offset + i] = static_cast<uint8_t>(word >> (8 * i));
}

}  // namespace imp::kernels
