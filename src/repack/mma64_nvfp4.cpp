// mma64 NVFP4, the word path: whole tiles straight between planes and blocks, ragged ones through a
// tile-sized copy, so that nothing past the given rows is read or written.
#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "src/base/checked.h"
#include "src/repack/mma64_groups.h"
#include "src/repack/mma64_map.h"
#include "src/repack/mma64_words.h"
#include "src/repack/nvfp4.h"

namespace imp::repack {
namespace mma64 {
namespace {

using layouts::mma64_nvfp4::kBlockBytes;
using layouts::mma64_nvfp4::kGroup;
using layouts::mma64_nvfp4::kTileK;
using layouts::mma64_nvfp4::kTileN;
using layouts::mma64_nvfp4::scale_byte_of_src;
using layouts::mma64_nvfp4::word_of_src;

/// Tiles moved together: 512 bytes of each row, 36 KiB of blocks; more leaves the first-level
/// cache.
constexpr uint64_t kStripTiles = 16;

/// A tile of its own, for the ragged edges.
struct Tile {
  std::array<std::byte, kTileN * kRowCodeBytes> codes{};
  std::array<std::byte, kTileN * kRowScaleBytes> scales{};
};

/// One n-tile of a matrix: its canonical planes and its blocks.
template <class Byte>
struct RowTile {
  Plane<Byte> codes;
  Plane<Byte> scales;
  uint64_t row0;  ///< of the matrix
  uint64_t rows;  ///< 1..64
  uint64_t groups;
  uint64_t whole_tiles() const { return rows == kTileN ? groups / kRowScaleBytes : 0; }
  uint64_t tiles() const { return div_up(groups, kRowScaleBytes); }
};

template <class Byte>
RowTile<Byte> row_tile(Byte* codes, Byte* scales, uint64_t rows, uint64_t k, uint64_t row0) {
  const uint64_t groups = k / kGroup;
  return {{codes + row0 * (k / 2), k / 2},
          {scales + row0 * groups, groups},
          row0,
          std::min<uint64_t>(kTileN, rows - row0),
          groups};
}

template <class Byte>
Plane<Byte> from_tile(Plane<Byte> plane, uint64_t tile, uint64_t row_bytes) {
  return {plane.at + tile * row_bytes, plane.pitch_bytes};
}

void pack_ragged(const WordMoves& moves, const RowTile<const std::byte>& in, uint64_t tile,
                 std::byte* block) {
  Tile copy;
  const uint64_t groups = std::min<uint64_t>(kRowScaleBytes, in.groups - tile * kRowScaleBytes);
  for (uint64_t n = 0; n < in.rows; ++n) {
    std::memcpy(&copy.codes[n * kRowCodeBytes], in.codes.row(n) + tile * kRowCodeBytes,
                groups * kGroupCodeBytes);
    std::memcpy(&copy.scales[n * kRowScaleBytes], in.scales.row(n) + tile * kRowScaleBytes, groups);
  }
  moves.pack_codes({copy.codes.data(), kRowCodeBytes}, 1, block, kBlockBytes);
  moves.pack_scales({copy.scales.data(), kRowScaleBytes}, 1, block);
}

void pack_row_tile(const WordMoves& moves, const RowTile<const std::byte>& in, std::byte* blocks) {
  uint64_t tile = 0;
  for (uint64_t count; tile < in.whole_tiles(); tile += count) {
    count = std::min(kStripTiles, in.whole_tiles() - tile);
    std::byte* out = blocks + tile * kBlockBytes;
    moves.pack_codes(from_tile(in.codes, tile, kRowCodeBytes), count, out, kBlockBytes);
    moves.pack_scales(from_tile(in.scales, tile, kRowScaleBytes), count, out);
  }
  for (; tile < in.tiles(); ++tile) pack_ragged(moves, in, tile, blocks + tile * kBlockBytes);
}

/// True if one of the eight bytes is +0 or -0 as an E4M3 number.
bool any_zero_scale(uint64_t eight) {
  const uint64_t magnitudes = eight & 0x7F7F7F7F7F7F7F7Full;
  // Adding 0x7F sets the upper bit of each byte but a zero; nothing carries.
  return ((magnitudes + 0x7F7F7F7F7F7F7F7Full) & 0x8080808080808080ull) != 0x8080808080808080ull;
}

/// Groups under a zero scale: clear their codes in the block, record those that lose bits.
void clear_zero_groups(const Nvfp4Rows& in, uint64_t first_row,
                       const RowTile<const std::byte>& tile, std::byte* blocks,
                       std::vector<LostGroup>& lost) {
  for (uint64_t n = 0; n < tile.rows; ++n) {
    const std::byte* scales = tile.scales.row(n);
    for (uint64_t group = 0; group < tile.groups;) {
      if (tile.groups - group >= 8 && !any_zero_scale(load_le<uint64_t>(scales + group))) {
        group += 8;
        continue;
      }
      const uint64_t end = std::min(tile.groups, group + 8);
      for (; group < end; ++group) {
        if (!is_zero_scale(scales[group])) continue;
        const uint32_t c = static_cast<uint32_t>(group % kRowScaleBytes);
        std::byte* block = blocks + group / kRowScaleBytes * kBlockBytes;
        std::memset(block + 4 * word_of_src(static_cast<uint32_t>(n), 2 * c), 0, kGroupCodeBytes);
        record_if_lost(in, first_row, tile.row0 + n, group, lost);
      }
    }
  }
}

/// Every group of block `tile`: encodings, zero groups and padding.
Status check_block(const RowTile<std::byte>& out, uint64_t tile, const std::byte* block) {
  for (uint32_t n = 0; n < kTileN; ++n)
    for (uint32_t c = 0; c < kRowScaleBytes; ++c) {
      const uint64_t group = tile * kRowScaleBytes + c;
      const bool has_codes = load_le<uint64_t>(block + 4 * word_of_src(n, 2 * c)) != 0;
      IMP_TRY(check_group(out.row0 + n, group, n < out.rows && group < out.groups,
                          std::to_integer<uint8_t>(block[scale_byte_of_src(n, c)]), has_codes));
    }
  return {};
}

void unpack_ragged(const WordMoves& moves, const std::byte* block, uint64_t tile,
                   const RowTile<std::byte>& out) {
  Tile copy;
  moves.unpack_codes(block, kBlockBytes, 1, {copy.codes.data(), kRowCodeBytes});
  moves.unpack_scales(block, 1, {copy.scales.data(), kRowScaleBytes});
  const uint64_t groups = std::min<uint64_t>(kRowScaleBytes, out.groups - tile * kRowScaleBytes);
  for (uint64_t n = 0; n < out.rows; ++n) {
    std::memcpy(out.codes.row(n) + tile * kRowCodeBytes, &copy.codes[n * kRowCodeBytes],
                groups * kGroupCodeBytes);
    std::memcpy(out.scales.row(n) + tile * kRowScaleBytes, &copy.scales[n * kRowScaleBytes],
                groups);
  }
}

Status unpack_row_tile(const WordMoves& moves, const std::byte* blocks,
                       const RowTile<std::byte>& out) {
  uint64_t tile = 0;
  for (uint64_t count; tile < out.whole_tiles(); tile += count) {
    count = std::min(kStripTiles, out.whole_tiles() - tile);
    const std::byte* in = blocks + tile * kBlockBytes;
    for (uint64_t i = 0; i < count; ++i)
      if (!all_scales_normal(in + i * kBlockBytes))
        IMP_TRY(check_block(out, tile + i, in + i * kBlockBytes));
    moves.unpack_codes(in, kBlockBytes, count, from_tile(out.codes, tile, kRowCodeBytes));
    moves.unpack_scales(in, count, from_tile(out.scales, tile, kRowScaleBytes));
  }
  for (; tile < out.tiles(); ++tile) {
    const std::byte* block = blocks + tile * kBlockBytes;
    IMP_TRY(check_block(out, tile, block));
    unpack_ragged(moves, block, tile, out);
  }
  return {};
}

}  // namespace
}  // namespace mma64

uint64_t mma64_nvfp4_bytes(uint64_t rows, uint64_t k) {
  using namespace layouts::mma64_nvfp4;
  return div_up(rows, kTileN) * div_up(k, kTileK) * kBlockBytes;
}

void mma64_nvfp4_pack(const Nvfp4Rows& in, uint64_t first_row, Path path, MutableBytes out,
                      std::vector<LostGroup>& lost) {
  using namespace layouts::mma64_nvfp4;
  assert(in.k % kGroup == 0 && in.codes.size() == in.rows * (in.k / 2));
  assert(in.scales.size() == in.rows * (in.k / kGroup));
  assert(out.size() == mma64_nvfp4_bytes(in.rows, in.k));
  if (path == Path::kMap) return mma64::pack_by_map(in, first_row, out, lost);
  for (uint64_t row0 = 0; row0 < in.rows; row0 += kTileN) {
    const auto tile = mma64::row_tile(in.codes.data(), in.scales.data(), in.rows, in.k, row0);
    std::byte* blocks = out.data() + row0 / kTileN * tile.tiles() * kBlockBytes;
    mma64::pack_row_tile(mma64::best_moves(), tile, blocks);
    mma64::clear_zero_groups(in, first_row, tile, blocks, lost);
  }
}

Status mma64_nvfp4_unpack(Bytes packed, uint64_t rows, uint64_t k, Path path, MutableBytes codes,
                          MutableBytes scales) {
  using namespace layouts::mma64_nvfp4;
  assert(k % kGroup == 0 && codes.size() == rows * (k / 2));
  assert(scales.size() == rows * (k / kGroup));
  assert(packed.size() == mma64_nvfp4_bytes(rows, k));
  if (path == Path::kMap) return mma64::unpack_by_map(packed, rows, k, codes, scales);
  for (uint64_t row0 = 0; row0 < rows; row0 += kTileN) {
    const auto tile = mma64::row_tile(codes.data(), scales.data(), rows, k, row0);
    const std::byte* blocks = packed.data() + row0 / kTileN * tile.tiles() * kBlockBytes;
    IMP_TRY(mma64::unpack_row_tile(mma64::best_moves(), blocks, tile));
  }
  return {};
}

}  // namespace imp::repack
