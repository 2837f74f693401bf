// Block-scaled mma.sync of sm_120: X is the A operand, W the B operand, both from shared memory, a
// ring of stages filled by cp.async.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/cuda/check.cuh"
#include "kernels/gemm/native_launch.h"
#include "kernels/gemm/native_tile.h"

namespace imp::kernels::native {
namespace {

/// 16 bytes to shared memory; zeros where the source lies outside.
__device__ __forceinline__ void copy_chunk(uint32_t to, const uint8_t* base, Source from) {
  const uint8_t* const address = from.is_inside ? base + from.offset : base;
  const uint32_t bytes = from.is_inside ? kChunkBytes : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(address), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <uint32_t Left>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Left) : "memory");
}

__device__ __forceinline__ void load_matrices(uint32_t from, uint32_t (&r)[4]) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from)
               : "memory");
}
__device__ __forceinline__ uint32_t load_word(uint32_t from) {
  uint32_t word;
  asm volatile("ld.shared.b32 %0, [%1];" : "=r"(word) : "r"(from) : "memory");
  return word;
}

__device__ __forceinline__ void multiply_add(float (&d)[4], const uint32_t (&x)[4], uint32_t w0,
                                             uint32_t w1, uint32_t x_scales, uint32_t w_scales) {
  asm volatile(
      "mma.sync.aligned.m16n8k64.row.col.kind::mxf4nvf4.block_scale.scale_vec::4X"
      ".f32.e2m1.e2m1.f32.ue4m3 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3}, "
      "{%10}, {0, 0}, {%11}, {0, 0};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(w0), "r"(w1), "r"(x_scales), "r"(w_scales));
}

/// One thread's share of the copies of a stage.
template <class T>
__device__ __forceinline__ void copy_stage(const Arguments& a, uint32_t stage, uint32_t m0,
                                           uint32_t n0, uint32_t k_tile) {
  const uint64_t pitch = (a.k + 31) / 32 * 16;
#pragma unroll
  for (uint32_t i = threadIdx.x; i < T::kM * kRowChunks; i += T::kThreads) {
    const uint32_t row = i / kRowChunks, chunk = i % kRowChunks;
    copy_chunk(stage + chunk_offset(row, chunk), a.x_codes,
               code_source(m0 + row, k_tile, chunk, a.m, pitch));
  }
#pragma unroll
  for (uint32_t i = threadIdx.x; i < T::kN * kRowChunks; i += T::kThreads) {
    const uint32_t row = i / kRowChunks, chunk = i % kRowChunks;
    copy_chunk(stage + T::kWAt + chunk_offset(row, chunk), a.w_codes,
               code_source(n0 + row, k_tile, chunk, a.n, pitch));
  }
#pragma unroll
  for (uint32_t i = threadIdx.x; i < 2 * kScaleChunks; i += T::kThreads) {
    const uint32_t chunk = i % kScaleChunks;
    const bool is_w = i >= kScaleChunks;
    copy_chunk(stage + T::kXScalesAt + i * kChunkBytes, is_w ? a.w_scales : a.x_scales,
               scale_source(is_w ? n0 : m0, k_tile, chunk, a.k));
  }
}

template <class T>
struct Accumulators {
  float at[T::kWarpM / 16][T::kWarpN / 8][4];
};

/// The warp's share of a stage, `row0` and `column0` its first row of X and W in the tile.
template <class T>
__device__ __forceinline__ void multiply_stage(Accumulators<T>& acc, uint32_t stage, uint32_t m0,
                                               uint32_t n0, uint32_t row0, uint32_t column0) {
  const uint32_t lane = threadIdx.x % 32;
#pragma unroll
  for (uint32_t step = 0; step < kSteps; ++step) {
    const uint32_t x_scale_tile = stage + T::kXScalesAt + step * kScaleTileBytes;
    const uint32_t w_scale_tile = stage + T::kWScalesAt + step * kScaleTileBytes;
    uint32_t x[T::kWarpM / 16][4], x_scales[T::kWarpM / 16];
#pragma unroll
    for (uint32_t i = 0; i < T::kWarpM / 16; ++i) {
      load_matrices(stage + x_address(lane, row0 + 16 * i, step), x[i]);
      const uint32_t row = m0 % kScaleTileRows + row0 + 16 * i + x_scale_row(lane);
      x_scales[i] = load_word(x_scale_tile + scale_word(row));
    }
#pragma unroll
    for (uint32_t j = 0; j < T::kWarpN / 16; ++j) {
      uint32_t w[4], w_scales[2];
      load_matrices(stage + T::kWAt + w_address(lane, column0 + 16 * j, step), w);
#pragma unroll
      for (uint32_t half = 0; half < 2; ++half) {
        const uint32_t row = n0 % kScaleTileRows + column0 + 16 * j + 8 * half + w_scale_row(lane);
        w_scales[half] = load_word(w_scale_tile + scale_word(row));
      }
#pragma unroll
      for (uint32_t i = 0; i < T::kWarpM / 16; ++i)
#pragma unroll
        for (uint32_t half = 0; half < 2; ++half)
          multiply_add(acc.at[i][2 * j + half], x[i], w[2 * half], w[2 * half + 1], x_scales[i],
                       w_scales[half]);
    }
  }
}

__device__ inline float load_float(const void* data, Float type, uint32_t index) {
  if (type == Float::kBf16) return __bfloat162float(static_cast<const __nv_bfloat16*>(data)[index]);
  if (type == Float::kF16) return __half2float(static_cast<const __half*>(data)[index]);
  return static_cast<const float*>(data)[index];
}

__device__ inline __nv_bfloat16 round_to(float value, __nv_bfloat16) {
  return __float2bfloat16_rn(value);
}
__device__ inline __half round_to(float value, __half) { return __float2half_rn(value); }
__device__ inline float round_to(float value, float) { return value; }

template <class Y>
struct alignas(2 * sizeof(Y)) Pair {
  Y first, second;
};

struct ColumnEpilogue {
  float factor;
  float bias;
  __device__ __forceinline__ float operator()(float acc, bool has_bias) const {
    const float scaled = __fmul_rn(acc, factor);
    return has_bias ? __fadd_rn(scaled, bias) : scaled;
  }
};

__device__ inline ColumnEpilogue column_epilogue(const Arguments& a, float gs, uint32_t n) {
  if (n >= a.n) return {0.0f, 0.0f};
  uint32_t part = 0;
  while (n >= a.part_end[part]) ++part;
  return {__fmul_rn(a.multiplier[part], gs),
          a.bias != nullptr ? load_float(a.bias, a.bias_type, n) : 0.0f};
}

template <class T, class Y>
__device__ __forceinline__ void store(const Arguments& a, const Accumulators<T>& acc, uint32_t row0,
                                      uint32_t column0) {
  const uint32_t lane = threadIdx.x % 32;
  const float gs = *a.x_multiplier;
  const bool has_bias = a.bias != nullptr;
#pragma unroll
  for (uint32_t j = 0; j < T::kWarpN / 8; ++j) {
    const uint32_t n = column0 + 8 * j + y_column(lane, 0);
    if (n >= a.n) continue;
    const ColumnEpilogue first = column_epilogue(a, gs, n), second = column_epilogue(a, gs, n + 1);
#pragma unroll
    for (uint32_t i = 0; i < T::kWarpM / 16; ++i)
#pragma unroll
      for (uint32_t v = 0; v < 4; v += 2) {
        const uint32_t row = row0 + 16 * i + y_row(lane, v);
        if (row >= a.m) continue;
        Y* const y = static_cast<Y*>(a.y) + row * a.y_stride + n;
        const Pair<Y> pair{round_to(first(acc.at[i][j][v], has_bias), Y{}),
                           round_to(second(acc.at[i][j][v + 1], has_bias), Y{})};
        if (n + 1 < a.n && a.has_pair_stores) {
          *reinterpret_cast<Pair<Y>*>(y) = pair;
        } else {
          y[0] = pair.first;
          if (n + 1 < a.n) y[1] = pair.second;
        }
      }
  }
}

template <class T, class Y>
__global__ void __launch_bounds__(T::kThreads) native_nvfp4(const __grid_constant__ Arguments a) {
  extern __shared__ __align__(128) uint8_t shared[];
  const uint32_t ring = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  const uint32_t m0 = blockIdx.x * T::kM, n0 = blockIdx.y * T::kN;
  const uint32_t warp = threadIdx.x / 32;
  const uint32_t row0 = warp / T::kWarpsN * T::kWarpM, column0 = warp % T::kWarpsN * T::kWarpN;
  const uint32_t k_tiles = (a.k + kTileK - 1) / kTileK;

  for (uint32_t tile = 0; tile + 1 < T::kStages; ++tile) {
    if (tile < k_tiles) copy_stage<T>(a, ring + tile * T::kStageBytes, m0, n0, tile);
    commit_copies();
  }
  Accumulators<T> acc{};
  for (uint32_t tile = 0; tile < k_tiles; ++tile) {
    // This thread's copies of the stage have landed; behind the barrier so have all others', and
    // every warp is done with the stage before, which the next copies overwrite.
    wait_for_copies<T::kStages - 2>();
    __syncthreads();
    const uint32_t next = tile + T::kStages - 1;
    if (next < k_tiles) copy_stage<T>(a, ring + next % T::kStages * T::kStageBytes, m0, n0, next);
    commit_copies();
    multiply_stage<T>(acc, ring + tile % T::kStages * T::kStageBytes, m0, n0, row0, column0);
  }
  store<T, Y>(a, acc, m0 + row0, n0 + column0);
}

template <class T, class Y>
Status launch_as(const Arguments& arguments, cuda::StreamHandle stream) {
  const uint32_t n_tiles = (arguments.n + T::kN - 1) / T::kN;
  if (n_tiles > 65535)
    return Error{ErrorKind::kBadShape, "more rows of W than one launch can take", "", ""};
  const auto kernel = native_nvfp4<T, Y>;
  IMP_TRY(cuda::check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                           static_cast<int>(T::kSharedBytes)),
                      "shared memory of the native GEMM"));
  // Blocks that share rows of W are neighbours, so that W is read from memory about once.
  const dim3 grid((arguments.m + T::kM - 1) / T::kM, n_tiles);
  kernel<<<grid, T::kThreads, T::kSharedBytes, stream>>>(arguments);
  return cuda::check(cudaGetLastError(), "native GEMM");
}

template <class T>
Status launch_tile(const Arguments& arguments, Float y_type, cuda::StreamHandle stream) {
  if (y_type == Float::kBf16) return launch_as<T, __nv_bfloat16>(arguments, stream);
  if (y_type == Float::kF16) return launch_as<T, __half>(arguments, stream);
  return launch_as<T, float>(arguments, stream);
}

}  // namespace

Status launch(const Arguments& arguments, Float y_type, cuda::StreamHandle stream) {
  if (arguments.m <= kMaxSmallRows) return launch_tile<SmallTile>(arguments, y_type, stream);
  return launch_tile<LargeTile>(arguments, y_type, stream);
}

}  // namespace imp::kernels::native
