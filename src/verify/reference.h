// Dequantised rows of a canonical slab, by the codecs of src/quant: what a kernel's results are
// held against.
#pragma once

#include <vector>

#include "src/verify/slab.h"

namespace imp::verify {

/// Bits of the f32 that a kernel multiplies by for this scalar: the value, fl32(1 / value) of a
/// divisor, the NaN 0x7FC00000 where the source has none (formats/imp/SPEC.md, component kinds).
uint32_t kernel_bits(const artifact::ScalarRecord& scalar);

/// Multiplier of each row of the slab: the part's, as a kernel uses it; 1 where the scheme has
/// none.
std::vector<float> row_multipliers(const FormView& view, const StoredSlab& slab);

/// Weight (row, k) without the multiplier: e2m1 * e4m3, or the plain value. Exact in f32.
/// REQUIRES: a scheme for which has_reference().
void unscaled_row(const FormView& view, const CanonicalSlab& canonical, uint64_t row,
                  std::vector<float>& out);
bool has_reference(const FormView& view);

}  // namespace imp::verify
