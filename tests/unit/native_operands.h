// Operands of the native GEMM and their product, read by the CPU backend: X and W lie in memory
// alike.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "tests/unit/dequant_expected.h"

namespace imp::test {

struct NativeOperand {
  explicit NativeOperand(const Nvfp4Matrix& matrix)
      : rows(matrix.codes.rows),
        k(matrix.codes.columns),
        form(pack_form(matrix, kNativeLayout)),
        value(rows * k, std::numeric_limits<float>::quiet_NaN()) {
    kernels::PackedWeight weight{kNativeLayout, kNvfp4Scheme, Dtype::kU8, form.codes,
                                 form.scales,   rows,         k};
    for (uint64_t n0 = 0; n0 < rows; n0 += kernels::kTileRows)
      EXPECT_TRUE(kernels::cpu_gemm_identity(weight, n0, std::min(kernels::kTileRows, rows - n0),
                                             &value[n0 * k])
                      .ok());
  }
  uint64_t rows;
  uint64_t k;
  PackedForm form;
  std::vector<float> value;  ///< code * scale, [rows, k]
};

struct Dot {
  double sum = 0;
  double magnitudes = 0;  ///< of the products
};
inline Dot dot(const NativeOperand& x, uint64_t i, const NativeOperand& w, uint64_t n) {
  Dot out;
  for (uint64_t k = 0; k < x.k; ++k) {
    const double product = double{x.value[i * x.k + k]} * w.value[n * w.k + k];
    out.sum += product;
    out.magnitudes += std::fabs(product);
  }
  return out;
}

/// Any code, scales from 2^-4 to 15/8: products are multiples of 2^-16 below 128, so that a double
/// holds every sum exactly.
inline Nvfp4Matrix moderate_matrix(size_t rows, size_t k, uint32_t seed) {
  Nvfp4Matrix matrix = random_matrix(rows, k, seed);
  for (uint8_t& scale : matrix.scales.at) scale = static_cast<uint8_t>(0x18 + scale % 40);
  return matrix;
}

/// Any code, all scales 1: products are multiples of 1/4, at most 36.
inline Nvfp4Matrix unit_scale_matrix(size_t rows, size_t k, uint32_t seed) {
  Nvfp4Matrix matrix = random_matrix(rows, k, seed);
  std::ranges::fill(matrix.scales.at, uint8_t{0x38});
  return matrix;
}

/// Row i has the code of 1 at column first + i, and zeros.
inline Nvfp4Matrix identity_rows(size_t rows, size_t k, size_t first) {
  Nvfp4Matrix matrix{{rows, k, std::vector<uint8_t>(rows * k)},
                     {rows, k / 16, std::vector<uint8_t>(rows * (k / 16), 0x38)}};
  for (size_t i = 0; i < rows; ++i) matrix.codes.at[i * k + first + i] = 2;
  return matrix;
}

}  // namespace imp::test
