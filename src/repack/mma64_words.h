// Word-level moves between canonical rows and the mma64 blocks of 4-bit floats, whole tiles only:
// 32-bit words and runs of 64 bytes instead of the index map's bits, for `tiles` neighbouring
// blocks of one n-tile at once, so that a row is read and written in whole cache lines. Every set
// of moves gives the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/layouts/mma64_nvfp4.h"

namespace imp::repack::mma64 {

/// Bytes of codes and of scales that one row has in a tile.
inline constexpr uint32_t kRowCodeBytes = layouts::mma64_nvfp4::kTileK / 2;
inline constexpr uint32_t kRowScaleBytes =
    layouts::mma64_nvfp4::kTileK / layouts::mma64_nvfp4::kGroup;

/// Rows n and n + 8 share runs of 64 bytes.
inline constexpr uint32_t kPairDistance = 8;
/// Next n that begins such a pair: 0..7, 16..23, ..; ends at or past kTileN.
constexpr uint32_t next_pair(uint32_t n) { return n + (n % kPairDistance == 7 ? 9 : 1); }

/// First byte of a tile in a canonical plane, and the distance of its rows.
template <class Byte>
struct Plane {
  Byte* at;
  uint64_t pitch_bytes;
  Byte* row(uint64_t n) const { return at + n * pitch_bytes; }
};
using ConstPlane = Plane<const std::byte>;
using MutablePlane = Plane<std::byte>;

/// Codes are 64 rows x (64 * tiles) columns, scales 64 rows x (4 * tiles) groups; `blocks` are
/// `tiles` consecutive blocks, of which each function writes or reads the code or the scale part.
/// Codes begin each block, whatever its size; scales are those of NVFP4.
struct WordMoves {
  void (*pack_codes)(ConstPlane rows, uint64_t tiles, std::byte* blocks, uint64_t block_bytes);
  void (*pack_scales)(ConstPlane rows, uint64_t tiles, std::byte* blocks);
  void (*unpack_codes)(const std::byte* blocks, uint64_t block_bytes, uint64_t tiles,
                       MutablePlane rows);
  /// REQUIRES: every stored byte is an encoding.
  void (*unpack_scales)(const std::byte* blocks, uint64_t tiles, MutablePlane rows);
};

const WordMoves& portable_moves();
/// nullptr where this CPU or build has no AVX2.
const WordMoves* avx2_moves();
const WordMoves& best_moves();

/// True if every scale of a block is the encoding of a normal e4m3 number, so that nothing in the
/// block can be wrong but padding.
bool all_scales_normal(const std::byte* block);

}  // namespace imp::repack::mma64
