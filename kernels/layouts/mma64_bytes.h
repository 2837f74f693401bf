// mma64, variants of one byte a code: 8-bit integers (offset binary, u = q + 128) and fp8 (the e4m3
// byte itself), version 0. 8 bits per weight and the scales, which lie beside the blocks
// (mma64_plane.h) or in a grid.
//
// Block order, lane ownership and padding are those of mma64_nvfp4.h; a block is 4096 bytes:
//
//   j = (n%64)/8    g = n%8    c = (k%64)/16    lane = 4g + c
//   | j 0: 32 lanes x 16 B | j 1 | ... | j 7 |          a lane's 16 B: k = 16c .. 16c + 15
//
// that is, byte (n%64) * 64 + k%64: the 64 x 64 tile row by row.
#pragma once

#include <cstdint>

#include "kernels/layouts/hd.h"

namespace imp::layouts::mma64_bytes {

inline constexpr uint32_t kTileN = 64;
inline constexpr uint32_t kTileK = 64;
inline constexpr uint32_t kBlockBytes = kTileN * kTileK;
inline constexpr uint32_t kIntegerOffset = 128;  ///< u of the integer 0

/// Byte offset of the block that holds (n, k) of a matrix with `k_tiles` = ceil(K/64).
IMP_HD constexpr uint64_t block_offset_bytes(uint64_t n, uint64_t k, uint64_t k_tiles) {
  return ((n / kTileN) * k_tiles + k / kTileK) * kBlockBytes;
}

/// Byte inside a block of the code of row n and column k, both 0..63.
IMP_HD constexpr uint32_t byte_of_src(uint32_t n, uint32_t k) {
  const uint32_t j = n / 8, lane = 4 * (n % 8) + k / 16;
  return j * 512 + lane * 16 + k % 16;
}

struct Source {
  uint32_t n;
  uint32_t k;
};

IMP_HD constexpr Source src_of_byte(uint32_t byte) {
  const uint32_t lane = byte % 512 / 16;
  return {8 * (byte / 512) + lane / 4, 16 * (lane % 4) + byte % 16};
}

constexpr bool check_bytes() {
  for (uint32_t byte = 0; byte < kBlockBytes; ++byte) {
    const Source src = src_of_byte(byte);
    if (src.n >= kTileN || src.k >= kTileK || byte_of_src(src.n, src.k) != byte) return false;
    if (byte != src.n * kTileK + src.k) return false;
  }
  return true;
}
static_assert(check_bytes());

}  // namespace imp::layouts::mma64_bytes
