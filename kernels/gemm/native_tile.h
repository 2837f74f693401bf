// Addresses of the native kernel, for host and device: what is copied into a stage of shared
// memory, where a lane reads it, which element an accumulator is.
//
// A stage holds 128 columns of K: rows of 64 bytes of X and of W, and for each of the two MMA steps
// (64 columns) the 512-byte scale tile that the rows of X and of W lie in. Chunks are 16 bytes, 32
// codes. Chunk c of row r lies at chunk c ^ (r/2 % 4) of the row: eight rows that ldmatrix reads
// at one c then take the eight chunks of 128 bytes, so that no two meet in a bank.
//
// Fragments: kernel-layouts 1.1 (m16n8k64) and 8.4; PTX ISA, "Matrix Fragments for mma.m16n8k64"
// and "Block scaling for mma.sync" (selectors of byte and thread 0: lane 4g has the scales of row
// or column g, lane 4g + 1 those of row g + 8).
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define IMP_NATIVE_HD __host__ __device__
#else
#define IMP_NATIVE_HD
#endif

namespace imp::kernels::native {

inline constexpr uint32_t kTileK = 128;
inline constexpr uint32_t kStepK = 64;
inline constexpr uint32_t kSteps = kTileK / kStepK;
inline constexpr uint32_t kChunkBytes = 16;
inline constexpr uint32_t kRowChunks = 4;
inline constexpr uint32_t kRowBytes = kRowChunks * kChunkBytes;
inline constexpr uint32_t kScaleTileBytes = 512;
inline constexpr uint32_t kScaleTileRows = 128;
inline constexpr uint32_t kScaleChunks = kSteps * kScaleTileBytes / kChunkBytes;

/// Rows of X by rows of W that a thread block takes, and how its warps share them.
template <uint32_t M, uint32_t N, uint32_t WarpsM, uint32_t WarpsN, uint32_t Stages>
struct Tile {
  static constexpr uint32_t kM = M;
  static constexpr uint32_t kN = N;
  static constexpr uint32_t kWarpsN = WarpsN;
  static constexpr uint32_t kThreads = 32 * WarpsM * WarpsN;
  static constexpr uint32_t kWarpM = M / WarpsM;
  static constexpr uint32_t kWarpN = N / WarpsN;
  static constexpr uint32_t kStages = Stages;
  // A stage: rows of X, rows of W, scale tiles of X, scale tiles of W.
  static constexpr uint32_t kWAt = M * kRowBytes;
  static constexpr uint32_t kXScalesAt = kWAt + N * kRowBytes;
  static constexpr uint32_t kWScalesAt = kXScalesAt + kSteps * kScaleTileBytes;
  static constexpr uint32_t kStageBytes = kWScalesAt + kSteps * kScaleTileBytes;
  static constexpr uint32_t kSharedBytes = Stages * kStageBytes;
  // The scales of a tile lie in one scale tile, and a warp's share is whole MMAs.
  static_assert(kScaleTileRows % M == 0 && kScaleTileRows % N == 0);
  static_assert(kWarpM % 16 == 0 && kWarpN % 16 == 0);
  static_assert(kSharedBytes <= 99 * 1024);  // of sm_120 and sm_121
};
using LargeTile = Tile<128, 128, 2, 4, 4>;
using SmallTile = Tile<16, 64, 1, 4, 6>;

/// Offset in the rows of a stage.
IMP_NATIVE_HD constexpr uint32_t chunk_offset(uint32_t row, uint32_t chunk) {
  return row * kRowBytes + ((chunk ^ (row / 2 % kRowChunks)) * kChunkBytes);
}

/// Where a copy of 16 bytes comes from; outside the operand the chunk is zeros.
struct Source {
  uint64_t offset;
  bool is_inside;
};
/// Chunk `chunk` of stage `k_tile` of row `row` of `rows`, in rows of `pitch` bytes.
IMP_NATIVE_HD constexpr Source code_source(uint64_t row, uint64_t k_tile, uint32_t chunk,
                                           uint64_t rows, uint64_t pitch) {
  const uint64_t column = k_tile * kRowBytes + chunk * kChunkBytes;
  return {row * pitch + column, row < rows && column < pitch};
}
/// Chunk `chunk` of the two scale tiles of stage `k_tile`; `row` is any row of the tile.
IMP_NATIVE_HD constexpr Source scale_source(uint64_t row, uint64_t k_tile, uint32_t chunk,
                                            uint64_t k) {
  const uint64_t tiles = (k + kStepK - 1) / kStepK;
  const uint64_t tile = k_tile * kSteps + chunk / (kScaleTileBytes / kChunkBytes);
  return {(row / kScaleTileRows * tiles + tile) * kScaleTileBytes +
              chunk % (kScaleTileBytes / kChunkBytes) * kChunkBytes,
          tile < tiles};
}

/// Address that `lane` gives to ldmatrix.x4 for 16 rows of X: registers are (rows 0-7, k 0-31),
/// (8-15, 0-31), (0-7, 32-63), (8-15, 32-63), the A fragment.
IMP_NATIVE_HD constexpr uint32_t x_address(uint32_t lane, uint32_t row0, uint32_t step) {
  return chunk_offset(row0 + lane % 16, 2 * step + lane / 16);
}
/// The same for 16 rows of W: registers are (0-7, k 0-31), (0-7, 32-63), (8-15, 0-31), (8-15,
/// 32-63), the B fragments of two n8 blocks.
IMP_NATIVE_HD constexpr uint32_t w_address(uint32_t lane, uint32_t row0, uint32_t step) {
  return chunk_offset(row0 + lane % 8 + lane / 16 * 8, 2 * step + lane / 8 % 2);
}

/// Offset in a scale tile of the four scales of a row, 0..127.
IMP_NATIVE_HD constexpr uint32_t scale_word(uint32_t row) { return row % 32 * 16 + row / 32 * 4; }
/// Row of the 16 whose scales `lane` holds for the A operand. Lanes 2 and 3 of a quad are not read.
IMP_NATIVE_HD constexpr uint32_t x_scale_row(uint32_t lane) { return lane / 4 + lane % 2 * 8; }
/// Row of the 8 for the B operand. Lanes 1 to 3 of a quad are not read.
IMP_NATIVE_HD constexpr uint32_t w_scale_row(uint32_t lane) { return lane / 4; }

/// Place of accumulator register v, 0..3, in the 16 x 8 result.
IMP_NATIVE_HD constexpr uint32_t y_row(uint32_t lane, uint32_t v) { return lane / 4 + v / 2 * 8; }
IMP_NATIVE_HD constexpr uint32_t y_column(uint32_t lane, uint32_t v) {
  return lane % 4 * 2 + v % 2;
}

}  // namespace imp::kernels::native
