// The scalar GEMM: CUDA cores and readers, for every (layout, scheme) that has one.
#pragma once

#include "kernels/gemm/args.h"
#include "kernels/gemm/device_view.h"

namespace imp::kernels {

/// X and Y as every kernel takes them (x, m, n, k, rows_end, epilogue), and where W lies.
struct ScalarArgs {
  GemmArgs gemm;
  DeviceView weight;
  float unit = 1.0f;  ///< what the accumulator lacks besides the part's multiplier
  Float x_type = Float::kBf16;
};

/// REQUIRES: a reader for the weight's layout, scheme and dialect.
Status launch_scalar(const ScalarArgs& args, cuda::StreamHandle stream);

}  // namespace imp::kernels
