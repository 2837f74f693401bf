#include "src/bench/gate.h"

#include <cmath>
#include <cstdio>

#include "src/bench/float16.h"

namespace imp::bench {
namespace {

std::string place_text(uint64_t token, uint64_t row, double got, double want) {
  char text[128];
  std::snprintf(text, sizeof text, "token %llu, row %llu: %.6g instead of %.6g",
                static_cast<unsigned long long>(token), static_cast<unsigned long long>(row), got,
                want);
  return text;
}

/// Sums over the samples for the root mean squares.
struct Squares {
  double error = 0, want = 0, products = 0;
  uint64_t count = 0;
  double rms(double sum) const { return std::sqrt(sum / static_cast<double>(count)); }
};

GateResult check_against_reference(const Outputs& y, const Reference& reference, uint64_t k,
                                   float multiplier, double weight_unit) {
  const uint64_t rows = reference.rows.size();
  const double unit = unit_roundoff(y.f16);
  Squares squares;
  for (uint64_t i = 0; i < y.m; ++i)
    for (uint64_t r = 0; r < rows; ++r) {
      const uint64_t at = i * rows + r;
      const double want = reference.exact[at] * multiplier;
      const double got = float_of(y.last[i * y.n + reference.rows[r]], y.f16);
      const double magnitude = reference.magnitude[at];
      const double bound = element_bound(k, magnitude, want, multiplier, unit) +
                           weight_unit * magnitude * multiplier;
      if (!(std::fabs(got - want) <= bound))
        return {false, place_text(i, reference.rows[r], got, want)};
      squares.error += (got - want) * (got - want);
      squares.want += want * want;
      squares.products += reference.square[at];
      ++squares.count;
    }
  const double limit =
      rms_bound(k, squares.rms(squares.products), squares.rms(squares.want), multiplier, unit) +
      2 * weight_unit * squares.rms(squares.products) * multiplier;
  if (squares.rms(squares.error) <= limit) return {true, "ok"};
  char text[96];
  std::snprintf(text, sizeof text, "rms error %.4g above %.4g", squares.rms(squares.error), limit);
  return {false, text};
}

}  // namespace

double element_bound(uint64_t k, double magnitude, double want, double multiplier,
                     double output_unit) {
  const double sum = static_cast<double>(k + 2) * kTensorCoreUnit * magnitude * multiplier;
  return sum + output_unit * (std::fabs(want) + sum);
}

double rms_bound(uint64_t k, double rms_square_root, double rms_want, double multiplier,
                 double output_unit) {
  const double sum =
      2 * static_cast<double>(k + 2) * kTensorCoreUnit * rms_square_root * multiplier;
  return sum + output_unit * (rms_want + sum);
}

GateResult check_outputs(const Outputs& y, const Reference& reference, uint64_t k, float multiplier,
                         double weight_unit) {
  for (uint64_t at = 0; at < y.m * y.n; ++at)
    if (y.first[at] != y.last[at])
      return {false, "first call and last replay differ, " +
                         place_text(at / y.n, at % y.n, float_of(y.last[at], y.f16),
                                    float_of(y.first[at], y.f16))};
  return check_against_reference(y, reference, k, multiplier, weight_unit);
}

}  // namespace imp::bench
