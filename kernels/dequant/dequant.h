// Packed weights back to a plain matrix: the simplest reader of the packed bytes, and with a 16-bit
// GEMM after it the baseline at large M. Plain C++: pointers are device pointers.
//
//   out[n, k] = round(fl32(value * (multiplier[part of n] * unit)))        n < N, k < K
//
// value is what the reader of the layout and scheme gives (kernels/readers), unit what it lacks; of
// NVFP4 code * scale, which has at most 6 significant bits and is exact in f32. The product with
// the multiplier rounds once to f32, the last rounding is to the output type, both to nearest even.
// So f32 output has the bits of a GEMM with identity activations. A value beyond the output type's
// range becomes infinity as IEEE says, nothing saturates: f16 from 65520 up. Zeros carry the sign
// of their code; the sign of a block scale is ignored (UE4M3, as tensor cores take it), and scale
// 7F or FF gives NaN in the layouts that can hold it (plain, native).
//
// Nothing is allocated and nothing synchronises. Runs on sm_80 and newer.
#pragma once

#include <cstdint>

#include "kernels/cuda/runtime.h"
#include "kernels/gemm/gemm.h"
#include "src/base/result.h"

namespace imp::kernels {

/// One expert to out [N, K], row-major, rows `out_stride` elements apart; columns past K are left
/// as they are. `out` and each row of it start at multiples of 16 bytes. NVFP4 in plain (rows),
/// mma64 and native has kernels of its own; they want blocks, codes and block scales 16-byte
/// aligned (plain: codes 4-byte aligned). k_scale, k_gather and bias do not take part: columns come
/// in the order of the form. Errors: kUnsupportedLayout for a (layout, scheme, dialect) without a
/// reader; kBadShape for shapes (NVFP4: K a multiple of 16), parts, experts, strides, missing
/// pointers and alignments that do not fit (NVFP4 in mma64: parts but the last end at multiples of
/// 64 rows); kNoDevice for what the runtime says.
Status dequantise(const DeviceWeight& weight, uint32_t expert, void* out, Float out_type,
                  uint64_t out_stride, cuda::StreamHandle stream);

}  // namespace imp::kernels
