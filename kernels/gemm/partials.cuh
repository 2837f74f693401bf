// Sums of one output tile that several CTAs share, through global memory, in a fixed order.
//
// A partial is its own flag: between launches every word of the workspace holds kEmptyPartial, a
// NaN that no tensor core and no f32 addition produces (theirs is 0x7FFFFFFF); a reader polls until
// the word differs and writes the pattern back. That needs no fence and no reset between launches.
//
// Who waits for whom: the owner of a tile is the CTA with its first blocks, and CTAs are numbered
// downwards from gridDim.x - 1, so a CTA waits only for CTAs of a lower blockIdx, which the
// hardware starts earlier: no launch can wait for a CTA that has no room to start.
#pragma once

#include <cstdint>

namespace imp::kernels {

inline constexpr uint32_t kEmptyPartial = 0xFFFFFFFFu;

__device__ __forceinline__ uint32_t work_rank() { return gridDim.x - 1 - blockIdx.x; }

__device__ __forceinline__ uint32_t load_partial(const uint32_t* at) {
  uint32_t value;
  asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(at) : "memory");
  return value;
}
__device__ __forceinline__ uint4 load_partial4(const uint4* at) {
  uint4 v;
  asm volatile("ld.relaxed.gpu.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(at)
               : "memory");
  return v;
}
__device__ __forceinline__ void store_partial(uint32_t* at, uint32_t value) {
  asm volatile("st.relaxed.gpu.global.u32 [%0], %1;" ::"l"(at), "r"(value) : "memory");
}
__device__ __forceinline__ void store_partial4(uint4* at, uint4 v) {
  asm volatile("st.relaxed.gpu.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(at), "r"(v.x), "r"(v.y),
               "r"(v.z), "r"(v.w)
               : "memory");
}
__device__ __forceinline__ bool is_empty(const uint4& v) {
  return v.x == kEmptyPartial || v.y == kEmptyPartial || v.z == kEmptyPartial ||
         v.w == kEmptyPartial;
}

/// Accumulators of one thread as vectors of four, vector-major and thread-minor:
/// [kFloats/4][threads].
template <int kFloats>
__device__ __forceinline__ void publish_registers(uint4* partial, uint32_t threads, uint32_t thread,
                                                  const float (&acc)[kFloats]) {
#pragma unroll
  for (int v = 0; v < kFloats / 4; ++v)
    asm volatile("st.relaxed.gpu.global.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(partial +
                                                                              v * threads + thread),
                 "f"(acc[4 * v]), "f"(acc[4 * v + 1]), "f"(acc[4 * v + 2]), "f"(acc[4 * v + 3])
                 : "memory");
}

/// Adds what another CTA published; kBatch vectors are in flight at once.
template <int kBatch, int kFloats>
__device__ __forceinline__ void collect_registers(uint4* partial, uint32_t threads, uint32_t thread,
                                                  float (&acc)[kFloats]) {
  static_assert(kFloats % (4 * kBatch) == 0);
#pragma unroll
  for (int first = 0; first < kFloats / 4; first += kBatch) {
    uint4 v[kBatch];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) v[i] = load_partial4(partial + (first + i) * threads + thread);
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      uint4* at = partial + (first + i) * threads + thread;
      while (is_empty(v[i])) v[i] = load_partial4(at);
      store_partial4(at, {kEmptyPartial, kEmptyPartial, kEmptyPartial, kEmptyPartial});
      acc[4 * (first + i)] += __uint_as_float(v[i].x);
      acc[4 * (first + i) + 1] += __uint_as_float(v[i].y);
      acc[4 * (first + i) + 2] += __uint_as_float(v[i].z);
      acc[4 * (first + i) + 3] += __uint_as_float(v[i].w);
    }
  }
}

}  // namespace imp::kernels
