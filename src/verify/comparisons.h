// What the results of a GEMM are held against, whoever computed them.
//
// Sparse rows have at most 4 activations of +-1. Sums are then exact for NVFP4, on f32 units as on
// tensor cores: products are multiples of 2^-10 below 2^12, so a sum of four is below 2^14 and
// needs at most 24 bits; an adder that aligns to its largest term keeps 24 bits from that term's
// leading one, which lies at 2^12 at most until the last sum. NVFP4 with groups of 32 has the same
// products. Codes without block scales are exact too: integers less their zero point are below 2^9,
// e4m3 codes multiples of 2^-9 below 2^9, so that sums of four need at most 11 and 20 bits; and
// integers under one 16-bit scale a row: 9 and 11 bits make a product of 20, a sum of 22, all
// multiples of the same power of two. Sums under scales that differ along K, of f32 scales (a
// product is rounded), of GGUF's blocks and of plain floats are not exact: they are held to the
// bound.
//
// Other engines' layouts: scales of NVFP4 in marlin are the source's, or zeros, times one power of
// two, and sums as exact. A min of machete is a multiple of its scale's last place, since what it
// is rounded from is one, and below 2^8 times the scale: under one pair a row a weight is below 2^9
// such multiples of 11 bits, a sum of four below 2^22. To the bound are held marlin_a0, in which a
// kernel takes e4m3 subnormals for some 2^-121 beside all other scales, max_sm8x, whose scales have
// eight bits of their own, and fp8 in marlin: a scale of eight bits on codes that span 18.
//
// Random rows are compared within a bound, sum_bound().
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "src/verify/gemm_backend.h"

namespace imp::verify {

/// Unit of sum_bound for f32 arithmetic that rounds each product and each sum once: K products and
/// K - 1 sums are each off by at most 2^-24 of a partial sum, which sum |x| |w| bounds; the factor
/// 2 covers second-order terms.
inline constexpr double kRoundingUnit = 0x1p-23;
/// Of tensor cores. Products of 16-bit values are exact. An instruction aligns up to 16 products
/// and the accumulator to the largest of them and cuts what lies below 24 significant bits: each of
/// 17/16 K terms loses less than 2^-23 of that largest, which sum |x| |w| bounds. Sums of split
/// parts (at most one a k-tile of 64, rounded) add K/64 * 2^-24. Together below K * 2^-22.
inline constexpr double kTensorCoreUnit = 0x1p-22;

/// Largest distance of y = fl(acc * multiplier) from the exact sum times the multiplier, over K
/// terms with sum |x| |w| = magnitude; the two extra terms are the epilogue's roundings. The second
/// summand: a product or sum that is subnormal is off by up to half of the smallest float.
double sum_bound(uint64_t k, double magnitude, double multiplier, double unit);

/// Rows of X, values that the activation type holds exactly.
struct Activations {
  uint64_t m = 0;
  uint64_t k = 0;
  std::vector<float> values;  ///< [m, k]
};
Activations sparse_activations(uint64_t m, uint64_t k, std::mt19937_64& random);
/// Normal distribution, rounded to f16 where `f16`, else to bf16.
Activations random_activations(uint64_t m, uint64_t k, bool f16, std::mt19937_64& random);
/// From operand, expert and row: the same slab meets the same activations in every run.
std::mt19937_64 random_of(const SlabUnderTest& slab);

/// X times the unscaled rows [row0, row0 + rows) of the slab, in float64.
struct ReferenceSums {
  uint64_t row0 = 0;
  uint64_t rows = 0;
  uint64_t m = 0;
  std::vector<double> exact;      ///< [rows, m]: sum of x * w
  std::vector<double> magnitude;  ///< [rows, m]: sum of |x| |w|
};
ReferenceSums reference_sums(const SlabUnderTest& slab, uint64_t row0, uint64_t rows,
                             const Activations& x);

/// Results of a kernel for slab rows from row0 on, epilogue included.
struct Results {
  const float* data;
  uint64_t x_stride;    ///< elements between rows of X
  uint64_t row_stride;  ///< elements between rows of the slab
  uint64_t row0 = 0;
  float at(uint64_t i, uint64_t row) const {
    return data[i * x_stride + (row - row0) * row_stride];
  }
};

/// Which kernel, for messages: "identity activations", "sparse activations on cuda (wgmma, ...)".
struct CheckName {
  std::string text;
};

/// Row i of X is 1 at columns[i] and 0 elsewhere; `weights` is the unscaled slab row `r`. With ==.
Status compare_columns(const SlabUnderTest& slab, const CheckName& name, uint64_t r,
                       std::span<const float> weights, float multiplier,
                       std::span<const uint64_t> columns, const Results& got);

enum class Tolerance : uint8_t { kExact, kBound };
/// The first `m` rows of X. `unit` is that of sum_bound, used for kBound.
Status compare_sums(const SlabUnderTest& slab, const CheckName& name, const ReferenceSums& want,
                    uint64_t m, std::span<const float> multipliers, Tolerance tolerance,
                    double unit, const Results& got);

/// Where sums of four weights are exact whatever their order.
Tolerance sparse_tolerance(const FormView& view);

}  // namespace imp::verify
