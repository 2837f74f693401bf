// Activations to NVFP4, as the block-scaled MMA takes them: e2m1 codes, an e4m3 scale per 16 along
// K, one f32 for all of X. Plain C++: pointers are device pointers.
//
//   x[i, k] ~ code * scale * gs,    gs: the activation multiplier ("input_scale" of ModelOpt,
//                                   1 / input_global_scale of compressed-tensors)
//
// For each group of 16, every operation in f32, rounded once to nearest even (no approximate
// reciprocals, nothing contracted):
//
//   a = max |x|                             exact
//   t = a / (6 * gs)                        the product first, then the division
//   scale = e4m3(min(max(t, 2^-9), 448))    to nearest even
//   d = scale * gs
//   code = e2m1(x / d)                      to nearest even, saturating at 6; sign set iff x < 0
//
// That is the order in which ModelOpt quantises (checkpoint-formats 3.5, 10), whose scale of a
// group of zeros is 1. Inference kernels that multiply by approximate reciprocals instead differ
// from it near ties, and they flush groups with t <= 2^-10, which keep the smallest scale here.
//
//   a = 0, or d = 0 (gs below 2^-140)   scale 00, codes 0
//   a NaN or an infinity in the group   scale 7F (NaN), codes 0: the rows of Y become NaN
//
// k_scale and k_gather of the weight have been applied to x before.
//
// Dynamic: gs = A / 2688, A = max |x| over the finite x of the whole matrix (2688 = 6 * 448); 0 for
// a matrix of zeros. A maximum does not depend on its order, so the bytes do not either.
//
// kernels/cpu/quantize_activation.h gives the same bytes. Runs on sm_80 and newer. Nothing is
// allocated and nothing synchronises: calls can be captured in a CUDA graph.
#pragma once

#include <cstdint>

#include "kernels/cuda/runtime.h"
#include "kernels/gemm/gemm.h"
#include "src/base/result.h"

namespace imp::kernels {

enum class ActivationScale : uint8_t {
  kStatic,   ///< `multiplier` holds gs: of fused parts the maximum of their input scales
  kDynamic,  ///< gs is computed and written to `multiplier`
};

struct QuantizeActivationCall {
  const void* x = nullptr;  ///< [m, k], rows x_stride elements apart; rows start at multiples of 16
                            ///< bytes
  Float x_type = Float::kBf16;  ///< kBf16 or kF16
  uint64_t m = 0;
  uint64_t k = 0;  ///< a multiple of 16
  uint64_t x_stride = 0;

  ActivationScale scale = ActivationScale::kStatic;
  float* multiplier = nullptr;    ///< gs, one f32. REQUIRES for kStatic: positive and finite
  uint32_t* workspace = nullptr;  ///< kDynamic only: one word, needs no initial value

  /// activation_code_bytes(m, k), 16-byte aligned: row i at i * 16 * ceil(k/32), even k in the low
  /// nibble, the rest of a row zeros.
  void* codes = nullptr;
  /// activation_scale_bytes(m, k), 16-byte aligned: sf128x4 (kernel-layouts 8.2), rows padded to
  /// 128 and groups to 4 with zeros.
  void* scales = nullptr;
};

/// REQUIRES: m and k at most 2^31.
constexpr uint64_t activation_code_bytes(uint64_t m, uint64_t k) {
  return m * ((k + 31) / 32) * 16;
}
constexpr uint64_t activation_scale_bytes(uint64_t m, uint64_t k) {
  return (m + 127) / 128 * ((k + 63) / 64) * 512;
}

/// Every byte of codes and scales is written. m = 0 launches nothing. Errors: kBadShape for shapes,
/// strides, missing pointers, alignments and an x_type of f32; kNoDevice for what the runtime says.
Status quantize_activation(const QuantizeActivationCall& call, cuda::StreamHandle stream);

}  // namespace imp::kernels
