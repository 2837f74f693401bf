#include "src/verify/comparisons.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "src/quant/bf16.h"
#include "src/quant/f16.h"
#include "src/verify/engine_form.h"
#include "src/verify/reference.h"

namespace imp::verify {
namespace {

constexpr uint64_t kSparseNonzeros = 4;

std::string value_text(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

Error mismatch(const SlabUnderTest& slab, const CheckName& name, uint64_t row,
               const std::string& column, double got, double want) {
  const FormView& view = slab.view;
  return Error{
      ErrorKind::kNumericsMismatch,
      name.text + ": row " + std::to_string(slab.stored.row0 + row) +
          (view.operand.experts > 1 ? " of expert " + std::to_string(slab.stored.expert) : "") +
          column + ": kernel gives " + value_text(got) + ", reference " + value_text(want),
      view.reader.path(), view.name()};
}

/// A source may hold Inf or NaN in unquantised weights; they must stay what they are.
bool both_not_finite(float got, double want) {
  return !std::isfinite(got) && !std::isfinite(static_cast<float>(want));
}

}  // namespace

Tolerance sparse_tolerance(const FormView& view) {
  const model::Scheme scheme = view.scheme();
  // In marlin_a0 scales of 2^-121 may stand beside the others, in max_sm8x they have eight bits.
  if (model::has_two_levels(scheme))
    return view.layout() == layouts::LayoutId::kMarlinA0 ||
                   view.layout() == layouts::LayoutId::kMaxSm8x
               ? Tolerance::kBound
               : Tolerance::kExact;
  const bool codes_alone =
      model::code_bits(scheme) != 0 && view.operand.group_size == 0 && !has_folded_multiplier(view);
  const Dtype scales = scale_dtype(view);
  const bool row_scale = model::is_integer(scheme) && view.groups() == 1 &&
                         (scales == Dtype::kBF16 || scales == Dtype::kF16);
  return codes_alone || row_scale ? Tolerance::kExact : Tolerance::kBound;
}

double sum_bound(uint64_t k, double magnitude, double multiplier, double unit) {
  return static_cast<double>(k + 2) *
         (unit * magnitude * multiplier + 0x1p-149 * (1.0 + multiplier));
}

Activations sparse_activations(uint64_t m, uint64_t k, std::mt19937_64& random) {
  Activations x{m, k, std::vector<float>(m * k, 0.0f)};
  for (uint64_t i = 0; i < m; ++i)
    for (uint64_t j = 0; j < kSparseNonzeros; ++j)
      x.values[i * k + random() % k] = random() % 2 == 0 ? 1.0f : -1.0f;
  return x;
}

Activations random_activations(uint64_t m, uint64_t k, bool f16, std::mt19937_64& random) {
  Activations x{m, k, std::vector<float>(m * k)};
  std::normal_distribution<float> normal;
  for (float& value : x.values) {
    const float v = normal(random);
    value = f16 ? quant::f16_to_float(quant::f16_from_float(v))
                : quant::bf16_to_float(quant::bf16_from_float(v));
  }
  return x;
}

std::mt19937_64 random_of(const SlabUnderTest& slab) {
  return std::mt19937_64(slab.view.operand.execution_index * 1000003ull +
                         slab.stored.expert * 1009ull + slab.stored.row0);
}

ReferenceSums reference_sums(const SlabUnderTest& slab, uint64_t row0, uint64_t rows,
                             const Activations& x) {
  ReferenceSums sums{row0, rows, x.m, std::vector<double>(rows * x.m),
                     std::vector<double>(rows * x.m)};
  std::vector<float> w;
  for (uint64_t r = 0; r < rows; ++r) {
    unscaled_row(slab.view, slab.canonical, row0 + r, w);
    for (uint64_t i = 0; i < x.m; ++i) {
      double exact = 0, magnitude = 0;
      for (uint64_t k = 0; k < x.k; ++k) {
        const double product = static_cast<double>(x.values[i * x.k + k]) * w[k];
        exact += product;
        magnitude += std::fabs(product);
      }
      sums.exact[r * x.m + i] = exact;
      sums.magnitude[r * x.m + i] = magnitude;
    }
  }
  return sums;
}

Status compare_columns(const SlabUnderTest& slab, const CheckName& name, uint64_t r,
                       std::span<const float> weights, float multiplier,
                       std::span<const uint64_t> columns, const Results& got) {
  for (uint64_t i = 0; i < columns.size(); ++i) {
    const float value = got.at(i, r);
    const float want = weights[columns[i]] * multiplier;
    if (!(value == want) && !(std::isnan(value) && std::isnan(want)))
      return mismatch(slab, name, r, ", column " + std::to_string(columns[i]), value, want);
  }
  return {};
}

/// Above this a partial sum may pass the largest f32, and what comes out depends on the order.
constexpr double kMayOverflow = 0x1p127;

Status compare_sums(const SlabUnderTest& slab, const CheckName& name, const ReferenceSums& want,
                    uint64_t m, std::span<const float> multipliers, Tolerance tolerance,
                    double unit, const Results& got) {
  for (uint64_t r = 0; r < want.rows; ++r) {
    const float multiplier = multipliers[want.row0 + r];
    for (uint64_t i = 0; i < m; ++i) {
      if (want.magnitude[r * want.m + i] >= kMayOverflow) continue;
      const float value = got.at(i, want.row0 + r);
      const double expected = want.exact[r * want.m + i] * multiplier;
      const double bound =
          sum_bound(slab.view.operand.k, want.magnitude[r * want.m + i], multiplier, unit);
      const bool good = tolerance == Tolerance::kExact ? value == static_cast<float>(expected)
                                                       : std::fabs(value - expected) <= bound ||
                                                             both_not_finite(value, expected);
      if (!good)
        return mismatch(slab, name, want.row0 + r, ", X row " + std::to_string(i), value, expected);
    }
  }
  return {};
}

}  // namespace imp::verify
