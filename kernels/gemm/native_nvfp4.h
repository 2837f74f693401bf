// GEMM on native NVFP4 weights and NVFP4 activations, by the block-scaled mma.sync of sm_120 and
// sm_121. Plain C++: pointers are device pointers.
//
//   acc[i, n] = sum over k of code_x * scale_x * code_w * scale_w          f32, by tensor cores
//   y[i, n] = round(acc * (multiplier[part of n] * gs) + bias[n])
//
// gs is the activation multiplier of quantize_activation. After acc each f32 operation rounds once,
// in the order written; the last rounding is to the output type. The same call gives the same bits:
// K is walked in one order, nothing is split.
//
// What is exact. A product has at most 12 significant bits (2 + 2 of the codes, 4 + 4 of the
// scales) and lies between 2^-20 and 2^23: exact in f32. acc is therefore exact
//   - where at most one product of the sum is not zero (activations with one code a row);
//   - where all products are multiples of 2^q and the sum of their magnitudes is below 2^(q + 22),
//     whatever the order of the sum and however a tensor core aligns its summands, as long as it
//     keeps 22 bits (e.g. all scales 1: multiples of 1/4, at most 36 each, so K up to 29127).
// Elsewhere each of the K additions loses at most 2^-22 of the sum of the magnitudes.
//
// CPU reference: X as quantised is a [m, k] matrix in native layout too, so kernels/cpu/gemm.h
// reads both operands.
//
// sm_100 and sm_103 have no block-scaled mma.sync (they have tcgen05, another programming model);
// no kernel here serves them.
#pragma once

#include <cstdint>

#include "kernels/cuda/runtime.h"
#include "kernels/gemm/gemm.h"
#include "src/base/result.h"

namespace imp::kernels {

struct NativeGemmCall {
  /// Layout native, scheme NVFP4; `blocks` is component codes. k_scale and k_gather must be null:
  /// they act on X before it is quantised.
  DeviceWeight weight;
  const void* block_scale = nullptr;  ///< component block_scale, sf128x4, 16-byte aligned
  uint64_t block_scale_stride_bytes = 0;
  uint32_t expert = 0;

  // What quantize_activation wrote for X [m, k].
  const void* x_codes = nullptr;        ///< [m, 16 * ceil(k/32)] bytes, 16-byte aligned
  const void* x_scales = nullptr;       ///< sf128x4, 16-byte aligned
  const float* x_multiplier = nullptr;  ///< gs, one f32
  uint64_t m = 0;

  void* y = nullptr;  ///< [m, n], rows y_stride elements apart, aligned to its type
  Float y_type = Float::kBf16;
  uint64_t y_stride = 0;
};

/// True if native_gemm has a kernel for the device.
bool native_gemm_serves(const cuda::Device& device);

/// Launch; m = 0 launches nothing. Errors: kUnsupportedLayout for a (layout, scheme) or device
/// without a kernel, naming those that have one; kBadShape for shapes, strides, parts and
/// alignments that do not fit; kNoDevice for what the runtime says.
Status native_gemm(const NativeGemmCall& call, const cuda::Device& device,
                   cuda::StreamHandle stream);

}  // namespace imp::kernels
