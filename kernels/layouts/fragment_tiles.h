// The one generator behind marlin.h, max_sm8x.h and machete.h: codes in the order of the register
// fragments of m16n8k16. A layout is a choice of bits, tile, order of tiles, what a lane's vector
// runs along, and the order of the eight codes of a lane.
//
// W is [N, K]. A sub-block of 16 n x 16 k gives each lane eight codes:
//
//   lane = 4 * (n%8) + (k%8)/2        v0 = k%2    v1 = (n%16)/8    v2 = (k%16)/8
//
//          k 0 1 | 2 3 | 4 5 | 6 7 | 8 9 | ..            n 0..7  k 0..7: v1 v2 = 0 0   k 8..15: 0 1
//   n 0   lane 0 |  1  |  2  |  3  |  0  | ..            n 8..15 k 0..7: v1 v2 = 1 0   k 8..15: 1 1
//   n 1   lane 4 |  5  | ...
//
// A vector is four sub-blocks of a lane, 32 codes: neighbours along n or along k. A tile holds its
// vectors lane by lane; the sub-blocks that a vector does not cover come one after the other:
//
//   code = tile * (tile_n * tile_k) + ((outer * 32 + lane) * 4 + inner) * 8 + slot(v0, v1, v2)
//
// Codes are little-endian: of 4 bits at bit 4 * code, of 8 bits at byte code.
#pragma once

#include <cstdint>

#include "kernels/layouts/hd.h"

namespace imp::layouts {

/// Which tile comes next.
enum class TileWalk : uint8_t {
  kAlongN,  ///< all tiles of the same k, then the next k
  kAlongK,
};

struct CodeSource {
  uint64_t n;
  uint64_t k;
};

/// `Order` has kBits, kTileN, kTileK (multiples of 16), kWalk, kVectorAlongK, and the slots
/// kSlotV0, kSlotV1, kSlotV2: 1, 2 and 4 in some order.
template <class Order>
struct FragmentTiles {
  static constexpr uint32_t kBits = Order::kBits;
  static constexpr uint32_t kTileN = Order::kTileN;
  static constexpr uint32_t kTileK = Order::kTileK;
  static constexpr TileWalk kWalk = Order::kWalk;
  static constexpr bool kVectorAlongK = Order::kVectorAlongK;
  static constexpr uint32_t kTileCodes = kTileN * kTileK;
  static constexpr uint32_t kTileBytes = kTileCodes * kBits / 8;
  static constexpr uint32_t kVectorBytes = 32 * kBits / 8;
  static_assert((kVectorAlongK ? kTileK : kTileN) == 64,
                "a vector covers the tile in its direction");

  /// Number of the code inside its tile.
  static IMP_HD constexpr uint32_t code_in_tile(uint32_t n, uint32_t k) {
    const uint32_t lane = 4 * (n % 8) + k % 8 / 2;
    const uint32_t inner = kVectorAlongK ? k / 16 : n / 16;
    const uint32_t outer = kVectorAlongK ? n / 16 : k / 16;
    return ((outer * 32 + lane) * 4 + inner) * 8 + slot(n, k);
  }
  /// The inverse: n and k inside the tile.
  static IMP_HD constexpr CodeSource src_in_tile(uint32_t code) {
    const uint32_t slot = code % 8, inner = code / 8 % 4, lane = code / 32 % 32,
                   outer = code / 1024;
    const uint32_t v0 = slot / Order::kSlotV0 % 2, v1 = slot / Order::kSlotV1 % 2,
                   v2 = slot / Order::kSlotV2 % 2;
    return {16 * (kVectorAlongK ? outer : inner) + 8 * v1 + lane / 4,
            16 * (kVectorAlongK ? inner : outer) + 8 * v2 + 2 * (lane % 4) + v0};
  }

  /// Number of the tile of (n, k) of a padded matrix.
  static IMP_HD constexpr uint64_t tile_of_src(uint64_t n, uint64_t k, uint64_t padded_n,
                                               uint64_t padded_k) {
    return kWalk == TileWalk::kAlongN ? k / kTileK * (padded_n / kTileN) + n / kTileN
                                      : n / kTileN * (padded_k / kTileK) + k / kTileK;
  }
  /// First n and k of a tile.
  static IMP_HD constexpr CodeSource src_of_tile(uint64_t tile, uint64_t padded_n,
                                                 uint64_t padded_k) {
    const uint64_t tiles_n = padded_n / kTileN, tiles_k = padded_k / kTileK;
    return kWalk == TileWalk::kAlongN
               ? CodeSource{tile % tiles_n * kTileN, tile / tiles_n * kTileK}
               : CodeSource{tile / tiles_k * kTileN, tile % tiles_k * kTileK};
  }

  /// Number of the code of (n, k) in the buffer.
  static IMP_HD constexpr uint64_t dst_of_src(uint64_t n, uint64_t k, uint64_t padded_n,
                                              uint64_t padded_k) {
    return tile_of_src(n, k, padded_n, padded_k) * kTileCodes +
           code_in_tile(static_cast<uint32_t>(n % kTileN), static_cast<uint32_t>(k % kTileK));
  }
  static IMP_HD constexpr CodeSource src_of_dst(uint64_t code, uint64_t padded_n,
                                                uint64_t padded_k) {
    const CodeSource tile = src_of_tile(code / kTileCodes, padded_n, padded_k);
    const CodeSource inside = src_in_tile(static_cast<uint32_t>(code % kTileCodes));
    return {tile.n + inside.n, tile.k + inside.k};
  }

 private:
  static IMP_HD constexpr uint32_t slot(uint32_t n, uint32_t k) {
    return Order::kSlotV0 * (k % 2) + Order::kSlotV1 * (n % 16 / 8) + Order::kSlotV2 * (k % 16 / 8);
  }
};

/// True if the map inside a tile is a bijection.
template <class Tiles>
constexpr bool check_tile() {
  for (uint32_t code = 0; code < Tiles::kTileCodes; ++code) {
    const CodeSource src = Tiles::src_in_tile(code);
    if (src.n >= Tiles::kTileN || src.k >= Tiles::kTileK) return false;
    if (Tiles::code_in_tile(static_cast<uint32_t>(src.n), static_cast<uint32_t>(src.k)) != code)
      return false;
  }
  return true;
}

/// True if the map of tiles is one, for 3 x 5 of them.
template <class Tiles>
constexpr bool check_walk() {
  constexpr uint64_t kN = 3 * Tiles::kTileN, kK = 5 * Tiles::kTileK;
  for (uint64_t tile = 0; tile < 15; ++tile) {
    const CodeSource src = Tiles::src_of_tile(tile, kN, kK);
    if (src.n >= kN || src.k >= kK || Tiles::tile_of_src(src.n, src.k, kN, kK) != tile)
      return false;
  }
  return true;
}

}  // namespace imp::layouts
