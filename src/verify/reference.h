// Dequantised rows of a canonical slab, by the codecs of src/quant: what a kernel's results are
// held against.
#pragma once

#include <vector>

#include "src/verify/slab.h"

namespace imp::verify {

/// Bits of the f32 that a kernel takes for this scalar: the value, fl32(1 / value) of a divisor,
/// the NaN 0x7FC00000 where the source has none or an unused input scale, 1 for an unused
/// multiplier (formats/imp/SPEC.md, component kinds and scalar states).
uint32_t kernel_bits(const artifact::ScalarRecord& scalar, artifact::ComponentKind kind);

/// Of the canonical block scales.
Dtype scale_dtype(const FormView& view);

/// The part's multiplier for an expert, as a kernel uses it; 1 where the scheme has none.
float part_multiplier(const FormView& view, const artifact::PartRecord& part, uint64_t expert);

/// Multiplier of each row of the slab: the part's; 1 where unscaled_row has it in the weights
/// (has_folded_multiplier).
std::vector<float> row_multipliers(const FormView& view, const SlabPlanes& slab);
/// What the form gives a kernel for each row of the slab.
std::vector<float> kernel_multipliers(const FormView& view, const StoredSlab& slab);

/// Weight (row, k) without the multiplier: (code - zero point) * block scale, or the plain value.
/// Exact in f32 but under f32 scales, where it is rounded once, as in a kernel; columns in the
/// order of the form. Under the layout of another engine what its kernel takes the packed bytes for
/// (engine_reference.h). REQUIRES: a scheme for which has_reference().
void unscaled_row(const FormView& view, const CanonicalSlab& canonical, uint64_t row,
                  std::vector<float>& out);
bool has_reference(const FormView& view);

}  // namespace imp::verify
