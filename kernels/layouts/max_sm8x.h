// max_sm8x: NVFP4 codes and bf16 scales in one buffer, as Modular MAX packs them for sm_80 to sm_89
// (kernel-layouts 4), version 0. 5 bits per weight.
//
// W is [N, K], N a multiple of 64, K of 128. The tiles are those of marlin.h with 4 bits, n-tile
// major: all k of 64 channels, then the next 64. Behind the codes lie the scales, [K/16, N], bf16,
// channels in marlin's group order:
//
//   0                                                         N*K/2                        + N*K/8
//   | n 0..63: k 0..15 | k 16..31 | ... | n 64..127: k 0..15 | ... | group 0: N scales | group 1 |
//   ..
#pragma once

#include <cstdint>

#include "kernels/layouts/fragment_tiles.h"
#include "kernels/layouts/hd.h"
#include "kernels/layouts/marlin.h"

namespace imp::layouts::max_sm8x {

inline constexpr uint32_t kTileN = marlin::kTileN;
inline constexpr uint32_t kTileK = marlin::kTileK;
inline constexpr uint32_t kGroup = 16;  ///< codes along K that share a scale

struct Order : marlin::Order4 {
  static constexpr TileWalk kWalk = TileWalk::kAlongK;
};
using Codes = FragmentTiles<Order>;
static_assert(check_tile<Codes>() && check_walk<Codes>());

/// First byte of the scales.
IMP_HD constexpr uint64_t scales_offset_bytes(uint64_t n, uint64_t k) { return n * k / 2; }

}  // namespace imp::layouts::max_sm8x
