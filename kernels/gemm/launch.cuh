// Launching, and the handshake between dependent launches.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/check.cuh"

namespace imp::kernels {

/// After this the kernels before on the stream have ended and their writes are visible. A kernel
/// that was launched without the attribute passes at once.
__device__ __forceinline__ void wait_for_kernels_before() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// A dependent launch may begin; it waits itself before it touches what this kernel writes.
__device__ __forceinline__ void let_next_kernel_start() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/// REQUIRES: `overlap` only where the device has programmatic dependent launch (sm_90 and newer).
template <class... Parameters, class... Arguments>
Status launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, uint32_t shared_bytes,
              bool overlap, cudaStream_t stream, const Arguments&... arguments) {
  if (shared_bytes > 48 * 1024)
    IMP_TRY(cuda::check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                             static_cast<int>(shared_bytes)),
                        "shared memory of a kernel"));
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = overlap ? 1 : 0;
  return cuda::check(cudaLaunchKernelEx(&config, kernel, arguments...), "launch of a kernel");
}

}  // namespace imp::kernels
