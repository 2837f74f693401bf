// Word-level moves between canonical rows and tiles in fragment order (fragment_tiles.h), whole
// tiles only: a lane's vector at a time instead of the index map's bits. `tiles` neighbours along K
// are moved together, so that rows are read and written in whole cache lines. Every set of moves
// gives the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "src/repack/engine_tiles.h"
#include "src/repack/mma64_words.h"

namespace imp::repack {

struct FragmentMoves {
  /// Tile t holds the columns from t * tile columns; it lies at `out` + t * stride_bytes.
  void (*pack)(mma64::ConstPlane rows, uint64_t tiles, std::byte* out, uint64_t stride_bytes);
  void (*unpack)(const std::byte* in, uint64_t stride_bytes, uint64_t tiles,
                 mma64::MutablePlane rows);
};

const FragmentMoves& portable_fragment_moves(TileOrder order);
/// nullptr where this CPU or build has no AVX2.
const FragmentMoves* avx2_fragment_moves(TileOrder order);
const FragmentMoves& best_fragment_moves(TileOrder order);

/// Where the 16 codes along k of rows n and n + 8 lie that a lane quad needs for one sub-block of
/// its vector. n is counted in the tile, bytes from the tile's first column.
struct PairPlace {
  uint32_t n;
  uint32_t byte;
};
template <class Tiles>
constexpr PairPlace pair_place(uint32_t outer, uint32_t g, uint32_t inner) {
  constexpr uint32_t kBytes = 16 * Tiles::kBits / 8;
  return Tiles::kVectorAlongK ? PairPlace{16 * outer + g, inner * kBytes}
                              : PairPlace{16 * inner + g, outer * kBytes};
}
template <class Tiles>
inline constexpr uint32_t kOuters = Tiles::kTileCodes / 1024;
template <class Tiles>
inline constexpr uint32_t kTileRowBytes = Tiles::kTileK* Tiles::kBits / 8;
/// First byte of lane 4g's vector; the quad's four vectors follow each other.
template <class Tiles>
constexpr uint32_t quad_byte(uint32_t outer, uint32_t g) {
  return (outer * 32 + 4 * g) * Tiles::kVectorBytes;
}

}  // namespace imp::repack
