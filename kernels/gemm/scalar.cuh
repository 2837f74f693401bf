// A CTA takes 64 rows of W and 16 rows of X: two warps decode two tiles of W side by side into
// shared memory, the other two bring the columns of X that meet them, then each thread sums for one
// row of W and eight of X.
//
// Sums run over the columns in the order of the reader's slots, tile after tile, and every product
// and every sum is rounded once: the bits are those of cpu_gemm_accumulate (kernels/cpu/gemm.h),
// whatever M, the device or the launch. Compiled with -fmad=false, also for what readers compute.
#pragma once

#include "kernels/gemm/epilogue.cuh"
#include "kernels/gemm/launch.cuh"
#include "kernels/gemm/scalar.h"
#include "kernels/readers/list.h"

namespace imp::kernels::scalar {

inline constexpr uint32_t kThreads = 128;
inline constexpr uint32_t kTokens = 16;  ///< rows of X that a CTA takes at once
inline constexpr uint32_t kTokensOfThread = kTokens * kReaderRows / kThreads;
inline constexpr uint32_t kTiles = 2;
inline constexpr uint32_t kPitch = kReaderColumns + 1;  ///< rows of W in different banks
inline constexpr uint32_t kTokenPitch = kTokens + 4;

struct SharedTiles {
  float w[kTiles][kReaderRows * kPitch];
  float x[kTiles][kReaderColumns * kTokenPitch];  ///< [slot][row of X]
};

struct PutShared {
  float* tile;
  IMP_HD void operator()(uint32_t row, uint32_t slot, float value) const {
    tile[row * kPitch + slot] = value;
  }
};

/// Rows of X that meet one expert.
struct Tokens {
  uint32_t begin;
  uint32_t end;
};
__device__ inline Tokens tokens_of(const GemmArgs& a, uint32_t expert) {
  if (a.rows_end == nullptr) return {0, a.m};
  return {expert == 0 ? 0 : a.rows_end[expert - 1], a.rows_end[expert]};
}

/// By one warp. Places that no lane puts stay NaN.
template <class R>
__device__ inline void load_weights(const WeightView& w, uint64_t row_tile, uint64_t column_tile,
                                    float* tile) {
  const uint32_t lane = threadIdx.x % 32;
  for (uint32_t i = lane; i < kReaderRows * kPitch; i += 32) tile[i] = quiet_nan();
  __syncwarp();
  R::read_lane(w, row_tile, column_tile, lane, PutShared{tile});
}

/// By one warp: the columns of a tile, of rows past `tokens` zeros.
template <class R>
__device__ inline void load_activations(const ScalarArgs& a, uint32_t first, uint32_t tokens,
                                        uint64_t column_tile, float* tile) {
  for (uint32_t i = threadIdx.x % 32; i < kTokens * kReaderColumns; i += 32) {
    const uint32_t token = i / kReaderColumns, slot = i % kReaderColumns;
    const uint64_t column = column_tile * kReaderColumns + R::Slots::column(slot);
    const bool inside = token < tokens && column < a.gemm.k;
    tile[slot * kTokenPitch + token] =
        inside ? load_as_float(a.gemm.x, a.x_type, (first + token) * a.gemm.x_stride + column)
               : 0.0f;
  }
}

/// Columns past K are left out, not added as products of zeros: padding may decode to anything.
template <class R>
__device__ inline void add_tile(const float* w, const float* x, uint32_t columns,
                                float (&acc)[kTokensOfThread]) {
  const float* const row = w + threadIdx.x % kReaderRows * kPitch;
  x += threadIdx.x / kReaderRows * kTokensOfThread;
  for (uint32_t slot = 0; slot < kReaderColumns; ++slot) {
    if (R::Slots::column(slot) >= columns) continue;
    const float weight = row[slot];
#pragma unroll
    for (uint32_t i = 0; i < kTokensOfThread; ++i)
      acc[i] = __fadd_rn(acc[i], __fmul_rn(x[slot * kTokenPitch + i], weight));
  }
}

__device__ inline void store(const ScalarArgs& a, uint32_t expert, uint64_t row, uint32_t first,
                             uint32_t tokens, const float (&acc)[kTokensOfThread]) {
  if (row >= a.gemm.n) return;
  const auto n = static_cast<uint32_t>(row);
  const RowEpilogue finish = row_epilogue(a.gemm, expert, n, a.unit);
#pragma unroll
  for (uint32_t i = 0; i < kTokensOfThread; ++i) {
    const uint32_t token = threadIdx.x / kReaderRows * kTokensOfThread + i;
    if (token >= tokens) continue;
    const float value = finish(acc[i], a.gemm.bias != nullptr);
    if (a.x_type == Float::kBf16)
      store_value<__nv_bfloat16>(a.gemm, first + token, n, value);
    else
      store_value<__half>(a.gemm, first + token, n, value);
  }
}

/// Grid: tiles of rows of W, tiles of rows of X (strided), experts.
template <class R>
__global__ void __launch_bounds__(kThreads) scalar_gemm(const __grid_constant__ ScalarArgs a) {
  __shared__ __align__(16) SharedTiles shared;
  const uint32_t expert = blockIdx.z, warp = threadIdx.x / 32;
  const uint64_t row_tile = blockIdx.x;
  const WeightView w = a.weight.expert(expert);
  const Tokens rows = tokens_of(a.gemm, expert);
  for (uint32_t first = rows.begin + blockIdx.y * kTokens; first < rows.end;
       first += gridDim.y * kTokens) {
    const uint32_t tokens = min(kTokens, rows.end - first);
    float acc[kTokensOfThread] = {};
    for (uint32_t tile = 0; tile < a.gemm.k_tiles; tile += kTiles) {
      const uint32_t mine = warp % kTiles;
      if (tile + mine < a.gemm.k_tiles) {
        if (warp < kTiles)
          load_weights<R>(w, row_tile, tile + mine, shared.w[mine]);
        else
          load_activations<R>(a, first, tokens, tile + mine, shared.x[mine]);
      }
      __syncthreads();
      for (uint32_t t = 0; t < kTiles && tile + t < a.gemm.k_tiles; ++t)
        add_tile<R>(shared.w[t], shared.x[t], a.gemm.k - (tile + t) * kReaderColumns, acc);
      __syncthreads();
    }
    store(a, expert, row_tile * kReaderRows + threadIdx.x % kReaderRows, first, tokens, acc);
  }
}

using Kernel = void (*)(ScalarArgs);

/// nullptr if none of the list reads (layout, scheme).
template <class... R>
Kernel find_kernel(readers::ReaderList<R...>, uint16_t layout, uint16_t scheme) {
  Kernel found = nullptr;
  ((R::kLayout == layout&& R::kScheme == scheme ? found = scalar_gemm<R> : found), ...);
  return found;
}

// One a source, so that they compile side by side.
Kernel find_packed_kernel(uint16_t layout, uint16_t scheme);
Kernel find_plain_kernel(uint16_t layout, uint16_t scheme);

}  // namespace imp::kernels::scalar
