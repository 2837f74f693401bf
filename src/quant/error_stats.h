// How far values of one form are from those of another: what --transcode reports.
#pragma once

#include <cstdint>
#include <span>

namespace imp::quant {

/// Sums over values; the same whatever way they are cut into pieces, up to the rounding of doubles:
/// add pieces in one order for a result that does not depend on threads.
struct ErrorStats {
  uint64_t count = 0;
  double squares = 0;        ///< of the source
  double error_squares = 0;  ///< of result - source
  double largest_error = 0;  ///< magnitude

  /// REQUIRES: equal sizes, finite values.
  void add(std::span<const double> source, std::span<const double> result);
  void add(const ErrorStats& other);

  /// sqrt(error_squares / squares): 0 without an error, infinite for an error of a source of zeros.
  double relative_rms() const;
  /// 10 log10(squares / error_squares) in dB: infinite without an error.
  double snr_db() const;
};

}  // namespace imp::quant
