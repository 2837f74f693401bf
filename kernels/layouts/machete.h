// machete4, machete8: integer codes of 4 or 8 bits for wgmma on sm_90, as vLLM's Machete kernel
// takes them (kernel-layouts 5.1), version 0.
//
// W is [N, K], N a multiple of 128, K of 64. Blocks of 128 n x 64 k, all blocks of 64 k before the
// next; thread = 32 * ((n%128)/16) + lane of two warpgroups. Lane, v0, v1, v2: fragment_tiles.h.
//
//   | k 0..63: n 0..127 | n 128..255 | ... | k 64..127: n 0..127 | ...
//   a block: thread 0 .. 255; a thread's vector: (k%64)/16 = 0, 1, 2, 3
//
//   4 bits  a block is 4096 bytes, a vector 16, each step one 32-bit word; nibble 4 v0 + 2 v2 + v1:
//             bits  31-28  27-24  23-20  19-16     15-12  11-8   7-4    3-0
//             n,k    8,9    0,9    8,1    0,1       8,8    0,8    8,0    0,0    + (n0, k0) of
//             thread
//           that is marlin's word with the nibbles 1 and 2, 5 and 6 exchanged
//   8 bits  a block is 8192 bytes, a vector 32, each step two words; byte v0 + 2 v1 + 4 v2:
//             n,k    0,0  0,1  8,0  8,1     0,8  0,9  8,8  8,9
//
// Scales and folded zeros are [groups, N] in natural order.
#pragma once

#include <cstdint>

#include "kernels/layouts/fragment_tiles.h"

namespace imp::layouts::machete {

inline constexpr uint32_t kTileN = 128;
inline constexpr uint32_t kTileK = 64;

struct Order4 {
  static constexpr uint32_t kBits = 4, kTileN = machete::kTileN, kTileK = machete::kTileK;
  static constexpr TileWalk kWalk = TileWalk::kAlongN;
  static constexpr bool kVectorAlongK = true;
  static constexpr uint32_t kSlotV0 = 4, kSlotV1 = 1, kSlotV2 = 2;
};
struct Order8 {
  static constexpr uint32_t kBits = 8, kTileN = machete::kTileN, kTileK = machete::kTileK;
  static constexpr TileWalk kWalk = TileWalk::kAlongN;
  static constexpr bool kVectorAlongK = true;
  static constexpr uint32_t kSlotV0 = 1, kSlotV1 = 2, kSlotV2 = 4;
};
using Codes4 = FragmentTiles<Order4>;
using Codes8 = FragmentTiles<Order8>;
static_assert(check_tile<Codes4>() && check_walk<Codes4>());
static_assert(check_tile<Codes8>() && check_walk<Codes8>());

}  // namespace imp::layouts::machete
