// Between the checks (native_nvfp4.cpp) and the kernel: one expert, everything checked.
#pragma once

#include <cstdint>

#include "kernels/cuda/runtime.h"
#include "kernels/gemm/gemm.h"
#include "src/base/result.h"

namespace imp::kernels::native {

struct Arguments {
  const uint8_t* x_codes;
  const uint8_t* x_scales;
  const uint8_t* w_codes;
  const uint8_t* w_scales;
  const float* multiplier;  ///< [parts]
  const float* x_multiplier;
  const void* bias;  ///< [n] or null
  void* y;
  uint64_t y_stride;
  uint64_t part_end[kMaxParts];
  uint32_t parts;
  uint32_t m;
  uint32_t n;
  uint32_t k;
  Float bias_type;
  bool has_pair_stores;  ///< two neighbours of a row of y can be stored at once
};

/// The small tile is for few rows of X.
inline constexpr uint32_t kMaxSmallRows = 32;

Status launch(const Arguments& arguments, Float y_type, cuda::StreamHandle stream);

}  // namespace imp::kernels::native
