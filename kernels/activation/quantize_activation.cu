#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "kernels/activation/group.h"
#include "kernels/activation/launch.h"
#include "kernels/cuda/check.cuh"

namespace imp::kernels::activation {
namespace {

constexpr uint32_t kThreads = 32 * kWarps;
constexpr uint32_t kVector = 8;  ///< activations in 16 bytes

__device__ inline float2 two_floats(uint32_t pair, __nv_bfloat16) {
  return make_float2(__uint_as_float(pair << 16), __uint_as_float(pair & 0xFFFF0000u));
}
__device__ inline float2 two_floats(uint32_t pair, __half) {
  return __half22float2(*reinterpret_cast<const __half2*>(&pair));
}

template <class T>
__device__ inline void load_vector(const T* from, float (&out)[kVector]) {
  const uint4 vector = __ldg(reinterpret_cast<const uint4*>(from));
  const uint32_t pairs[4] = {vector.x, vector.y, vector.z, vector.w};
#pragma unroll
  for (uint32_t i = 0; i < 4; ++i) {
    const float2 two = two_floats(pairs[i], T{});
    out[2 * i] = two.x;
    out[2 * i + 1] = two.y;
  }
}

/// *largest = max of |x| over finite x, as bits. A thread takes 8 columns of every gridDim.y-th
/// row.
template <class T>
__global__ void __launch_bounds__(kThreads)
    largest_magnitude(const T* x, uint64_t m, uint64_t k, uint64_t stride, uint32_t* largest) {
  const uint64_t column = (uint64_t{blockIdx.x} * kThreads + threadIdx.x) * kVector;
  uint32_t mine = 0;
  for (uint64_t row = blockIdx.y; row < m && column < k; row += gridDim.y) {
    float value[kVector];
    load_vector(x + row * stride + column, value);
#pragma unroll
    for (uint32_t i = 0; i < kVector; ++i) {
      const uint32_t bits = __float_as_uint(value[i]) & 0x7FFFFFFFu;
      if (is_finite(bits)) mine = max(mine, bits);
    }
  }
  const uint32_t of_warp = __reduce_max_sync(~0u, mine);
  if (threadIdx.x % 32 == 0 && of_warp != 0) atomicMax(largest, of_warp);
}

struct Arguments {
  const void* x;
  uint64_t m;
  uint64_t k;
  uint64_t stride;
  float* multiplier;
  const uint32_t* largest;  ///< null: multiplier is given
  uint8_t* codes;
  uint8_t* scales;
};

template <class T>
__global__ void __launch_bounds__(kThreads) quantize(const __grid_constant__ Arguments a) {
  float gs;
  if (a.largest != nullptr) {
    gs = divide(__uint_as_float(*a.largest), kCodesTimesScales);
    if (blockIdx.x == 0 && threadIdx.x == 0) *a.multiplier = gs;
  } else {
    gs = *a.multiplier;
  }
  const uint64_t groups = a.k / kGroup, padded_groups = (groups + 3) / 4 * 4;
  const auto segments = static_cast<uint32_t>((padded_groups + kWarpGroups - 1) / kWarpGroups);
  const uint64_t row = row_of_warp(blockIdx.x / segments, threadIdx.x / 32);
  const uint64_t group = uint64_t{blockIdx.x % segments} * kWarpGroups + threadIdx.x % 32;

  QuantizedGroup out{0, {0, 0}};
  if (row < a.m && group < groups) {
    const T* const from = static_cast<const T*>(a.x) + row * a.stride + group * kGroup;
    float low[kVector], high[kVector], x[kGroup];
    load_vector(from, low);
    load_vector(from + kVector, high);
#pragma unroll
    for (uint32_t i = 0; i < kVector; ++i) {
      x[i] = low[i];
      x[kVector + i] = high[i];
    }
    out = quantize_group(x, gs);
  }
  // A row of an odd number of groups ends with eight zero bytes.
  if (row < a.m && group < (groups + 1) / 2 * 2) {
    const uint64_t pitch = (a.k + 31) / 32 * 16;
    *reinterpret_cast<uint2*>(a.codes + row * pitch + 8 * group) =
        make_uint2(out.codes[0], out.codes[1]);
  }
  uint32_t word = out.scale << (8 * (group % 4));
  word |= __shfl_xor_sync(~0u, word, 1);
  word |= __shfl_xor_sync(~0u, word, 2);
  if (group % 4 == 0 && group < padded_groups)
    *reinterpret_cast<uint32_t*>(a.scales + scale_word_offset(row, group / 4, groups)) = word;
}

template <class T>
Status launch_as(const QuantizeActivationCall& call, cuda::StreamHandle stream) {
  Arguments arguments{call.x,
                      call.m,
                      call.k,
                      call.x_stride,
                      call.multiplier,
                      nullptr,
                      static_cast<uint8_t*>(call.codes),
                      static_cast<uint8_t*>(call.scales)};
  if (call.scale == ActivationScale::kDynamic) {
    arguments.largest = call.workspace;
    IMP_TRY(cuda::check(cudaMemsetAsync(call.workspace, 0, sizeof(uint32_t), stream),
                        "clearing the maximum of activations"));
    constexpr uint64_t kBlockColumns = kThreads * kVector, kEnoughBlocks = 2048;
    const uint64_t columns = (call.k + kBlockColumns - 1) / kBlockColumns;
    const uint64_t rows = std::min(call.m, std::max<uint64_t>(1, kEnoughBlocks / columns));
    largest_magnitude<T>
        <<<dim3(static_cast<uint32_t>(columns), static_cast<uint32_t>(rows)), kThreads, 0,
           stream>>>(static_cast<const T*>(call.x), call.m, call.k, call.x_stride, call.workspace);
    IMP_TRY(cuda::check(cudaGetLastError(), "maximum of activations"));
  }
  const uint64_t padded_groups = (call.k / kGroup + 3) / 4 * 4;
  const uint64_t segments = (padded_groups + kWarpGroups - 1) / kWarpGroups;
  const uint64_t grid = (call.m + 127) / 128 * 16 * segments;
  if (grid > INT32_MAX)
    return Error{ErrorKind::kBadShape, "more activations than one launch can take", "", ""};
  quantize<T><<<static_cast<uint32_t>(grid), kThreads, 0, stream>>>(arguments);
  return cuda::check(cudaGetLastError(), "quantisation of activations");
}

}  // namespace

Status launch(const QuantizeActivationCall& call, cuda::StreamHandle stream) {
  if (call.x_type == Float::kF16) return launch_as<__half>(call, stream);
  return launch_as<__nv_bfloat16>(call, stream);
}

}  // namespace imp::kernels::activation
