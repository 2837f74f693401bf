// mma64 NVFP4 as a lane sees it: which groups it moves, and the moves themselves in few operations.
// All of it is derived from the index map of the layout header and held to it by static_asserts.
#pragma once

#include <cstdint>

#include "kernels/layouts/hd.h"
#include "kernels/layouts/mma64_nvfp4.h"

namespace imp::kernels::mma64 {

using layouts::mma64_nvfp4::kBlockBytes;
using layouts::mma64_nvfp4::kCodeBytes;
using layouts::mma64_nvfp4::kGroup;
using layouts::mma64_nvfp4::kTileK;
using layouts::mma64_nvfp4::kTileN;

inline constexpr uint32_t kLanes = 32;
inline constexpr uint32_t kTileGroups = kTileK / kGroup;
/// 16 rows of a block are 32 vectors of 16 bytes: a lane holds one group of two rows.
inline constexpr uint32_t kPairs = kTileN / 16;
/// Distance of the two rows of a vector.
inline constexpr uint32_t kPairDistance = 8;

/// Row in the block of the first group of vector (pair, lane), pair 0..3.
IMP_HD constexpr uint32_t row_of_vector(uint32_t pair, uint32_t lane) {
  return 16 * pair + lane / 4;
}
/// Group in the block of both groups of the vector.
IMP_HD constexpr uint32_t group_of_lane(uint32_t lane) { return lane % 4; }
/// Byte in the block of vector (pair, lane): canonical k 0..15 of the first row, then of the
/// second.
IMP_HD constexpr uint32_t vector_byte(uint32_t pair, uint32_t lane) {
  return 512 * pair + 16 * lane;
}
/// Byte, after the codes of the block, of the scale of (row, group).
IMP_HD constexpr uint32_t scale_byte(uint32_t row, uint32_t group) {
  return 8 * (4 * (row % 8) + group) + row / 8;
}

/// encode_word() of the layout: 20 operations, half of them shifts.
IMP_HD constexpr uint32_t encode_codes(uint32_t canonical) {
  // Each half holds the even or the odd codes of two registers, at bits 0..3 and 8..11.
  const uint32_t r01 = (canonical & 0x0000FFFFu) | ((canonical << 12) & 0xFFFF0000u);
  const uint32_t r23 = (canonical >> 16) | ((canonical >> 4) & 0xFFFF0000u);
  return ((r01 << 6) & 0x01C001C0u) | ((r01 << 12) & 0x80008000u) | ((r01 >> 5) & 0x00380038u) |
         ((r01 << 1) & 0x10001000u) | (r23 & 0x00070007u) | ((r23 << 11) & 0x40004000u) |
         ((r23 << 1) & 0x0E000E00u) | ((r23 << 2) & 0x20002000u);
}

/// decode_word() of the layout.
IMP_HD constexpr uint32_t decode_codes(uint32_t word) {
  const uint32_t r01 = ((word >> 6) & 0x00070007u) | ((word >> 12) & 0x00080008u) |
                       ((word << 5) & 0x07000700u) | ((word >> 1) & 0x08000800u);
  const uint32_t r23 = (word & 0x00070007u) | ((word >> 11) & 0x00080008u) |
                       ((word >> 1) & 0x07000700u) | ((word >> 2) & 0x08000800u);
  return (r01 & 0x00000F0Fu) | ((r01 >> 12) & 0x0000F0F0u) | ((r23 << 16) & 0x0F0F0000u) |
         ((r23 << 4) & 0xF0F00000u);
}

/// encode_scale() of the layout without a table in memory.
IMP_HD constexpr uint32_t encode_scale(uint32_t e4m3) {
  constexpr uint64_t kSubnormals = 0x464442403C383000u;  // byte m is subnormal m
  const uint32_t magnitude = e4m3 & 0x7F;
  return magnitude < 8 ? static_cast<uint32_t>(kSubnormals >> (8 * magnitude)) & 0xFF
                       : magnitude + 0x40;
}

/// True if one of the four bytes is zero. Exact: the borrow of a zero byte can only mark bytes
/// above it.
IMP_HD constexpr bool has_zero_byte(uint32_t four) {
  return ((four - 0x01010101u) & ~four & 0x80808080u) != 0;
}

/// Four scales at once, a byte each.
IMP_HD constexpr uint32_t encode_scales(uint32_t four) {
  const uint32_t magnitudes = four & 0x7F7F7F7Fu;
  // Adding 0x78 sets the upper bit of each byte that is 8 or more; nothing carries.
  if (((magnitudes + 0x78787878u) & 0x80808080u) == 0x80808080u) return magnitudes + 0x40404040u;
  return encode_scale(four & 0xFF) | encode_scale(four >> 8 & 0xFF) << 8 |
         encode_scale(four >> 16 & 0xFF) << 16 | encode_scale(four >> 24) << 24;
}

/// decode_scale() of the layout: 0xFF for a byte that encode_scale never gives.
IMP_HD constexpr uint32_t decode_scale(uint32_t stored) {
  if (stored >= 0x48) return stored <= 0xBE ? stored - 0x40 : 0xFF;
  if (stored == 0) return 0;
  if (stored < 0x30) return 0xFF;
  // fp16 without its low mantissa bits: (8 + mantissa) * 2^(exponent - 9) subnormal units of e4m3.
  const uint32_t shift = 9 - stored / 8, eighths = 8 + stored % 8;
  return (eighths & ((1u << shift) - 1)) == 0 ? eighths >> shift : 0xFF;
}

constexpr bool check_vectors() {
  using layouts::mma64_nvfp4::src_of_word;
  for (uint32_t pair = 0; pair < kPairs; ++pair)
    for (uint32_t lane = 0; lane < kLanes; ++lane)
      for (uint32_t i = 0; i < 4; ++i) {
        const auto src = src_of_word(vector_byte(pair, lane) / 4 + i);
        if (src.n != row_of_vector(pair, lane) + kPairDistance * (i / 2)) return false;
        if (src.k8 != 2 * group_of_lane(lane) + i % 2) return false;
      }
  return true;
}
// Both word functions move single bits, so that the single bits decide.
constexpr bool check_codes() {
  for (uint32_t bit = 0; bit < 32; ++bit) {
    const uint32_t stored = layouts::mma64_nvfp4::encode_word(1u << bit);
    if (encode_codes(1u << bit) != stored || decode_codes(stored) != 1u << bit) return false;
  }
  return encode_codes(0) == 0 && decode_codes(0) == 0;
}
constexpr bool check_scales() {
  for (uint32_t row = 0; row < kTileN; ++row)
    for (uint32_t group = 0; group < kTileGroups; ++group)
      if (kCodeBytes + scale_byte(row, group) !=
          layouts::mma64_nvfp4::scale_byte_of_src(row, group))
        return false;
  for (uint32_t b = 0; b < 256; ++b) {
    const uint8_t byte = static_cast<uint8_t>(b);
    const uint32_t stored = layouts::mma64_nvfp4::encode_scale(byte);
    if (encode_scale(b) != stored) return false;
    for (uint32_t at = 0; at < 32; at += 8) {  // beside normal scales, and beside zeros
      const uint32_t normal = 0x38383838u & ~(0xFFu << at), encoded = 0x78787878u & ~(0xFFu << at);
      if (encode_scales(normal | b << at) != (encoded | stored << at)) return false;
      if (encode_scales(b << at) != stored << at) return false;
      if (has_zero_byte((0x01010101u & ~(0xFFu << at)) | b << at) != (b == 0)) return false;
    }
    if (decode_scale(b) != layouts::mma64_nvfp4::decode_scale(byte)) return false;
  }
  return true;
}
static_assert(check_vectors());
static_assert(check_codes());
static_assert(check_scales());

}  // namespace imp::kernels::mma64
