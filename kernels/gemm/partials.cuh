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

/// Vectors that a thread asks for before it looks at the first: a round trip to L2 costs more than
/// the registers.
inline constexpr int kPartialsInFlight = 16;

/// Adds what ranks `rank` and the next kRanks - 1 up to `last` published, in this order. All of it
/// is polled as one batch: a loop for each vector is four times the code, and code that runs once
/// comes from memory (4096 x 4096, M = 64: 3 us). `partials` is [rank][kFloats / 4][threads].
template <int kRanks, int kFirst, int kCount, int kFloats>
__device__ __forceinline__ void collect_part(uint4* partials, uint32_t threads, uint32_t thread,
                                             uint32_t rank, uint32_t last, float (&acc)[kFloats]) {
  const uint32_t stride = kFloats / 4 * threads;
  uint4* from = partials + rank * stride + kFirst * threads + thread;
  uint4 v[kRanks][kCount];
  uint32_t largest;
  do {  // the pattern is the largest number
    largest = 0;
#pragma unroll
    for (int r = 0; r < kRanks; ++r)
#pragma unroll
      for (int i = 0; i < kCount; ++i)
        if (rank + r <= last) v[r][i] = load_partial4(from + r * stride + i * threads);
#pragma unroll
    for (int r = 0; r < kRanks; ++r)
#pragma unroll
      for (int i = 0; i < kCount; ++i)
        if (rank + r <= last)
          largest = max(max(largest, max(v[r][i].x, v[r][i].y)), max(v[r][i].z, v[r][i].w));
  } while (largest == kEmptyPartial);
#pragma unroll
  for (int r = 0; r < kRanks; ++r) {
    if (rank + r > last) break;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      store_partial4(from + r * stride + i * threads,
                     {kEmptyPartial, kEmptyPartial, kEmptyPartial, kEmptyPartial});
      acc[4 * (kFirst + i)] += __uint_as_float(v[r][i].x);
      acc[4 * (kFirst + i) + 1] += __uint_as_float(v[r][i].y);
      acc[4 * (kFirst + i) + 2] += __uint_as_float(v[r][i].z);
      acc[4 * (kFirst + i) + 3] += __uint_as_float(v[r][i].w);
    }
  }
}

template <int kFirst, int kCount, int kFloats>
__device__ __forceinline__ void collect_slices(uint4* partials, uint32_t threads, uint32_t thread,
                                               uint32_t rank, float (&acc)[kFloats]) {
  collect_part<1, kFirst, kCount>(partials, threads, thread, rank, rank, acc);
  if constexpr (kFirst + kCount < kFloats / 4)
    collect_slices<kFirst + kCount, kCount>(partials, threads, thread, rank, acc);
}

/// Adds what ranks `first` to `last` published, in order.
template <int kInFlight = kPartialsInFlight, int kFloats>
__device__ __forceinline__ void collect_registers(uint4* partials, uint32_t threads,
                                                  uint32_t thread, uint32_t first, uint32_t last,
                                                  float (&acc)[kFloats]) {
  constexpr int kVectors = kFloats / 4;
  if constexpr (kVectors < kInFlight) {
    constexpr int kRanks = kInFlight / kVectors;
    for (uint32_t rank = first; rank <= last; rank += kRanks)
      collect_part<kRanks, 0, kVectors>(partials, threads, thread, rank, last, acc);
  } else {
    // Fewer beside a large accumulator, which leaves few registers.
    constexpr int kSlice = kVectors > 16 ? kInFlight / 4 : kInFlight;
    for (uint32_t rank = first; rank <= last; ++rank)
      collect_slices<0, kSlice>(partials, threads, thread, rank, acc);
  }
}

}  // namespace imp::kernels
