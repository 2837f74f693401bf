// marlin: codes of 4 or 8 bits and their scales for 16-bit activations, as the Marlin kernels of
// vLLM, SGLang and others take them (kernel-layouts 2.2 to 2.7), version 0.
//
// W is [N, K], padded with zeros as padded_shape.h says. Tiles of 64 n x 16 k, k-tile major: all
// tiles of 16 k, then of the next 16. Lane, v0, v1, v2: fragment_tiles.h.
//
//   codes   | k 0..15: n 0..63 | n 64..127 | ... | k 16..31: n 0..63 | ...
//           a tile: lane 0 .. 31; a lane's vector: j = (n%64)/16 = 0, 1, 2, 3
//
//   4 bits  a tile is 512 bytes, a vector 16, each j one 32-bit word; nibble 4 v0 + 2 v1 + v2:
//             bits  31-28  27-24  23-20  19-16     15-12  11-8   7-4    3-0
//             n,k    8,9    8,1    0,9    0,1       8,8    8,0    0,8    0,0       + (n0, k0) of
//             lane
//   8 bits  a tile is 1024 bytes, a vector 32, each j two words; byte 4 v1 + 2 v0 + v2 of the
//   eight:
//             n,k    0,0  0,8  0,1  0,9     8,0  8,8  8,1  8,9
//
// Scales and zero points are [groups, N], N in an order of its own inside each 64 channels:
//
//   group   8 * (n%8) + (n%64)/8               | 0 8 16 .. 56 | 1 9 .. 57 | ... | 7 15 .. 63 |
//   bytes   the same, then 0 2 1 3 in each 4   | 0 16 8 24 32 48 40 56 | 1 17 9 25 .. | ...
//   single  in each 32:                        | 0 1 8 9 16 17 24 25 | 2 3 10 11 .. | .. 30 31 |
//           8 * ((n%8)/2) + 2 * ((n%32)/8) + n%2
//   zero 4  group, in 32-bit words of 8; channel i of the 8 at nibble 0 4 1 5 2 6 3 7
//   zero 8  bytes
#pragma once

#include <array>
#include <cstdint>

#include "kernels/layouts/fragment_tiles.h"
#include "kernels/layouts/hd.h"

namespace imp::layouts::marlin {

inline constexpr uint32_t kTileN = 64;
inline constexpr uint32_t kTileK = 16;

struct Order4 {
  static constexpr uint32_t kBits = 4, kTileN = marlin::kTileN, kTileK = marlin::kTileK;
  static constexpr TileWalk kWalk = TileWalk::kAlongN;
  static constexpr bool kVectorAlongK = false;
  static constexpr uint32_t kSlotV0 = 4, kSlotV1 = 2, kSlotV2 = 1;
};
struct Order8 {
  static constexpr uint32_t kBits = 8, kTileN = marlin::kTileN, kTileK = marlin::kTileK;
  static constexpr TileWalk kWalk = TileWalk::kAlongN;
  static constexpr bool kVectorAlongK = false;
  static constexpr uint32_t kSlotV0 = 2, kSlotV1 = 4, kSlotV2 = 1;
};
using Codes4 = FragmentTiles<Order4>;
using Codes8 = FragmentTiles<Order8>;
static_assert(check_tile<Codes4>() && check_walk<Codes4>());
static_assert(check_tile<Codes8>() && check_walk<Codes8>());

/// Places of channel n inside its 64, in elements; of zero_point4 in nibbles.
IMP_HD constexpr uint32_t group_of_src(uint32_t n) { return 8 * (n % 8) + n / 8; }
IMP_HD constexpr uint32_t src_of_group(uint32_t at) { return 8 * (at % 8) + at / 8; }

IMP_HD constexpr uint32_t swap_middle(uint32_t at) {
  return (at & ~3u) + 2 * (at % 2) + at / 2 % 2;
}
IMP_HD constexpr uint32_t bytes_of_src(uint32_t n) { return swap_middle(group_of_src(n)); }
IMP_HD constexpr uint32_t src_of_bytes(uint32_t at) { return src_of_group(swap_middle(at)); }

IMP_HD constexpr uint32_t single_of_src(uint32_t n) {
  return n / 32 * 32 + 8 * (n % 8 / 2) + 2 * (n % 32 / 8) + n % 2;
}
IMP_HD constexpr uint32_t src_of_single(uint32_t at) {
  return at / 32 * 32 + 8 * (at % 8 / 2) + 2 * (at % 32 / 8) + at % 2;
}

IMP_HD constexpr uint32_t zero4_of_src(uint32_t n) {
  const uint32_t at = group_of_src(n), i = at % 8;
  return at / 8 * 8 + 4 * (i % 2) + i / 2;
}
IMP_HD constexpr uint32_t src_of_zero4(uint32_t at) {
  const uint32_t nibble = at % 8;
  return src_of_group(at / 8 * 8 + 2 * (nibble % 4) + nibble / 4);
}

/// encode_scale before it is cut to 8 bits.
IMP_HD constexpr uint32_t scale_pattern(uint8_t e4m3, uint32_t rescale_log2, bool keep) {
  const uint32_t magnitude = e4m3 & 0x7Fu;
  if (magnitude == 0) return 0;
  // The exponent fields of fp16 and e4m3 differ by 8; 7 more are the factor 2^7.
  if (magnitude >= 8) return magnitude + 8 * (rescale_log2 + 15);
  // Subnormal, magnitude * 2^-9: the leading bit goes.
  const uint32_t log2 = magnitude >= 4 ? 2 : magnitude >= 2 ? 1 : 0;
  const uint32_t exponent = log2 + rescale_log2 + 13;
  return exponent < 16 && !keep ? 0 : exponent << 3 | (magnitude << (3 - log2) & 7u);
}

/// S0E5M3 of an NVFP4 scale times 2^rescale_log2: the fp16 pattern of scale * 2^(7 + rescale_log2)
/// without its sign and its lower 7 bits. What lies below 2 there is flushed to 0 unless `keep`,
/// and -0 becomes 0. REQUIRES: e4m3 from 0x00 to 0x7E or 0x80; scale * 2^rescale_log2 at most 448.
IMP_HD constexpr uint8_t encode_scale(uint8_t e4m3, uint32_t rescale_log2, bool keep) {
  return static_cast<uint8_t>(scale_pattern(e4m3, rescale_log2, keep));
}

/// encode_scale of 448, the largest.
inline constexpr uint8_t kLargestScale = 0x7E + 8 * 15;

/// What encode_scale took, 0xFF if it gives no such byte. Of 0 it is 0x00.
IMP_HD constexpr uint8_t decode_scale(uint8_t stored, uint32_t rescale_log2, bool keep) {
  if (stored == 0) return 0;
  if (stored > kLargestScale) return 0xFF;
  const uint32_t added = 8 * (rescale_log2 + 15);
  if (stored >= added + 8) return static_cast<uint8_t>(stored - added);
  for (uint8_t m = 1; m < 8; ++m)
    if (scale_pattern(m, rescale_log2, keep) == stored) return m;
  return 0xFF;
}

constexpr bool check_channels() {
  for (uint32_t at = 0; at < 64; ++at) {
    if (group_of_src(src_of_group(at)) != at || src_of_group(at) >= 64) return false;
    if (bytes_of_src(src_of_bytes(at)) != at || src_of_bytes(at) >= 64) return false;
    if (single_of_src(src_of_single(at)) != at || src_of_single(at) >= 64) return false;
    if (zero4_of_src(src_of_zero4(at)) != at || src_of_zero4(at) >= 64) return false;
  }
  return true;
}
static_assert(check_channels());
constexpr bool check_scales() {
  for (uint32_t b = 0; b < 0x7F; ++b)
    if (decode_scale(encode_scale(static_cast<uint8_t>(b), 0, true), 0, true) != b) return false;
  return true;
}
static_assert(check_scales());

}  // namespace imp::layouts::marlin
