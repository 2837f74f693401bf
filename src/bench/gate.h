// Whether a result may be printed with a time: the first call and the last replay agree bit for
// bit, and both with a float64 product on sampled rows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/bench/weights.h"

namespace imp::bench {

/// u = 2^-22 of tensor cores: products of 16-bit values are exact; an instruction aligns 16
/// products and the accumulator to the largest and cuts below 24 significant bits, so that each of
/// 17/16 K terms loses less than 2^-23 of it, and sums of split parts add at most K/64 * 2^-24.
inline constexpr double kTensorCoreUnit = 0x1p-22;

/// Largest distance of one output: (K + 2) u sum|x||w| from the sum (the 2 is the epilogue), times
/// the multiplier, then one rounding to the output type.
double element_bound(uint64_t k, double magnitude, double want, double multiplier,
                     double output_unit);

/// Largest root mean square distance over many outputs. The bound above lets a lost k-tile pass.
/// For products of random sign a partial sum, whatever its terms, has a mean square of at most the
/// sum of squares q^2 of all products; each of the (K + 2) cuts is at most u times a partial sum,
/// and root mean squares of sums are at most the sums of root mean squares: (K + 2) u q. Twice
/// that, for the sample's own scatter; then the output's rounding. A lost k-tile gives sqrt(64 / K)
/// q: five times more at K = 21504.
double rms_bound(uint64_t k, double rms_square_root, double rms_want, double multiplier,
                 double output_unit);

struct GateResult {
  bool good = false;
  std::string text = "not run";  ///< "ok", or what is wrong and where
};

/// Outputs as 16-bit values [m, n] row-major, of the first `m` tokens of the reference (of all
/// where there are several experts).
struct Outputs {
  const std::vector<uint16_t>& first;
  const std::vector<uint16_t>& last;
  uint64_t m;
  uint64_t n;
  bool f16;
};
/// `weight_unit`: relative error of each weight, 0 for exact ones; half an ulp of the 16-bit type
/// where weights were rounded to it, independently, so that it adds weight_unit * q to the root
/// mean square.
GateResult check_outputs(const Outputs& y, const Reference& reference, uint64_t k, float multiplier,
                         double weight_unit);

}  // namespace imp::bench
