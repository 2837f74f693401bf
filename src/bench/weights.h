// Random weights in canonical form, and what a float64 product makes of some of their rows.
#pragma once

#include <cstdint>
#include <vector>

#include "src/base/file.h"

namespace imp::bench {

struct Shape {
  uint64_t n = 0;
  uint64_t k = 0;
  uint64_t experts = 1;
  uint64_t weights() const { return n * k * experts; }
};

enum class Scheme : uint8_t { kNvfp4, kMxfp4, kInt4 };

struct WeightKind {
  Scheme scheme = Scheme::kNvfp4;
  uint64_t group = 16;       ///< codes along K under one scale: 16, 32, of int4 a multiple of 32
  bool zero_points = false;  ///< of int4
};

/// Codes of all values and signs; e4m3 scales over the whole legal range 0x01..0x7E, e8m0 ones
/// 2^-17 to 2^-1, bf16 ones of int4 from 2^-9 to 2^-1: with them, all bits of a packed block vary.
/// Expert e follows expert e - 1.
struct CanonicalWeights {
  Shape shape;
  WeightKind kind;
  std::vector<std::byte> codes;   ///< [experts * n, k / 2], even k in the low nibble
  std::vector<std::byte> scales;  ///< [experts * n, groups()], of int4 two bytes each
  std::vector<std::byte>
      zero_points;  ///< [experts * n, groups() / 2 rounded up], as codes, or none
  uint64_t groups() const { return (shape.k + kind.group - 1) / kind.group; }
  static CanonicalWeights random(const Shape& shape, uint64_t seed, const WeightKind& kind = {});
  /// Weight (row, column): code, less the zero point of int4, times scale; exact. `row` counts
  /// through all experts.
  float at(uint64_t row, uint64_t column) const;
};

/// Rows of X as bits: normal distribution, cut to the type.
std::vector<uint16_t> random_activations(uint64_t m, uint64_t k, bool f16, uint64_t seed);

/// Column of X at place `place` of a row in the layout's order (kernel-layouts section 13): in each
/// 64 columns, step t has the 16 places 16t..16t+15; its places 2c, 2c+1 hold columns 16c + 4t + 0,
/// 1 and its places 8 + 2c, 9 + 2c hold columns 16c + 4t + 2, 3.
uint64_t column_of_place(uint64_t place);
/// Rows of X in that order, padded with zeros to a multiple of 64 columns.
std::vector<uint16_t> in_layout_order(const std::vector<uint16_t>& x, uint64_t m, uint64_t k);

/// Rows of W that a check looks at: 16 of the first tile of 64, 16 of the last, 64 spread between.
std::vector<uint64_t> sampled_rows(uint64_t n);

/// Product of X with sampled rows. Tokens of expert e are rows [e * m / experts, (e + 1) * m /
/// experts) of X.
struct Reference {
  std::vector<uint64_t> rows;  ///< of each expert's W
  uint64_t m = 0;
  std::vector<double> exact;      ///< [m, rows]: sum of x * w
  std::vector<double> magnitude;  ///< [m, rows]: sum of |x| |w|
  std::vector<double> square;     ///< [m, rows]: sum of (x w)^2
};
/// REQUIRES: m a multiple of shape.experts.
Reference reference(const CanonicalWeights& weights, const std::vector<uint16_t>& x, uint64_t m,
                    bool f16, uint64_t threads);

}  // namespace imp::bench
