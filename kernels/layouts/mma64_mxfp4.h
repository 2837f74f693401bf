// mma64, MXFP4 variant (e2m1 codes, e8m0 scale per 32 along K), version 0. 4.25 bits per weight.
//
// Block order, lane ownership, padding and the code words are those of mma64_nvfp4.h; a block is
// 2176 bytes: 2048 of codes, then 128 of scales, the e8m0 bytes as the source has them. The quad
// lanes 2h and 2h + 1 own the two halves of group h of a block and read the same scales.
//
//   g = n%8    j = (n%64)/8    h = (k%64)/32        scale  2048 + 8*(2g + h) + j
//   |g 0 h 0: j=0..7|g 0 h 1|g 1 h 0| ... |g 7 h 1|
#pragma once

#include <cstdint>

#include "kernels/layouts/hd.h"
#include "kernels/layouts/mma64_nvfp4.h"

namespace imp::layouts::mma64_mxfp4 {

// The code words.
using mma64_nvfp4::bit_of_src;
using mma64_nvfp4::decode_word;
using mma64_nvfp4::encode_word;
using mma64_nvfp4::kCodeBytes;
using mma64_nvfp4::kTileK;
using mma64_nvfp4::kTileN;
using mma64_nvfp4::word_of_src;

inline constexpr uint32_t kGroup = 32;                    ///< codes along K that share a scale
inline constexpr uint32_t kTileGroups = kTileK / kGroup;  ///< scales of a row in a block
inline constexpr uint32_t kScaleBytes = kTileN * kTileGroups;
inline constexpr uint32_t kBlockBytes = kCodeBytes + kScaleBytes;

/// Byte offset of the block that holds (n, k) of a matrix with `k_tiles` = ceil(K/64).
IMP_HD constexpr uint64_t block_offset_bytes(uint64_t n, uint64_t k, uint64_t k_tiles) {
  return ((n / kTileN) * k_tiles + k / kTileK) * kBlockBytes;
}

/// Byte inside a block of the scale of row n (0..63) and group h (0, 1).
IMP_HD constexpr uint32_t scale_byte_of_src(uint32_t n, uint32_t h) {
  return kCodeBytes + (kTileGroups * (n % 8) + h) * 8 + n / 8;
}

struct ScaleSource {
  uint32_t n;
  uint32_t h;
};

IMP_HD constexpr ScaleSource src_of_scale_byte(uint32_t byte) {
  const uint32_t at = byte - kCodeBytes;
  return {8 * (at % 8) + at / 16, at / 8 % 2};
}

/// Every code times 2^(b - 127) is a bf16: the largest, 6 * 2^(b-127) = 1.5 * 2^(b-125), is finite
/// up to b = 252; the smallest, 2^(b-128), is at least 2^-128 and bf16 counts in steps of 2^-133.
/// 255 is NaN.
IMP_HD constexpr bool scale_fits_bf16(uint8_t b) { return b <= 252; }

/// fp16 kernels hold the value times this.
inline constexpr float kFp16Unit = 4096.0f;
/// Every code times 2^(b - 127) * kFp16Unit is an fp16: the smallest, 2^(b-116), needs b >= 92
/// (fp16 counts in steps of 2^-24), the largest, 1.5 * 2^(b-113), needs b <= 128 (below 2^16).
IMP_HD constexpr bool scale_fits_fp16(uint8_t b) { return 92 <= b && b <= 128; }

constexpr bool check_scales() {
  for (uint32_t byte = kCodeBytes; byte < kBlockBytes; ++byte) {
    const ScaleSource src = src_of_scale_byte(byte);
    if (src.n >= kTileN || src.h >= kTileGroups || scale_byte_of_src(src.n, src.h) != byte)
      return false;
  }
  return true;
}
static_assert(check_scales());
static_assert(kBlockBytes == 2176);

}  // namespace imp::layouts::mma64_mxfp4
