// Activations to NVFP4 on the CPU: the byte-exact reference of the GPU kernel, written on its own
// from the same definition (kernels/activation/quantize_activation.h has the order of operations
// and the special cases).
#pragma once

#include <cstdint>

#include "src/base/dtype.h"
#include "src/base/file.h"
#include "src/base/result.h"

namespace imp::kernels {

/// X [m, k], bf16 or f16, rows `stride` elements apart.
struct ActivationMatrix {
  Bytes x;
  Dtype dtype = Dtype::kBF16;
  uint64_t m = 0;
  uint64_t k = 0;  ///< a multiple of 16
  uint64_t stride = 0;
};

/// gs of the dynamic way: fl32(max of |x| over finite x / 2688). Errors: kBadShape.
Result<float> cpu_activation_multiplier(const ActivationMatrix& matrix);

/// Row i of `codes` at i * 16 * ceil(k/32); `scales` in 128x4 order, padded to 128 rows and 4
/// groups. Every byte is written. REQUIRES: gs positive and finite, or 0 with a matrix of zeros.
/// Errors: kBadShape for a dtype, shape or span that does not fit.
Status cpu_quantize_activation(const ActivationMatrix& matrix, float gs, MutableBytes codes,
                               MutableBytes scales);

}  // namespace imp::kernels
