// Codes of 4 or 8 bits between canonical rows and blocks of 64 x 64: the map path through a code
// map of map_path.h, and the word path through a Tile, which moves one row of one block:
//
//   kBits, kBlockBytes
//   put_row(row, n, block)   64 canonical codes of row n (0..63) to their places
//   get_row(block, n, row)   back
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

/// Tiles moved before the next row: what they fill stays in the first-level cache.
inline constexpr uint64_t kStripOfTiles = 8;

/// One row of one block in canonical order.
template <uint32_t kBits>
using TileRow = std::array<std::byte, kTileCodes * kBits / 8>;

/// A canonical plane of codes, cut into rows of tiles.
template <class Byte, uint32_t kBits>
struct CodeRows {
  Byte* codes;
  uint64_t rows;
  uint64_t k;
  uint64_t tiles() const { return div_up(k, kTileCodes); }
  /// Columns of a tile inside the matrix, for a row of it; 0 for a row of the padding.
  uint64_t present(uint64_t row, uint64_t tile) const {
    return row < rows ? std::min(kTileCodes, k - tile * kTileCodes) : 0;
  }
  Byte* at(uint64_t row, uint64_t tile) const {
    return codes + row * code_pitch(kBits, k) + tile * sizeof(TileRow<kBits>);
  }
};

/// visit(row, tile) for every row of every block, padding included, a strip of blocks at a time.
template <class Visit>
void for_each_tile_row(uint64_t rows, uint64_t tiles, Visit visit) {
  for (uint64_t row0 = 0; row0 < rows; row0 += kTileCodes)
    for (uint64_t tile0 = 0; tile0 < tiles; tile0 += kStripOfTiles)
      for (uint64_t row = row0; row < row0 + kTileCodes; ++row)
        for (uint64_t tile = tile0; tile < std::min(tiles, tile0 + kStripOfTiles); ++tile)
          visit(row, tile);
}

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
  for_each_tile_row(rows, in.tiles(), [&](uint64_t row, uint64_t tile) {
    std::byte* block =
        blocks.data() + (row / kTileCodes * in.tiles() + tile) * uint64_t{Tile::kBlockBytes};
    const uint32_t n = static_cast<uint32_t>(row % kTileCodes);
    if (in.present(row, tile) == kTileCodes)
      Tile::put_row(in.at(row, tile), n, block);
    else
      Tile::put_row(ragged_row(in, row, tile).data(), n, block);
  });
}

/// Errors: kInverseMismatch.
template <class Tile>
Status unpack_code_tiles(Bytes blocks, uint64_t rows, uint64_t k, MutableBytes codes) {
  const CodeRows<std::byte, Tile::kBits> out{codes.data(), rows, k};
  Status status;
  for_each_tile_row(rows, out.tiles(), [&](uint64_t row, uint64_t tile) {
    const std::byte* block =
        blocks.data() + (row / kTileCodes * out.tiles() + tile) * uint64_t{Tile::kBlockBytes};
    const uint32_t n = static_cast<uint32_t>(row % kTileCodes);
    const uint64_t present = out.present(row, tile);
    if (present == kTileCodes) return Tile::get_row(block, n, out.at(row, tile));
    TileRow<Tile::kBits> copy;
    Tile::get_row(block, n, copy.data());
    const uint64_t code = first_code<Tile::kBits>(copy, present);
    if (code < kTileCodes && status.ok())
      status = padding_error(row, "column", tile * kTileCodes + code);
    if (present > 0) std::memcpy(out.at(row, tile), copy.data(), code_pitch(Tile::kBits, present));
  });
  return status;
}

}  // namespace imp::repack
