// From accumulators to Y: multiplier of the row's part, bias, rounding to the output type.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/gemm/args.h"

namespace imp::kernels {

/// y = acc * factor + bias, each operation rounded once.
struct RowEpilogue {
  float factor = 0.0f;
  float bias = 0.0f;
  __device__ __forceinline__ float operator()(float acc, bool has_bias) const {
    const float scaled = __fmul_rn(acc, factor);
    return has_bias ? __fadd_rn(scaled, bias) : scaled;
  }
};

__device__ __forceinline__ float load_as_float(const void* data, Float type, uint64_t index) {
  switch (type) {
    case Float::kBf16:
      return __bfloat162float(static_cast<const __nv_bfloat16*>(data)[index]);
    case Float::kF16:
      return __half2float(static_cast<const __half*>(data)[index]);
    default:
      return static_cast<const float*>(data)[index];
  }
}

/// What row `row` of expert `expert` is finished with; `unit` is what the accumulator lacks of the
/// weights' product, a power of two. Rows past N get zeros.
__device__ inline RowEpilogue row_epilogue(const GemmArgs& a, uint32_t expert, uint32_t row,
                                           float unit) {
  RowEpilogue e;
  if (row >= a.n) return e;
  uint32_t part = 0;
  while (row >= a.part_end[part]) ++part;
  e.factor = __fmul_rn(a.multiplier[static_cast<uint64_t>(expert) * a.parts + part], unit);
  if (a.bias != nullptr)
    e.bias = load_as_float(a.bias, a.bias_type, static_cast<uint64_t>(expert) * a.n + row);
  return e;
}

template <class T>
__device__ __forceinline__ T round_to(float value);
template <>
__device__ __forceinline__ __nv_bfloat16 round_to<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}
template <>
__device__ __forceinline__ __half round_to<__half>(float value) {
  return __float2half_rn(value);
}

template <class T>
__device__ __forceinline__ void store_value(const GemmArgs& a, uint32_t row_of_x, uint32_t n,
                                            float value) {
  const uint64_t at = row_of_x * a.y_stride + n;
  if (a.y_type == Float::kF32)
    static_cast<float*>(a.y)[at] = value;
  else
    static_cast<T*>(a.y)[at] = round_to<T>(value);
}

}  // namespace imp::kernels
