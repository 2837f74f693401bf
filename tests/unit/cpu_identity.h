// A weight as the CPU's GEMM sees it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/cpu/gemm.h"

namespace imp::kernels {

/// Values [n, k] by identity activations, tile after tile.
inline std::vector<float> identity(const PackedWeight& weight) {
  std::vector<float> out(weight.n * weight.k, std::numeric_limits<float>::quiet_NaN());
  for (uint64_t n0 = 0; n0 < weight.n; n0 += kTileRows) {
    const uint64_t rows = std::min(kTileRows, weight.n - n0);
    EXPECT_TRUE(cpu_gemm_identity(weight, n0, rows, &out[n0 * weight.k]).ok());
  }
  return out;
}

}  // namespace imp::kernels
