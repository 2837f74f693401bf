// What a GEMM on the card must give: exactly, where f32 sums cannot round, and within a bound.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "src/quant/bf16.h"
#include "src/quant/f16.h"
#include "tests/unit/gpu.h"
#include "tests/unit/gpu_gemm_case.h"

namespace imp::testing {

using kernels::GemmKernel;

class GpuGemm : public GpuTest {
 protected:
  std::vector<GemmKernel> kernels() const {
    std::vector<GemmKernel> all = {GemmKernel::kMmaDecode, GemmKernel::kMmaTiled};
    if (has_wgmma()) all.push_back(GemmKernel::kWgmma);
    return all;
  }
  bool has_wgmma() const { return device().sm == 90; }
  std::vector<uint64_t> rows_for(GemmKernel kernel) const {
    if (kernel == GemmKernel::kMmaDecode) return {1, 2, 7, 8, 9, 15, 16};
    return {1, 8, 17, 31, 32, 33, 63, 64, 65, 100, 128, 129, 200, 256, 257, 300, 513};
  }
};

inline std::string where(GemmKernel kernel, uint64_t m, uint64_t i, uint64_t n) {
  return std::string(kernels::gemm_kernel_name(kernel)) + ", m " + std::to_string(m) + ", row " +
         std::to_string(i) + ", n " + std::to_string(n);
}

inline float rounded(Float type, double value) {
  switch (type) {
    case Float::kBf16:
      return quant::bf16_to_float(quant::bf16_from_float(static_cast<float>(value)));
    case Float::kF16:
      return quant::f16_to_float(quant::f16_from_float(static_cast<float>(value)));
    default:
      return static_cast<float>(value);
  }
}

/// Sums of four +-1 and weights are multiples of a power of two and fit the 24 bits of f32 (of
/// NVFP4 2^-10 and 2^14; the others' scales are chosen so), so every order of summing gives the
/// same f32, and only the multiplication and the rounding of Y are left.
inline void expect_exact(GemmCase& c, const Rows& x, const GemmOptions& options) {
  const std::vector<float> y = c.run(x, options);
  for (uint64_t i = 0; i < x.m; ++i)
    for (uint64_t n = 0; n < c.shape().n; ++n) {
      const auto sums = c.sums(x, i, 0, n);
      const float scaled = static_cast<float>(sums.exact) * c.multiplier(0, n);
      const float want = rounded(options.y_type, c.shape().bias ? scaled + c.bias(0, n) : scaled);
      ASSERT_EQ(y[i * c.shape().n + n], want) << where(options.kernel, x.m, i, n);
    }
}

/// Tensor cores align the products of a step to the largest and truncate: at most 2^-22 of the sum
/// of magnitudes for each MMA of 16 columns; partial sums of warps and CTAs add one f32 rounding
/// (2^-24) each, of which there are fewer than 200. The epilogue and Y round once each. Int4 adds
/// up its groups by FMAs, one f32 rounding for each 32 columns at most, and inside a group
/// truncation is against that group's magnitude alone: the sum of both is below what the steps are
/// allowed.
inline double bound(const GemmCase& c, double magnitude, double value, uint32_t expert, uint64_t n,
                    Float y_type) {
  const double steps = static_cast<double>((c.shape().k + 63) / 64 * 4);
  const double unit = y_type == Float::kF32 ? 0x1p-24 : y_type == Float::kF16 ? 0x1p-11 : 0x1p-8;
  const double smallest = y_type == Float::kF16 ? 0x1p-24 : 0x1p-126;
  return (steps * 0x1p-22 + 200 * 0x1p-24) * magnitude * c.multiplier(expert, n) +
         std::fabs(value) * (unit + 0x1p-22) + smallest;
}

inline void expect_close(GemmCase& c, const Rows& x, const GemmOptions& options,
                         uint64_t row_step = 1) {
  const std::vector<float> y = c.run(x, options);
  for (uint64_t i = 0; i < x.m; i += row_step) {
    uint32_t expert = 0;
    if (!options.rows_end.empty()) {
      while (expert < options.rows_end.size() && i >= options.rows_end[expert]) ++expert;
      if (expert == options.rows_end.size()) continue;
    }
    for (uint64_t n = 0; n < c.shape().n; ++n) {
      const auto sums = c.sums(x, i, expert, n);
      const double want = sums.exact * c.multiplier(expert, n) + c.bias(expert, n);
      const float got = y[i * c.shape().n + n];
      ASSERT_LE(std::fabs(got - want),
                bound(c, sums.magnitude, std::fabs(want) + std::fabs(c.bias(expert, n)), expert, n,
                      options.y_type))
          << where(options.kernel, x.m, i, n) << ": got " << got << ", want " << want;
    }
  }
}

}  // namespace imp::testing
