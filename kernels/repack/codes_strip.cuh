// The codes of a strip (mma64_strip.cuh) in blocks of another size than NVFP4's.
#pragma once

#include <cstdint>

#include "kernels/cuda/runtime.h"
#include "kernels/repack/mma64_strip.cuh"
#include "src/base/result.h"

namespace imp::kernels::mma64 {

/// Where this thread's vectors lie. A plane of codes is counted in sixteens, packed codes in bytes;
/// i is a tile of the warp.
template <uint32_t kBytes>
struct CodesAt {
  uint64_t row;  ///< of the upper sixteen; the lower is kPairDistance on
  uint64_t group0;
  uint64_t tile0;
  uint64_t vector0;
  uint64_t rows;
  uint64_t groups;
  uint64_t k_tiles;

  __device__ CodesAt(const Matrix& matrix, const Strip& strip)
      : row(strip.row()),
        group0(strip.group()),
        tile0(strip.tile0 + strip.first_tile()),
        vector0((strip.row0 / kTileN * matrix.k_tiles + tile0) * kBytes +
                vector_byte(strip.pair(), strip.lane)),
        rows(matrix.rows),
        groups(matrix.groups),
        k_tiles(matrix.k_tiles) {}

  __device__ bool has_tile(uint32_t i) const { return tile0 + i < k_tiles; }
  __device__ uint64_t group(uint32_t i) const { return group0 + i * kTileGroups; }
  __device__ uint64_t upper(uint32_t i) const { return row * groups + group(i); }
  __device__ uint64_t lower(uint32_t i) const { return upper(i) + kPairDistance * groups; }
  __device__ bool upper_inside(uint32_t i) const { return row < rows && group(i) < groups; }
  __device__ bool lower_inside(uint32_t i) const {
    return row + kPairDistance < rows && group(i) < groups;
  }
  __device__ uint64_t vector(uint32_t i) const { return vector0 + uint64_t{i} * kBytes; }
};

/// K a multiple of 16; checked arguments.
Status launch_pack_int4(const void* codes, uint64_t rows, uint64_t k, void* blocks,
                        cuda::StreamHandle stream);
Status launch_unpack_int4(const void* blocks, uint64_t rows, uint64_t k, void* codes,
                          uint64_t* first_wrong, cuda::StreamHandle stream);

}  // namespace imp::kernels::mma64
