// A slab as the kernels' readers take it.
#pragma once

#include "kernels/cpu/gemm.h"
#include "src/verify/slab.h"

namespace imp::verify {

/// Spans of `slab`, which must outlive the result; n is the slab's rows.
kernels::PackedWeight packed_weight(const FormView& view, const StoredSlab& slab);

/// Backends have a reader for the form's layout, scheme and dialect, and the judge knows what the
/// weights must be.
bool has_reader(const FormView& view);

}  // namespace imp::verify
