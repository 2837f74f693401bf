// The last multiplication, the rounding to the output type and 16-byte stores.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "kernels/dequant/decode.h"
#include "kernels/dequant/launch.h"

namespace imp::kernels::dequant {

/// Streaming reads: each packed byte is read once.
__device__ inline uint4 load_16(const void* from) {
  return __ldcs(static_cast<const uint4*>(from));
}

__device__ inline uint32_t round_pair(float low, float high, __nv_bfloat16) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}
__device__ inline uint32_t round_pair(float low, float high, __half) {
  const __half2 pair = __floats2half2_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}

template <class T>
__device__ inline void store_chunk(T* out, const float (&value)[kChunk], float multiplier) {
  uint4 rounded;
  rounded.x = round_pair(value[0] * multiplier, value[1] * multiplier, T{});
  rounded.y = round_pair(value[2] * multiplier, value[3] * multiplier, T{});
  rounded.z = round_pair(value[4] * multiplier, value[5] * multiplier, T{});
  rounded.w = round_pair(value[6] * multiplier, value[7] * multiplier, T{});
  *reinterpret_cast<uint4*>(out) = rounded;
}
template <>
__device__ inline void store_chunk(float* out, const float (&value)[kChunk], float multiplier) {
  for (uint32_t i = 0; i < kChunk; i += 4)
    *reinterpret_cast<float4*>(out + i) =
        make_float4(value[i] * multiplier, value[i + 1] * multiplier, value[i + 2] * multiplier,
                    value[i + 3] * multiplier);
}

__device__ inline float multiplier_of_row(const Output& a, uint64_t n) {
  uint32_t part = 0;
  for (uint32_t p = 0; p + 1 < a.parts; ++p) part += n >= a.part_end[p] ? 1 : 0;
  return a.multiplier[part];
}

/// Calls launch(T{}) with the C++ type of `type`.
template <class Launch>
void with_type(Float type, Launch launch) {
  if (type == Float::kBf16) return launch(__nv_bfloat16{});
  if (type == Float::kF16) return launch(__half{});
  launch(float{});
}

}  // namespace imp::kernels::dequant
