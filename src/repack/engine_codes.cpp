// Codes in the tiles of other engines' layouts; both paths.
#include <algorithm>
#include <cassert>
#include <cstring>

#include "kernels/layouts/engine_maps.h"
#include "src/repack/code_tiles.h"
#include "src/repack/engine_tiles.h"
#include "src/repack/fragment_words.h"

namespace imp::repack {
namespace {

using layouts::with_tiles;

template <class Tiles>
struct FragmentMap {
  static constexpr uint32_t kBits = Tiles::kBits;
  uint64_t padded_rows;
  uint64_t padded_k;
  uint64_t code_bit(uint64_t n, uint64_t k, uint32_t bit) const {
    return Tiles::dst_of_src(n, k, padded_rows, padded_k) * kBits + bit;
  }
};

/// The matrix as rows and columns of tiles.
template <class Tiles>
struct TileGrid {
  explicit TileGrid(const PaddedBox& shape) : box(shape) {}

  PaddedBox box;
  uint64_t pitch() const { return code_pitch(Tiles::kBits, box.columns); }
  uint64_t tiles_k() const { return box.padded_columns / Tiles::kTileK; }
  /// Leading tiles of the row of tiles at `row0` that hold no padding.
  uint64_t whole_tiles(uint64_t row0) const {
    return row0 + Tiles::kTileN <= box.rows ? box.columns / Tiles::kTileK : 0;
  }
  uint64_t tile_byte(uint64_t row0, uint64_t tile) const {
    return Tiles::tile_of_src(row0, tile * Tiles::kTileK, box.padded_rows, box.padded_columns) *
           Tiles::kTileBytes;
  }
  /// From a tile to the next along k.
  uint64_t stride() const { return tile_byte(0, 1) - tile_byte(0, 0); }
  /// Columns of a tile inside the matrix, for a row of it.
  uint64_t present(uint64_t row, uint64_t tile) const {
    const uint64_t column = tile * Tiles::kTileK;
    return row < box.rows && column < box.columns
               ? std::min<uint64_t>(Tiles::kTileK, box.columns - column)
               : 0;
  }
  uint64_t code_byte(uint64_t row, uint64_t tile) const {
    return row * pitch() + tile * kTileRowBytes<Tiles>;
  }
};

/// A tile in canonical order.
template <class Tiles>
using TileRows = std::array<std::byte, Tiles::kTileN * kTileRowBytes<Tiles>>;

/// The codes of a tile at the edge, zeros around them.
template <class Tiles>
TileRows<Tiles> edge_tile(const TileGrid<Tiles>& grid, Bytes codes, uint64_t row0, uint64_t tile) {
  TileRows<Tiles> rows{};
  for (uint32_t n = 0; n < Tiles::kTileN; ++n) {
    const uint64_t present = grid.present(row0 + n, tile);
    if (present == 0) continue;
    std::byte* const row = rows.data() + n * kTileRowBytes<Tiles>;
    std::memcpy(row, codes.data() + grid.code_byte(row0 + n, tile),
                code_pitch(Tiles::kBits, present));
    if (present * Tiles::kBits % 8 != 0) row[present / 2] &= std::byte{0xF};
  }
  return rows;
}

template <class Tiles>
Status put_edge_tile(const TileGrid<Tiles>& grid, const TileRows<Tiles>& rows, uint64_t row0,
                     uint64_t tile, MutableBytes codes) {
  for (uint32_t n = 0; n < Tiles::kTileN; ++n) {
    const uint64_t present = grid.present(row0 + n, tile);
    for (uint64_t k = present; k < Tiles::kTileK; ++k)
      if (canonical_code<Tiles::kBits>(rows, kTileRowBytes<Tiles>, n, k) != 0)
        return padding_error(row0 + n, "column", tile * Tiles::kTileK + k);
    if (present > 0)
      std::memcpy(codes.data() + grid.code_byte(row0 + n, tile),
                  rows.data() + n * kTileRowBytes<Tiles>, code_pitch(Tiles::kBits, present));
  }
  return {};
}

/// Tiles moved together fill whole cache lines of their rows.
template <class Tiles>
inline constexpr uint64_t kStrip = std::max<uint64_t>(2, 64 / kTileRowBytes<Tiles>);

template <class Tiles>
void pack_by_word(const TileGrid<Tiles>& grid, const FragmentMoves& moves, Bytes codes,
                  MutableBytes out) {
  for (uint64_t row0 = 0; row0 < grid.box.padded_rows; row0 += Tiles::kTileN) {
    const uint64_t whole = grid.whole_tiles(row0);
    for (uint64_t tile = 0; tile < whole; tile += kStrip<Tiles>)
      moves.pack({codes.data() + grid.code_byte(row0, tile), grid.pitch()},
                 std::min(kStrip<Tiles>, whole - tile), out.data() + grid.tile_byte(row0, tile),
                 grid.stride());
    for (uint64_t tile = whole; tile < grid.tiles_k(); ++tile) {
      const TileRows<Tiles> rows = edge_tile(grid, codes, row0, tile);
      moves.pack({rows.data(), kTileRowBytes<Tiles>}, 1, out.data() + grid.tile_byte(row0, tile),
                 grid.stride());
    }
  }
}

template <class Tiles>
Status unpack_by_word(const TileGrid<Tiles>& grid, const FragmentMoves& moves, Bytes packed,
                      MutableBytes codes) {
  for (uint64_t row0 = 0; row0 < grid.box.padded_rows; row0 += Tiles::kTileN) {
    const uint64_t whole = grid.whole_tiles(row0);
    for (uint64_t tile = 0; tile < whole; tile += kStrip<Tiles>)
      moves.unpack(packed.data() + grid.tile_byte(row0, tile), grid.stride(),
                   std::min(kStrip<Tiles>, whole - tile),
                   {codes.data() + grid.code_byte(row0, tile), grid.pitch()});
    for (uint64_t tile = whole; tile < grid.tiles_k(); ++tile) {
      TileRows<Tiles> rows;
      moves.unpack(packed.data() + grid.tile_byte(row0, tile), grid.stride(), 1,
                   {rows.data(), kTileRowBytes<Tiles>});
      IMP_TRY(put_edge_tile(grid, rows, row0, tile, codes));
    }
  }
  return {};
}

[[maybe_unused]] bool sizes_fit(TileOrder order, const PaddedBox& box, uint64_t code_bytes,
                                uint64_t packed_bytes) {
  const uint32_t bits = with_tiles(order, [](auto tiles) { return decltype(tiles)::kBits; });
  const Runs runs = tile_runs(order, box.padded_rows, box.padded_columns);
  return box.rows <= box.padded_rows && box.columns <= box.padded_columns &&
         code_bytes == box.rows * code_pitch(bits, box.columns) &&
         packed_bytes == runs.count * runs.bytes;
}

}  // namespace

uint64_t tile_rows(TileOrder order) {
  return with_tiles(order, [](auto tiles) -> uint64_t { return decltype(tiles)::kTileN; });
}

Runs tile_runs(TileOrder order, uint64_t padded_rows, uint64_t padded_k) {
  return with_tiles(order, [&](auto tiles) -> Runs {
    using Tiles = decltype(tiles);
    assert(padded_rows % Tiles::kTileN == 0 && padded_k % Tiles::kTileK == 0);
    const uint64_t row_of_tiles = padded_rows / Tiles::kTileN * Tiles::kTileBytes;
    const uint64_t tiles_k = padded_k / Tiles::kTileK;
    if (Tiles::kWalk == layouts::TileWalk::kAlongK) return {1, row_of_tiles * tiles_k};
    return {tiles_k, row_of_tiles};
  });
}

void tiles_pack(TileOrder order, Bytes codes, const PaddedBox& box, Path path, MutableBytes out) {
  assert(sizes_fit(order, box, codes.size(), out.size()));
  with_tiles(order, [&](auto tiles) {
    using Tiles = decltype(tiles);
    if (path == Path::kWord)
      return pack_by_word(TileGrid<Tiles>(box), best_fragment_moves(order), codes, out);
    std::fill(out.begin(), out.end(), std::byte{0});
    scatter_codes(FragmentMap<Tiles>{box.padded_rows, box.padded_columns}, codes, box.rows,
                  box.columns, out);
  });
}

Status tiles_unpack(TileOrder order, Bytes packed, const PaddedBox& box, Path path,
                    MutableBytes codes) {
  assert(sizes_fit(order, box, codes.size(), packed.size()));
  return with_tiles(order, [&](auto tiles) -> Status {
    using Tiles = decltype(tiles);
    if (path == Path::kWord)
      return unpack_by_word(TileGrid<Tiles>(box), best_fragment_moves(order), packed, codes);
    return gather_codes(FragmentMap<Tiles>{box.padded_rows, box.padded_columns}, packed, box.rows,
                        box.columns, codes);
  });
}

}  // namespace imp::repack
