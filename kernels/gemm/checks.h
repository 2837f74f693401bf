// What a call must fulfil before anything is launched.
#pragma once

#include <optional>

#include "kernels/gemm/args.h"

namespace imp::kernels {

/// What the kernels other than kScalar see in this weight; nothing where they do not take it.
std::optional<Mma64Format> tuned_format(const DeviceWeight& weight);
bool has_tuned_kernels(const DeviceWeight& weight);

/// Shapes, strides, parts, types and the scheme; with `pointers`, the pointers too.
Status check_call(const GemmCall& call, bool pointers);

}  // namespace imp::kernels
