// The floor of a weight-only GEMM at small M: a kernel that only reads the weights' bytes. Plain
// C++; pointers are device pointers.
#pragma once

#include <cstdint>

#include "kernels/cuda/runtime.h"
#include "src/base/result.h"

namespace imp::kernels {

/// u32 words that cold_read writes: one a warp of its launch.
uint64_t cold_read_sink_words(const cuda::Device& device);

/// Read every 16-byte word of `data` once, past L1, several loads in flight a thread. The xor of
/// all words of `sink` is then the xor of all u32 of `data`, so that nothing can be left out.
/// Errors: kBadShape for a size or an address that is no multiple of 16; kNoDevice.
Status cold_read(const void* data, uint64_t size_bytes, uint32_t* sink, const cuda::Device& device,
                 cuda::StreamHandle stream);

}  // namespace imp::kernels
