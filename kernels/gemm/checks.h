// What a call must fulfil before anything is launched.
#pragma once

#include "kernels/gemm/args.h"

namespace imp::kernels {

/// Kernels other than kScalar take this layout and scheme.
bool has_tuned_kernels(const DeviceWeight& weight);

/// Shapes, strides, parts, types and the scheme; with `pointers`, the pointers too.
Status check_call(const GemmCall& call, bool pointers);

}  // namespace imp::kernels
