// Between the checks (dequant.cpp) and the kernels: one expert, everything checked.
#pragma once

#include <cstdint>

#include "kernels/cuda/runtime.h"
#include "kernels/gemm/gemm.h"
#include "src/base/result.h"

namespace imp::kernels::dequant {

struct Arguments {
  const uint8_t* codes;     ///< of the expert
  const uint8_t* scales;    ///< of the expert; null for mma64
  const float* multiplier;  ///< [parts] of the expert
  uint64_t part_end[kMaxParts];
  uint32_t parts;
  uint64_t n;
  uint64_t k;
  void* out;
  uint64_t out_stride;  ///< elements
};

Status launch_mma64(const Arguments& arguments, Float out_type, cuda::StreamHandle stream);
Status launch_native(const Arguments& arguments, Float out_type, cuda::StreamHandle stream);
Status launch_plain(const Arguments& arguments, Float out_type, cuda::StreamHandle stream);

}  // namespace imp::kernels::dequant
