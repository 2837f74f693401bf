// mma64, NVFP4 variant (e2m1 codes, e4m3 scale per 16 along K), version 1. 4.5 bits per weight.
// Frozen: files hold these bytes; a change of them would be version 2.
//
// W is [N, K], K contiguous, padded with zeros to multiples of 64. Blocks of 64 n x 64 k lie n-tile
// major, k-tile fastest; a block is 2304 bytes: 2048 of codes, then 256 of scales.
//
//   block of (n, k) = (n/64) * ceil(K/64) + k/64
//   j = (n%64)/8    g = n%8    c = (k%64)/16    lane = 4g + c    h = (k%16)/8
//
//   codes   byte 0     512    1024   1536   2048        scales  2048 + 8*lane + j
//           | j 0,1  | j 2,3 | j 4,5 | j 6,7 |          |lane 0: j=0..7|lane 1| ... |lane 31|
//             each: lane 0 .. 31, 16 bytes a lane:
//             | j even, h=0 | j even, h=1 | j odd, h=0 | j odd, h=1 |   four 32-bit words
//
// A word holds the 8 codes k = 16c + 8h + e, e = 0..7, of one n: exactly four consecutive canonical
// bytes (even k in the low nibble). Code e belongs to register r = e/2, 16-bit half e%2. Inside
// each half the bits s e e m lie so:
//
//   bit   15   14   13   12   11 10 9   8 7 6   5 4 3   2 1 0
//         s0   s2   s3   s1   r3 eem    r0 eem  r1 eem  r2 eem
//
// so that a kernel gets bf16x2 or fp16x2 pairs with few operations (specification: SPEC in
// README.md, section mma64). Scale byte: fp16(e4m3) >> 7, i.e. e4m3 + 0x40 for normals. A group
// whose scale is +-0 is stored as scale 0 and codes 0.
#pragma once

#include <cstdint>

#include "kernels/layouts/hd.h"

namespace imp::layouts::mma64_nvfp4 {

inline constexpr uint32_t kTileN = 64;
inline constexpr uint32_t kTileK = 64;
inline constexpr uint32_t kGroup = 16;  ///< codes along K that share a scale
inline constexpr uint32_t kCodeBytes = 2048;
inline constexpr uint32_t kScaleBytes = 256;
inline constexpr uint32_t kBlockBytes = kCodeBytes + kScaleBytes;
inline constexpr uint32_t kWords = kCodeBytes / 4;  ///< 32-bit words of codes in a block

/// Byte offset of the block that holds (n, k) of a matrix with `k_tiles` = ceil(K/64).
IMP_HD constexpr uint64_t block_offset_bytes(uint64_t n, uint64_t k, uint64_t k_tiles) {
  return ((n / kTileN) * k_tiles + k / kTileK) * kBlockBytes;
}

/// Coordinates inside a block. `k8` counts eights of k: codes k8*8 .. k8*8+7.
struct WordSource {
  uint32_t n;   ///< 0..63
  uint32_t k8;  ///< 0..7
};

/// Index of the 32-bit word that holds codes (n, 8*k8 .. 8*k8+7) of a block.
IMP_HD constexpr uint32_t word_of_src(uint32_t n, uint32_t k8) {
  const uint32_t j = n / 8, g = n % 8, c = k8 / 2, h = k8 % 2;
  return (j / 2) * 128 + (4 * g + c) * 4 + (j % 2) * 2 + h;
}

IMP_HD constexpr WordSource src_of_word(uint32_t word) {
  const uint32_t lane = word % 128 / 4, j = 2 * (word / 128) + word % 4 / 2;
  return {8 * j + lane / 4, 2 * (lane % 4) + word % 2};
}

/// Bit of the word in which bit `bit` (3 = sign, 2..0 = e e m) of code e lies.
IMP_HD constexpr uint32_t bit_of_src(uint32_t e, uint32_t bit) {
  constexpr uint32_t kSignBit[4] = {15, 12, 14, 13};
  constexpr uint32_t kLowBit[4] = {6, 3, 0, 9};
  const uint32_t r = e / 2, half = 16 * (e % 2);
  return half + (bit == 3 ? kSignBit[r] : kLowBit[r] + bit);
}

struct BitSource {
  uint32_t e;    ///< code 0..7 of the word
  uint32_t bit;  ///< 0..3 of that code
};

IMP_HD constexpr BitSource src_of_bit(uint32_t bit_of_word) {
  constexpr uint32_t kRegisterOfSign[4] = {1, 3, 2, 0};    // bits 12..15
  constexpr uint32_t kRegisterOfTriple[4] = {2, 1, 0, 3};  // bits 0..2, 3..5, 6..8, 9..11
  const uint32_t half = bit_of_word / 16, b = bit_of_word % 16;
  if (b >= 12) return {2 * kRegisterOfSign[b - 12] + half, 3};
  return {2 * kRegisterOfTriple[b / 3] + half, b % 3};
}

/// Four canonical bytes (little-endian word, code e in bits 4e..4e+3) to a stored word. The bit map
/// above, in a few operations.
IMP_HD constexpr uint32_t encode_word(uint32_t canonical) {
  uint32_t word = 0;
  constexpr uint32_t kSignShift[4] = {12, 9, 11, 10};
  constexpr uint32_t kLowShift[4] = {6, 3, 0, 9};
  for (uint32_t r = 0; r < 4; ++r) {
    const uint32_t byte = canonical >> (8 * r);
    const uint32_t pair = (byte & 0xFu) | ((byte & 0xF0u) << 12);  // one code in each half
    word |= (pair & 0x00080008u) << kSignShift[r] | (pair & 0x00070007u) << kLowShift[r];
  }
  return word;
}

IMP_HD constexpr uint32_t decode_word(uint32_t word) {
  uint32_t canonical = 0;
  constexpr uint32_t kSignShift[4] = {12, 9, 11, 10};
  constexpr uint32_t kLowShift[4] = {6, 3, 0, 9};
  for (uint32_t r = 0; r < 4; ++r) {
    const uint32_t pair =
        ((word >> kSignShift[r]) & 0x00080008u) | ((word >> kLowShift[r]) & 0x00070007u);
    canonical |= ((pair & 0xFu) | ((pair >> 12) & 0xF0u)) << (8 * r);
  }
  return canonical;
}

/// Byte inside a block of the scale of row n (0..63) and group c (0..3).
IMP_HD constexpr uint32_t scale_byte_of_src(uint32_t n, uint32_t c) {
  return kCodeBytes + (4 * (n % 8) + c) * 8 + n / 8;
}

struct ScaleSource {
  uint32_t n;
  uint32_t c;
};

IMP_HD constexpr ScaleSource src_of_scale_byte(uint32_t byte) {
  const uint32_t at = byte - kCodeBytes;
  return {8 * (at % 8) + at / 32, at / 8 % 4};
}

/// e4m3 scale to stored byte. REQUIRES: not NaN; of negative ones only -0. Both zeros give 0.
IMP_HD constexpr uint8_t encode_scale(uint8_t e4m3) {
  constexpr uint8_t kSubnormal[8] = {0, 0x30, 0x38, 0x3C, 0x40, 0x42, 0x44, 0x46};
  const uint8_t magnitude = e4m3 & 0x7F;
  return magnitude < 8 ? kSubnormal[magnitude] : static_cast<uint8_t>(magnitude + 0x40);
}

/// Stored byte to e4m3; 0xFF (a NaN) for a byte that encode_scale never gives.
IMP_HD constexpr uint8_t decode_scale(uint8_t stored) {
  if (stored >= 0x48)
    return stored <= 0x7E + 0x40 ? static_cast<uint8_t>(stored - 0x40) : uint8_t{0xFF};
  for (uint8_t m = 0; m < 8; ++m)
    if (encode_scale(m) == stored) return m;
  return 0xFF;
}

// The map is a bijection, both ways, and the word functions are the bit map.
constexpr bool check_words() {
  for (uint32_t word = 0; word < kWords; ++word) {
    const WordSource src = src_of_word(word);
    if (src.n >= kTileN || src.k8 >= 8 || word_of_src(src.n, src.k8) != word) return false;
  }
  return true;
}
constexpr bool check_bits() {
  for (uint32_t b = 0; b < 32; ++b) {
    const BitSource src = src_of_bit(b);
    if (src.e >= 8 || src.bit >= 4 || bit_of_src(src.e, src.bit) != b) return false;
    if (encode_word(1u << (4 * src.e + src.bit)) != 1u << b) return false;
    if (decode_word(1u << b) != 1u << (4 * src.e + src.bit)) return false;
  }
  return true;
}
constexpr bool check_scales() {
  for (uint32_t byte = kCodeBytes; byte < kBlockBytes; ++byte) {
    const ScaleSource src = src_of_scale_byte(byte);
    if (src.n >= kTileN || src.c >= 4 || scale_byte_of_src(src.n, src.c) != byte) return false;
  }
  for (uint32_t b = 0; b < 0x7F; ++b)
    if (decode_scale(encode_scale(static_cast<uint8_t>(b))) != b) return false;
  return true;
}
static_assert(check_words());
static_assert(check_bits());
static_assert(check_scales());

}  // namespace imp::layouts::mma64_nvfp4
