// Between the checks (dequant.cpp) and the kernels: one expert, everything checked.
#pragma once

#include <cstdint>

#include "kernels/cuda/runtime.h"
#include "kernels/gemm/gemm.h"
#include "kernels/readers/weight_view.h"
#include "src/base/result.h"

namespace imp::kernels::dequant {

/// Where values go, and what they are multiplied by.
struct Output {
  const float* multiplier;  ///< [parts] of the expert
  uint64_t part_end[kMaxParts];
  uint32_t parts;
  uint64_t n;
  uint64_t k;
  void* out;
  uint64_t out_stride;  ///< elements
};

struct Arguments : Output {
  const uint8_t* codes;   ///< of the expert
  const uint8_t* scales;  ///< of the expert; null for mma64
};

struct ReaderArguments : Output {
  WeightView weight;  ///< of the expert
  float unit;         ///< what the reader's values lack
  Float type;         ///< of the output
};

/// Any weight that has a reader. REQUIRES: a reader for layout, scheme and dialect.
Status launch_reader(const ReaderArguments& arguments, cuda::StreamHandle stream);
Status launch_mma64(const Arguments& arguments, Float out_type, cuda::StreamHandle stream);
Status launch_native(const Arguments& arguments, Float out_type, cuda::StreamHandle stream);
Status launch_plain(const Arguments& arguments, Float out_type, cuda::StreamHandle stream);

}  // namespace imp::kernels::dequant
