// Block scales to 128x4 tiles, and back. A thread block has 128 rows x 16 group tiles: 64 bytes of
// every row, one run of 8 KiB of tiles, turned in shared memory.
#include "kernels/layouts/sf128x4.h"
#include "kernels/repack/checks.h"
#include "kernels/repack/device.cuh"
#include "kernels/repack/four_bytes.h"
#include "kernels/repack/repack.h"

namespace imp::kernels {
namespace sf128x4 {
namespace {

using layouts::sf128x4::byte_of_src;
using layouts::sf128x4::kTileBytes;
using layouts::sf128x4::kTileGroups;
using layouts::sf128x4::kTileRows;

constexpr uint32_t kLanes = 32, kThreads = 256, kWarps = kThreads / kLanes;
constexpr uint32_t kStripTiles = 16;
constexpr uint32_t kStripGroups = kStripTiles * kTileGroups;
constexpr uint32_t kTileWords = kTileBytes / 4;
/// Words between tiles in shared memory: 4 more than needed, so that neighbouring tiles lie in
/// different banks and vectors of 16 bytes stay aligned.
constexpr uint32_t kTileStride = kTileWords + 4;
constexpr uint32_t kTileHalves = kStripTiles / 8, kRowRounds = kTileRows / 32;

struct Matrix {
  uint64_t rows;
  uint64_t groups;
  uint64_t tiles;   ///< of a row tile: ceil(groups/4)
  uint32_t strips;  ///< ceil(tiles/16)

  static Matrix of(uint64_t rows, uint64_t groups) {
    const uint64_t tiles = layouts::sf128x4::group_tiles(groups);
    return {rows, groups, tiles, static_cast<uint32_t>((tiles + kStripTiles - 1) / kStripTiles)};
  }
  uint32_t blocks_of_threads() const {
    return static_cast<uint32_t>((rows + kTileRows - 1) / kTileRows * strips);
  }
  /// True if rows begin at multiples of 4 bytes.
  __device__ bool has_aligned_rows() const { return groups % kTileGroups == 0; }
  /// Bytes of the four from `group` on that are scales, not padding.
  __device__ uint32_t inside(uint64_t row, uint64_t group) const {
    return row < rows ? bytes_inside(group, groups) : 0;
  }
};

struct Strip {
  uint64_t row0;
  uint64_t tile0;  ///< first group tile
  uint64_t byte0;  ///< of the packed tiles
  uint32_t lane;
  uint32_t warp;

  __device__ static Strip of(const Matrix& matrix) {
    const uint64_t row_tile = blockIdx.x / matrix.strips;
    const uint64_t tile0 = static_cast<uint64_t>(blockIdx.x % matrix.strips) * kStripTiles;
    return {row_tile * kTileRows, tile0, (row_tile * matrix.tiles + tile0) * kTileBytes,
            threadIdx.x % kLanes, threadIdx.x / kLanes};
  }
  /// True if nothing of the strip is padding.
  __device__ bool whole(const Matrix& matrix) const {
    return row0 + kTileRows <= matrix.rows && (tile0 + kStripTiles) * kTileGroups <= matrix.groups;
  }
};

/// The word (four groups of a row) that a thread moves in a round. A warp has eight tiles of rows
/// r, r + 32, r + 64, r + 96: whole sectors, and 32 different banks of shared memory.
struct WordPlace {
  uint32_t row;
  uint32_t tile;
  __device__ static WordPlace of(const Strip& strip, uint32_t half, uint32_t round) {
    return {strip.warp + kWarps * round + 32 * (strip.lane / 8), strip.lane % 8 + 8 * half};
  }
  __device__ uint32_t shared_word() const { return tile * kTileStride + byte_of_src(row, 0) / 4; }
};

/// The strip's words into `tiles`. kWords: each is one aligned word, none is padding.
template <bool kWords>
__device__ void stage_words(const Matrix& matrix, const Strip& strip, const BytePlane& scales,
                            uint32_t* tiles) {
  uint32_t words[kTileHalves][kRowRounds];
#pragma unroll
  for (uint32_t half = 0; half < kTileHalves; ++half)
#pragma unroll
    for (uint32_t round = 0; round < kRowRounds; ++round) {
      const WordPlace at = WordPlace::of(strip, half, round);
      const uint64_t row = strip.row0 + at.row;
      const uint64_t group = (strip.tile0 + at.tile) * kTileGroups;
      const uint64_t offset = row * matrix.groups + group;
      words[half][round] = kWords ? aligned_word(scales.at + offset)
                                  : load_bytes(scales, offset, matrix.inside(row, group));
    }
#pragma unroll
  for (uint32_t half = 0; half < kTileHalves; ++half)
#pragma unroll
    for (uint32_t round = 0; round < kRowRounds; ++round)
      tiles[WordPlace::of(strip, half, round).shared_word()] = words[half][round];
}

__global__ void __launch_bounds__(kThreads)
    pack_words(Matrix matrix, BytePlane scales, uint8_t* packed) {
  __shared__ __align__(16) uint32_t tiles[kStripTiles * kTileStride];
  const Strip strip = Strip::of(matrix);
  if (matrix.has_aligned_rows() && strip.whole(matrix))
    stage_words<true>(matrix, strip, scales, tiles);
  else
    stage_words<false>(matrix, strip, scales, tiles);
  __syncthreads();
  for (uint32_t tile = strip.warp; tile < kStripTiles; tile += kWarps)
    if (strip.tile0 + tile < matrix.tiles)
      *reinterpret_cast<uint4*>(packed + strip.byte0 + tile * kTileBytes + 16 * strip.lane) =
          *reinterpret_cast<const uint4*>(tiles + tile * kTileStride + 4 * strip.lane);
}

/// Padding in the word of (row, tile) that is not zero.
__device__ void check_padding(const Matrix& matrix, const Strip& strip, uint32_t tile, uint32_t row,
                              uint32_t word, uint64_t* first_wrong) {
  const uint32_t inside = matrix.inside(strip.row0 + row, (strip.tile0 + tile) * kTileGroups);
  if (inside == 4) return;
  const uint32_t padding = word >> (8 * inside) << (8 * inside);
  if (padding == 0) return;
  const uint32_t byte = (__ffs(static_cast<int>(padding)) - 1) / 8;
  report_wrong(first_wrong, strip.byte0 + tile * kTileBytes + byte_of_src(row, byte));
}

__device__ void stage_tiles(const Matrix& matrix, const Strip& strip, const uint8_t* packed,
                            uint32_t* tiles, uint64_t* first_wrong) {
  for (uint32_t tile = strip.warp; tile < kStripTiles; tile += kWarps) {
    if (strip.tile0 + tile >= matrix.tiles) continue;
    const uint4 in = __ldg(
        reinterpret_cast<const uint4*>(packed + strip.byte0 + tile * kTileBytes + 16 * strip.lane));
    *reinterpret_cast<uint4*>(tiles + tile * kTileStride + 4 * strip.lane) = in;
    check_padding(matrix, strip, tile, strip.lane, in.x, first_wrong);
    check_padding(matrix, strip, tile, strip.lane + 32, in.y, first_wrong);
    check_padding(matrix, strip, tile, strip.lane + 64, in.z, first_wrong);
    check_padding(matrix, strip, tile, strip.lane + 96, in.w, first_wrong);
  }
}

/// Rows whose pitch is a multiple of 4 take whole words.
__device__ void store_words(const Matrix& matrix, const Strip& strip, const uint32_t* tiles,
                            uint8_t* scales) {
#pragma unroll
  for (uint32_t half = 0; half < kTileHalves; ++half)
#pragma unroll
    for (uint32_t round = 0; round < kRowRounds; ++round) {
      const WordPlace at = WordPlace::of(strip, half, round);
      const uint64_t row = strip.row0 + at.row;
      const uint64_t group = (strip.tile0 + at.tile) * kTileGroups;
      if (matrix.inside(row, group) != 0)
        store_bytes(scales, row * matrix.groups + group, 4, tiles[at.shared_word()]);
    }
}

/// Other rows take bytes; neighbouring lanes write neighbours.
__device__ void store_single_bytes(const Matrix& matrix, const Strip& strip, const uint32_t* tiles,
                                   uint8_t* scales) {
  for (uint32_t row = strip.warp; row < kTileRows; row += kWarps)
    for (uint32_t column = strip.lane; column < kStripGroups; column += kLanes) {
      const uint64_t group = strip.tile0 * kTileGroups + column;
      if (strip.row0 + row >= matrix.rows || group >= matrix.groups) continue;
      const uint32_t word = tiles[column / kTileGroups * kTileStride + byte_of_src(row, 0) / 4];
      scales[(strip.row0 + row) * matrix.groups + group] =
          static_cast<uint8_t>(word >> (8 * (column % kTileGroups)));
    }
}

__global__ void __launch_bounds__(kThreads)
    unpack_words(Matrix matrix, const uint8_t* packed, uint8_t* scales, uint64_t* first_wrong) {
  __shared__ __align__(16) uint32_t tiles[kStripTiles * kTileStride];
  const Strip strip = Strip::of(matrix);
  stage_tiles(matrix, strip, packed, tiles, first_wrong);
  __syncthreads();
  if (matrix.has_aligned_rows())
    store_words(matrix, strip, tiles, scales);
  else
    store_single_bytes(matrix, strip, tiles, scales);
}

Status check_groups(uint64_t groups) {
  if (groups != 0) return {};
  return bad_repack("0 groups a row");
}

}  // namespace
}  // namespace sf128x4

Status pack_sf128x4(const void* scales, uint64_t rows, uint64_t groups, RepackPath path,
                    void* packed, cuda::StreamHandle stream) {
  using namespace sf128x4;
  IMP_TRY(check_groups(groups));
  if (rows == 0) return {};
  IMP_TRY(check_aligned("scales", scales, 16));
  IMP_TRY(check_aligned("packed", packed, 16));
  const auto* in = static_cast<const uint8_t*>(scales);
  if (path == RepackPath::kMap)
    return launch_write(map::Sf128x4Packed{in, rows, groups},
                        layouts::sf128x4::size_bytes(rows, groups), packed, stream);
  const Matrix matrix = Matrix::of(rows, groups);
  pack_words<<<matrix.blocks_of_threads(), kThreads, 0, stream>>>(
      matrix, BytePlane{in, rows * groups}, static_cast<uint8_t*>(packed));
  return launched("pack to sf128x4");
}

Status unpack_sf128x4(const void* packed, uint64_t rows, uint64_t groups, RepackPath path,
                      void* scales, uint64_t* first_wrong, cuda::StreamHandle stream) {
  using namespace sf128x4;
  IMP_TRY(check_groups(groups));
  if (rows == 0) return {};
  IMP_TRY(check_aligned("packed", packed, 16));
  IMP_TRY(check_aligned("scales", scales, 16));
  IMP_TRY(check_aligned("first wrong place", first_wrong, 8));
  const auto* in = static_cast<const uint8_t*>(packed);
  if (path == RepackPath::kMap) {
    IMP_TRY(launch_write(map::Sf128x4Scales{in, groups}, rows * groups, scales, stream));
    return launch_find_wrong(map::Sf128x4Wrong{in, rows, groups},
                             layouts::sf128x4::size_bytes(rows, groups), first_wrong, stream);
  }
  const Matrix matrix = Matrix::of(rows, groups);
  unpack_words<<<matrix.blocks_of_threads(), kThreads, 0, stream>>>(
      matrix, in, static_cast<uint8_t*>(scales), first_wrong);
  return launched("unpack from sf128x4");
}

}  // namespace imp::kernels
