// Numerics level: a bundled GEMM on the packed bytes against dequant references.
//
//   identity   W through identity activations: each weight at its place, compared with ==
//   sparse     rows with at most 4 activations of +-1: compared with == where the scheme makes sums
//              exact, else within the bound
//   random     16-bit activations against a float64 product, within a derived bound
//
// The reasons are in comparisons.h. On a GPU one slab of each (layout, scheme) also runs through
// every kernel that the device has, at numbers of rows on both sides of each switch of the
// dispatcher, with bf16 and f16 activations.
#pragma once

#include <vector>

#include "formats/imp/reader.h"
#include "src/verify/gemm_backend.h"
#include "src/verify/problems.h"
#include "src/verify/slab.h"

namespace imp::verify {

/// Check the GEMM forms in `forms`, up to `budget_weights` weights (0: all), so chosen that each
/// (layout, scheme, role) is met first. Forms that `cuda` serves run there, the others on the CPU;
/// null: all on the CPU.
NumericsCounts check_numerics(const artifact::Reader& reader, const std::vector<uint32_t>& forms,
                              uint64_t budget_weights, uint64_t threads, Problems& problems,
                              GemmBackend* cuda = nullptr);

/// The three comparisons on one slab, on the CPU.
/// Errors: kNumericsMismatch naming row, column and both values.
Status check_slab(const FormView& view, const StoredSlab& slab, const CanonicalSlab& canonical,
                  NumericsCounts& counts);

}  // namespace imp::verify
