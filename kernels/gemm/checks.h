// What a call must fulfil before anything is launched.
#pragma once

#include "kernels/gemm/args.h"

namespace imp::kernels {

/// Shapes, strides, parts, types and the scheme; with `pointers`, the pointers too.
Status check_call(const GemmCall& call, bool pointers);

}  // namespace imp::kernels
