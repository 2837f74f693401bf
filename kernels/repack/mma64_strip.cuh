// How one thread block cuts an mma64 matrix: 64 rows x 8 k-tiles, that is whole sectors of every
// row (256 bytes of codes, 32 of scales) and one run of 18 KiB of blocks.
#pragma once

#include <cstdint>

#include "kernels/repack/four_bytes.h"
#include "kernels/repack/mma64_words.h"

namespace imp::kernels::mma64 {

inline constexpr uint32_t kStripTiles = 8;
inline constexpr uint32_t kThreads = 256;
inline constexpr uint32_t kWarps = kThreads / kLanes;
/// A warp has one pair of 8-row runs in this many neighbouring tiles.
inline constexpr uint32_t kWarpTiles = kPairs * kStripTiles / kWarps;
/// Bytes between the scales of tiles in shared memory: 8 more than needed, so that the eight tiles
/// of a row lie in different banks.
inline constexpr uint32_t kScaleStride = kBlockBytes - kCodeBytes + 8;
/// Words of scales (one row of one tile) that a thread moves.
inline constexpr uint32_t kScaleRounds = kTileN * kStripTiles / kThreads;
static_assert(kWarps == kStripTiles && kWarpTiles == 4 && kScaleRounds == 2);

struct Matrix {
  uint64_t rows;
  uint64_t groups;   ///< K/16
  uint64_t k_tiles;  ///< ceil(K/64)
  uint32_t strips;   ///< ceil(k_tiles/8)

  static Matrix of(uint64_t rows, uint64_t k) {
    const uint64_t k_tiles = (k + kTileK - 1) / kTileK;
    return {rows, k / kGroup, k_tiles,
            static_cast<uint32_t>((k_tiles + kStripTiles - 1) / kStripTiles)};
  }
  uint32_t blocks_of_threads() const {
    return static_cast<uint32_t>((rows + kTileN - 1) / kTileN * strips);
  }
  IMP_HD bool inside(uint64_t row, uint64_t group) const { return row < rows && group < groups; }
  /// True if rows of scales begin at multiples of 4 bytes.
  IMP_HD bool has_aligned_scales() const { return groups % kTileGroups == 0; }
  /// Scales among the four from `group` on that are none of the padding.
  IMP_HD uint32_t scales_inside(uint64_t row, uint64_t group) const {
    return row < rows ? bytes_inside(group, groups) : 0;
  }
};

/// This thread block's place and this thread's share.
struct Strip {
  uint64_t row0;    ///< of the n-tile
  uint64_t tile0;   ///< first k-tile
  uint64_t block0;  ///< byte of the first block
  uint32_t lane;
  uint32_t warp;

  __device__ static Strip of(const Matrix& matrix) {
    const uint64_t n_tile = blockIdx.x / matrix.strips;
    const uint64_t tile0 = static_cast<uint64_t>(blockIdx.x % matrix.strips) * kStripTiles;
    return {n_tile * kTileN, tile0, (n_tile * matrix.k_tiles + tile0) * kBlockBytes,
            threadIdx.x % kLanes, threadIdx.x / kLanes};
  }
  /// True if nothing of the strip is padding: such strips need no look at rows and groups.
  __device__ bool whole(const Matrix& matrix) const {
    return row0 + kTileN <= matrix.rows && (tile0 + kStripTiles) * kTileGroups <= matrix.groups;
  }
  /// This warp's vectors of blocks: one pair in kWarpTiles tiles from this one of the strip on.
  __device__ uint32_t pair() const { return warp % kPairs; }
  __device__ uint32_t first_tile() const { return warp / kPairs * kWarpTiles; }
  /// First row of this thread's vectors, and group of the first of them, counted in the matrix.
  __device__ uint64_t row() const { return row0 + row_of_vector(pair(), lane); }
  __device__ uint64_t group() const {
    return (tile0 + first_tile()) * kTileGroups + group_of_lane(lane);
  }
  /// Byte of this thread's first vector in the blocks; the next ones follow at kBlockBytes.
  __device__ uint64_t vector() const {
    return block0 + first_tile() * kBlockBytes + vector_byte(pair(), lane);
  }
  /// Byte, in scales staged in shared memory, of the scale of this thread's first vector; its
  /// second row's follows (j even, j odd), the next tile's lies kScaleStride on.
  __device__ uint32_t staged_scale() const {
    return first_tile() * kScaleStride +
           scale_byte(row_of_vector(pair(), lane), group_of_lane(lane));
  }
  /// Which word of scales this thread has: eight tiles of four rows a warp.
  __device__ uint32_t row_of_scales(uint32_t round) const {
    return lane / kStripTiles + 4 * (warp + kWarps * round);
  }
  __device__ uint32_t tile_of_scales() const { return lane % kStripTiles; }
};

}  // namespace imp::kernels::mma64
