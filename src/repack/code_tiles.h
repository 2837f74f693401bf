// Codes of 4 or 8 bits between canonical rows and blocks of 64 x 64: the map path through a code
// map of map_path.h, and the word path through a Tile:
//
//   kBits, kBlockBytes
//   put_row(row, n, block)              64 canonical codes of row n (0..63) to their places
//   get_row(block, n, row)              back
//   pack_tiles(rows, tiles, blocks)     the same for 64 rows of `tiles` neighbouring blocks
//   unpack_tiles(blocks, tiles, rows)   back
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "src/base/checked.h"
#include "src/base/file.h"
#include "src/base/result.h"
#include "src/repack/map_path.h"
#include "src/repack/mma64_words.h"
#include "src/repack/padding.h"

namespace imp::repack {

/// Bytes of a canonical row.
constexpr uint64_t code_pitch(uint32_t bits, uint64_t k) { return bits == 4 ? div_up(k, 2) : k; }

/// REQUIRES: `out` is zero.
template <class CodeMap>
void scatter_codes(const CodeMap& map, Bytes codes, uint64_t rows, uint64_t k, MutableBytes out) {
  const uint64_t pitch = code_pitch(CodeMap::kBits, k);
  for (uint64_t row = 0; row < rows; ++row)
    for (uint64_t column = 0; column < k; ++column)
      scatter_code(map, row, column, canonical_code<CodeMap::kBits>(codes, pitch, row, column),
                   out);
}

/// The inverse, over the padded box. Errors: kInverseMismatch.
template <class CodeMap>
Status gather_codes(const CodeMap& map, Bytes packed, uint64_t rows, uint64_t k,
                    MutableBytes codes) {
  const uint64_t pitch = code_pitch(CodeMap::kBits, k);
  std::fill(codes.begin(), codes.end(), std::byte{0});
  for (uint64_t row = 0; row < map.padded_rows; ++row)
    for (uint64_t column = 0; column < map.padded_k; ++column) {
      const uint32_t code = gather_code(map, row, column, packed);
      if (row < rows && column < k)
        put_canonical_code<CodeMap::kBits>(code, pitch, row, column, codes);
      else if (code != 0)
        return padding_error(row, "column", column);
    }
  return {};
}

inline constexpr uint64_t kTileCodes = 64;  ///< rows and columns of a block

/// Tiles moved together: what they fill stays in the first-level cache.
inline constexpr uint64_t kStripOfTiles = 8;

/// pack_tiles and unpack_tiles of a Tile that moves row by row.
template <class Tile>
struct RowByRow {
  static void pack_tiles(mma64::ConstPlane rows, uint64_t tiles, std::byte* blocks) {
    for (uint32_t n = 0; n < kTileCodes; ++n)
      for (uint64_t tile = 0; tile < tiles; ++tile)
        Tile::put_row(rows.row(n) + tile * (kTileCodes * Tile::kBits / 8), n,
                      blocks + tile * uint64_t{Tile::kBlockBytes});
  }
  static void unpack_tiles(const std::byte* blocks, uint64_t tiles, mma64::MutablePlane rows) {
    for (uint32_t n = 0; n < kTileCodes; ++n)
      for (uint64_t tile = 0; tile < tiles; ++tile)
        Tile::get_row(blocks + tile * uint64_t{Tile::kBlockBytes}, n,
                      rows.row(n) + tile * (kTileCodes * Tile::kBits / 8));
  }
};

/// One row of one block in canonical order.
template <uint32_t kBits>
using TileRow = std::array<std::byte, kTileCodes * kBits / 8>;

/// A canonical plane of codes, cut into tiles.
template <class Byte, uint32_t kBits>
struct CodeRows {
  Byte* codes;
  uint64_t rows;
  uint64_t k;
  uint64_t pitch() const { return code_pitch(kBits, k); }
  uint64_t tiles() const { return div_up(k, kTileCodes); }
  /// Leading tiles of the row of tiles at `row0` that hold no padding.
  uint64_t whole_tiles(uint64_t row0) const {
    return rows - row0 >= kTileCodes ? k / kTileCodes : 0;
  }
  /// Columns of a tile inside the matrix, for a row of it; 0 for a row of the padding.
  uint64_t present(uint64_t row, uint64_t tile) const {
    return row < rows ? std::min(kTileCodes, k - tile * kTileCodes) : 0;
  }
  Byte* at(uint64_t row, uint64_t tile) const {
    return codes + row * pitch() + tile * sizeof(TileRow<kBits>);
  }
};

/// The codes of a row that ends inside the tile, zeros behind them.
template <uint32_t kBits>
TileRow<kBits> ragged_row(const CodeRows<const std::byte, kBits>& in, uint64_t row, uint64_t tile) {
  TileRow<kBits> copy{};
  const uint64_t present = in.present(row, tile);
  if (present == 0) return copy;
  std::memcpy(copy.data(), in.at(row, tile), code_pitch(kBits, present));
  if (present * kBits % 8 != 0) copy[present * kBits / 8] &= std::byte{(1u << kBits) - 1};
  return copy;
}

/// First code at or past `from` that is not zero; kTileCodes if there is none.
template <uint32_t kBits>
uint64_t first_code(const TileRow<kBits>& row, uint64_t from) {
  while (from < kTileCodes && canonical_code<kBits>(row, 0, 0, from) == 0) ++from;
  return from;
}

/// Writes the codes of every block; other bytes of a block are left as they are.
template <class Tile>
void pack_code_tiles(Bytes codes, uint64_t rows, uint64_t k, MutableBytes blocks) {
  const CodeRows<const std::byte, Tile::kBits> in{codes.data(), rows, k};
  std::byte* block = blocks.data();
  for (uint64_t row0 = 0; row0 < rows; row0 += kTileCodes) {
    uint64_t tile = 0;
    for (uint64_t count; tile < in.whole_tiles(row0); tile += count) {
      count = std::min(kStripOfTiles, in.whole_tiles(row0) - tile);
      Tile::pack_tiles({in.at(row0, tile), in.pitch()}, count, block);
      block += count * Tile::kBlockBytes;
    }
    for (; tile < in.tiles(); ++tile, block += Tile::kBlockBytes)
      for (uint32_t n = 0; n < kTileCodes; ++n)
        Tile::put_row(ragged_row(in, row0 + n, tile).data(), n, block);
  }
}

template <class Tile>
Status unpack_ragged_tile(const std::byte* block, uint64_t row0, uint64_t tile,
                          const CodeRows<std::byte, Tile::kBits>& out) {
  for (uint32_t n = 0; n < kTileCodes; ++n) {
    const uint64_t present = out.present(row0 + n, tile);
    TileRow<Tile::kBits> copy;
    Tile::get_row(block, n, copy.data());
    const uint64_t code = first_code<Tile::kBits>(copy, present);
    if (code < kTileCodes) return padding_error(row0 + n, "column", tile * kTileCodes + code);
    if (present > 0)
      std::memcpy(out.at(row0 + n, tile), copy.data(), code_pitch(Tile::kBits, present));
  }
  return {};
}

/// Errors: kInverseMismatch.
template <class Tile>
Status unpack_code_tiles(Bytes blocks, uint64_t rows, uint64_t k, MutableBytes codes) {
  const CodeRows<std::byte, Tile::kBits> out{codes.data(), rows, k};
  const std::byte* block = blocks.data();
  for (uint64_t row0 = 0; row0 < rows; row0 += kTileCodes) {
    uint64_t tile = 0;
    for (uint64_t count; tile < out.whole_tiles(row0); tile += count) {
      count = std::min(kStripOfTiles, out.whole_tiles(row0) - tile);
      Tile::unpack_tiles(block, count, {out.at(row0, tile), out.pitch()});
      block += count * Tile::kBlockBytes;
    }
    for (; tile < out.tiles(); ++tile, block += Tile::kBlockBytes)
      IMP_TRY(unpack_ragged_tile<Tile>(block, row0, tile, out));
  }
  return {};
}

}  // namespace imp::repack
