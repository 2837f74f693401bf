// Numerics level: the bundled GEMM on the packed bytes against dequant references.
//
//   identity   W through identity activations: each weight at its place, compared with ==
//   sparse     rows with at most 4 activations of +-1: sums are exact in f32 for NVFP4 (products
//   are multiples of 2^-10
//              below 2^12, so four of them need at most 24 bits), compared with ==
//   random     bf16 activations against a float64 product, within (K + 2) * 2^-23 * sum |x| |w|:
//   each of the K products and K - 1 sums of
//              f32 is off by at most 2^-24 of a partial sum, which sum |x| |w| bounds; the factor 2
//              covers second-order terms and the epilogue
#pragma once

#include <vector>

#include "formats/imp/reader.h"
#include "src/verify/problems.h"
#include "src/verify/slab.h"

namespace imp::verify {

struct NumericsCounts {
  uint64_t operands = 0;     ///< forms looked at
  uint64_t forms_total = 0;  ///< forms with a kernel in this backend
  uint64_t identity_weights = 0;
  uint64_t sparse_sums = 0;
  uint64_t random_sums = 0;
  uint64_t content_only = 0;  ///< GEMM forms without a kernel in this backend
};

/// Check the GEMM forms in `forms`, up to `budget_weights` weights (0: all), so chosen that each
/// (layout, scheme, role) is met first.
NumericsCounts check_numerics(const artifact::Reader& reader, const std::vector<uint32_t>& forms,
                              uint64_t budget_weights, uint64_t threads, Problems& problems);

/// The three comparisons on one slab. Errors: kNumericsMismatch naming row, column and both values.
Status check_slab(const FormView& view, const StoredSlab& slab, const CanonicalSlab& canonical,
                  NumericsCounts& counts);

/// The identity comparison alone: for negative controls.
Status check_identity(const FormView& view, const StoredSlab& slab, const CanonicalSlab& canonical,
                      uint64_t& weights);

}  // namespace imp::verify
