#include "kernels/bench/cold_read.h"

#include <cuda_runtime.h>

#include "kernels/cuda/check.cuh"

namespace imp::kernels {
namespace {

constexpr uint32_t kThreads = 256;
constexpr uint32_t kBlocksPerSm = 8;  // 2048 threads a multiprocessor: as many as sm_80 and 90 hold
constexpr uint32_t kLoads = 4;        // in flight a thread: 128 KiB a multiprocessor

__device__ __forceinline__ uint4 load_once(const uint4* address) {
  uint4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(address));
  return v;
}

__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    read_all(const uint4* __restrict__ data, uint64_t count, uint32_t* __restrict__ sink) {
  const uint64_t thread = uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  const uint64_t threads = uint64_t{gridDim.x} * kThreads;
  uint32_t sum = 0;
  uint64_t at = thread;
  for (; at + (kLoads - 1) * threads < count; at += kLoads * threads) {
    uint4 v[kLoads];
#pragma unroll
    for (uint32_t i = 0; i < kLoads; ++i) v[i] = load_once(data + at + i * threads);
#pragma unroll
    for (uint32_t i = 0; i < kLoads; ++i) sum ^= v[i].x ^ v[i].y ^ v[i].z ^ v[i].w;
  }
  uint4 rest[kLoads];
#pragma unroll
  for (uint32_t i = 0; i < kLoads; ++i)
    rest[i] = at + i * threads < count ? load_once(data + at + i * threads) : uint4{0, 0, 0, 0};
#pragma unroll
  for (uint32_t i = 0; i < kLoads; ++i) sum ^= rest[i].x ^ rest[i].y ^ rest[i].z ^ rest[i].w;
  sum = __reduce_xor_sync(0xFFFFFFFFu, sum);
  if (threadIdx.x % 32 == 0) sink[thread / 32] = sum;
}

}  // namespace

uint64_t cold_read_sink_words(const cuda::Device& device) {
  return uint64_t{device.multiprocessors} * kBlocksPerSm * (kThreads / 32);
}

Status cold_read(const void* data, uint64_t size_bytes, uint32_t* sink, const cuda::Device& device,
                 cuda::StreamHandle stream) {
  if (size_bytes % 16 != 0 || reinterpret_cast<uintptr_t>(data) % 16 != 0)
    return Error{ErrorKind::kBadShape, "cold read: size and address must be multiples of 16", "",
                 ""};
  read_all<<<device.multiprocessors * kBlocksPerSm, kThreads, 0, stream>>>(
      static_cast<const uint4*>(data), size_bytes / 16, sink);
  return cuda::last_error("cold read");
}

}  // namespace imp::kernels
