// What the launches of this folder share.
#pragma once

#include <cstdint>

#include "kernels/cuda/check.cuh"
#include "kernels/repack/map.h"

namespace imp::kernels {

inline Status launched(const char* what) { return cuda::check(cudaGetLastError(), what); }

inline constexpr uint32_t kMapThreads = 256;
inline uint32_t map_blocks(uint64_t elements) {
  return static_cast<uint32_t>((elements + kMapThreads - 1) / kMapThreads);
}
__device__ inline uint64_t global_thread() {
  return static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

__device__ inline void report_wrong(uint64_t* first_wrong, uint64_t place) {
  atomicMin(reinterpret_cast<unsigned long long*>(first_wrong), place);
}

__device__ inline void append_lost(const LostGroups& list, const LostGroup& lost) {
  const uint64_t at = atomicAdd(reinterpret_cast<unsigned long long*>(list.count), 1ull);
  if (at < list.capacity) list.groups[at] = lost;
}

/// out[i] = element(i) for i < size; one thread each.
template <class Element>
__global__ void write_elements(Element element, uint64_t size, uint8_t* out) {
  const uint64_t i = global_thread();
  if (i < size) out[i] = element(i);
}

/// Report the smallest i < places with wrong(i); one thread each.
template <class Wrong>
__global__ void find_wrong(Wrong wrong, uint64_t places, uint64_t* first_wrong) {
  const uint64_t i = global_thread();
  if (i < places && wrong(i)) report_wrong(first_wrong, i);
}

template <class Element>
Status launch_write(const Element& element, uint64_t size, void* out, cuda::StreamHandle stream) {
  if (size == 0) return {};
  write_elements<<<map_blocks(size), kMapThreads, 0, stream>>>(element, size,
                                                               static_cast<uint8_t*>(out));
  return launched("repack through the index map");
}

template <class Wrong>
Status launch_find_wrong(const Wrong& wrong, uint64_t places, uint64_t* first_wrong,
                         cuda::StreamHandle stream) {
  find_wrong<<<map_blocks(places), kMapThreads, 0, stream>>>(wrong, places, first_wrong);
  return launched("check through the index map");
}

}  // namespace imp::kernels
