// mma64, 4-bit integer variant (offset binary codes u = q + 8), version 0. 4 bits per weight and
// the scales, which lie beside the blocks (mma64_plane.h).
//
// Block order, lane ownership, padding and the order of the 32-bit words are those of
// mma64_nvfp4.h; a block is 2048 bytes of codes. Inside a word the codes keep their four bits:
//
//   bits    31-28  27-24  23-20  19-16    15-12  11-8   7-4    3-0
//   code e    7      5      3      1        6      4     2      0
//
// so that (word >> 4r) & 0x000F000F is the pair of codes 2r, 2r + 1.
#pragma once

#include <cstdint>

#include "kernels/layouts/hd.h"
#include "kernels/layouts/mma64_nvfp4.h"

namespace imp::layouts::mma64_int4 {

using mma64_nvfp4::kTileK;
using mma64_nvfp4::kTileN;
using mma64_nvfp4::kWords;
using mma64_nvfp4::src_of_word;
using mma64_nvfp4::word_of_src;

inline constexpr uint32_t kBlockBytes = kTileN * kTileK / 2;
inline constexpr uint32_t kOffset = 8;  ///< u of the integer 0

/// Byte offset of the block that holds (n, k) of a matrix with `k_tiles` = ceil(K/64).
IMP_HD constexpr uint64_t block_offset_bytes(uint64_t n, uint64_t k, uint64_t k_tiles) {
  return ((n / kTileN) * k_tiles + k / kTileK) * kBlockBytes;
}

/// Bit of the word in which bit `bit` (0..3) of code e (0..7) lies.
IMP_HD constexpr uint32_t bit_of_src(uint32_t e, uint32_t bit) {
  return 16 * (e % 2) + 4 * (e / 2) + bit;
}

struct BitSource {
  uint32_t e;
  uint32_t bit;
};

IMP_HD constexpr BitSource src_of_bit(uint32_t bit_of_word) {
  return {2 * (bit_of_word % 16 / 4) + bit_of_word / 16, bit_of_word % 4};
}

/// Two canonical words (code e of each in bits 4e..4e+3) to two stored words.
IMP_HD constexpr uint64_t encode_words(uint64_t canonical) {
  uint64_t even = canonical & 0x0F0F0F0F0F0F0F0Full;
  uint64_t odd = canonical >> 4 & 0x0F0F0F0F0F0F0F0Full;
  even = (even | even >> 4) & 0x00FF00FF00FF00FFull;
  odd = (odd | odd >> 4) & 0x00FF00FF00FF00FFull;
  even = (even | even >> 8) & 0x0000FFFF0000FFFFull;
  odd = (odd | odd >> 8) & 0x0000FFFF0000FFFFull;
  return even | odd << 16;
}

IMP_HD constexpr uint64_t decode_words(uint64_t stored) {
  uint64_t even = stored & 0x0000FFFF0000FFFFull;
  uint64_t odd = stored >> 16 & 0x0000FFFF0000FFFFull;
  even = (even | even << 8) & 0x00FF00FF00FF00FFull;
  odd = (odd | odd << 8) & 0x00FF00FF00FF00FFull;
  even = (even | even << 4) & 0x0F0F0F0F0F0F0F0Full;
  odd = (odd | odd << 4) & 0x0F0F0F0F0F0F0F0Full;
  return even | odd << 4;
}

constexpr bool check_bits() {
  for (uint32_t b = 0; b < 64; ++b) {
    const BitSource src = src_of_bit(b % 32);
    if (src.e >= 8 || src.bit >= 4 || bit_of_src(src.e, src.bit) != b % 32) return false;
    const uint64_t canonical = uint64_t{1} << (b / 32 * 32 + 4 * src.e + src.bit);
    if (encode_words(canonical) != uint64_t{1} << b) return false;
    if (decode_words(uint64_t{1} << b) != canonical) return false;
  }
  return true;
}
static_assert(check_bits());

}  // namespace imp::layouts::mma64_int4
