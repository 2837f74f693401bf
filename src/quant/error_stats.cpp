#include "src/quant/error_stats.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace imp::quant {

void ErrorStats::add(std::span<const double> source, std::span<const double> result) {
  count += source.size();
  for (uint64_t i = 0; i < source.size(); ++i) {
    const double error = std::fabs(result[i] - source[i]);
    squares += source[i] * source[i];
    error_squares += error * error;
    largest_error = std::max(largest_error, error);
  }
}

void ErrorStats::add(const ErrorStats& other) {
  count += other.count;
  squares += other.squares;
  error_squares += other.error_squares;
  largest_error = std::max(largest_error, other.largest_error);
}

double ErrorStats::relative_rms() const {
  return error_squares == 0 ? 0.0 : std::sqrt(error_squares / squares);
}

double ErrorStats::snr_db() const {
  if (error_squares == 0) return std::numeric_limits<double>::infinity();
  return 10.0 * std::log10(squares / error_squares);
}

}  // namespace imp::quant
