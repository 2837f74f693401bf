// Packed weights back to a plain matrix: the simplest reader of the packed bytes, and with a 16-bit
// GEMM after it the baseline at large M. Plain C++: pointers are device pointers.
//
//   out[n, k] = round(fl32(exact(code * scale) * multiplier[part of n]))        n < N, k < K
//
// code * scale has at most 6 significant bits and is exact in f32; the product with the multiplier
// rounds once to f32, the last rounding is to the output type, both to nearest even. So f32 output
// has the bits of a GEMM with identity activations. A value beyond the output type's range becomes
// infinity as IEEE says, nothing saturates: f16 from 65520 up. Zeros carry the sign of their code;
// the sign of a block scale is ignored (UE4M3, as tensor cores take it), and scale 7F or FF gives
// NaN in the layouts that can hold it (plain, native).
//
// Nothing is allocated and nothing synchronises. Runs on sm_80 and newer.
#pragma once

#include <cstdint>

#include "kernels/cuda/runtime.h"
#include "kernels/gemm/gemm.h"
#include "src/base/result.h"

namespace imp::kernels {

/// A weight with the component that only some layouts have beside the codes.
struct PackedOperand {
  /// `blocks` is component blocks (mma64) or component codes (plain: [N, K/2]; native: rows with a
  /// pitch of 16 * ceil(K/32) bytes), 16-byte aligned, in plain 4-byte aligned. k_scale, k_gather
  /// and bias do not take part.
  DeviceWeight weight;
  /// Component block_scale; expert e at e * stride. plain: e4m3 [N, K/16]; native: sf128x4
  /// (kernel-layouts 8.2), 16-byte aligned; mma64 has none (null).
  const void* block_scale = nullptr;
  uint64_t block_scale_stride_bytes = 0;
};

/// One expert to out [N, K], row-major, rows `out_stride` elements apart; columns past K are left
/// as they are. `out` and each row of it start at multiples of 16 bytes.
/// Errors: kUnsupportedLayout for anything but NVFP4 in plain, mma64 or native; kBadShape for
/// shapes (K a multiple of 16), parts, experts, strides, missing pointers and alignments that do
/// not fit (mma64: parts but the last end at multiples of 64 rows); kNoDevice for what the runtime
/// says.
Status dequantise(const PackedOperand& operand, uint32_t expert, void* out, Float out_type,
                  uint64_t out_stride, cuda::StreamHandle stream);

}  // namespace imp::kernels
