// What the layouts of other engines (marlin, max_sm8x, machete: kernels/layouts/README.md) have in
// common as components: one padded matrix for all parts, and planes in which rows of W are strided
// columns.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/layouts/padded_shape.h"
#include "src/verify/components.h"
#include "src/verify/planes.h"
#include "src/verify/slab.h"

namespace imp::verify {

/// The shape that padding follows from. Of experts gate and up are padded each for itself, in one
/// part or in two.
layouts::MatrixShape engine_shape(const FormView& view);
layouts::PaddedShape engine_padded(const FormView& view);

/// Rows of the padded matrix.
struct PackedRange {
  uint64_t row0 = 0;
  uint64_t rows = 0;
};
/// Where the operand's rows [row0, row0 + rows) lie, with the padding that follows them. REQUIRES:
/// row0 a slab's first row, its end slab_end's.
PackedRange packed_range(const FormView& view, uint64_t row0, uint64_t rows);
/// Row behind the half (or the operand) in which `row` lies: no slab goes past it.
uint64_t padded_end(const FormView& view, uint64_t row);

/// One scale a row: of integers and fp8 without groups, or with one group.
bool has_row_scales(const FormView& view);
/// Groups along K of the padded matrix: 1 for a scale a row.
uint64_t engine_groups(const FormView& view);
/// Bytes of `rows` packed rows in component `plane`, all steps along K together.
uint64_t engine_bytes(const FormView& view, artifact::ComponentKind plane, uint64_t rows);

/// Component `plane` of a slab, piece after piece. `out` is resized. REQUIRES: slab.padded_rows.
/// Errors: kBadRecord if there is none; kIo, kTruncated.
Status read_engine_plane(const FormView& view, artifact::ComponentKind plane,
                         const StoredSlab& slab, std::vector<std::byte>& out);

/// Dialect, padded shape, presence, dtypes and shapes of all components that hold weights. Errors:
/// kUnsupportedVersion, kUnsupportedScheme, kBadRecord, kBadShape.
Status check_engine_form(const FormView& view, const PlaneTable& planes);

/// What a kernel multiplies the accumulators of each part by besides the unit of the layout: of
/// marlin with NVFP4 one number for all parts, 1 where it is folded into scales. REQUIRES: checked
/// components. Errors: kIo, kTruncated.
Result<std::vector<float>> stored_multipliers(const FormView& view, uint64_t expert);

/// The multipliers of the parts are in the scales: the form has no component for them.
bool has_folded_multiplier(const FormView& view);
/// Component multiplier of these layouts against the index: presence and, but for the power of two
/// of marlin that only the content tells, value. Errors: kBadRecord, kBadScale, kInverseMismatch.
Status check_engine_multiplier(const FormView& view);
/// marlin, NVFP4: the power of two that the scales of an expert were multiplied by.
/// REQUIRES: check_engine_multiplier. Errors: kInverseMismatch.
Result<uint32_t> rescale_log2(const FormView& view, uint64_t expert, float stored_multiplier);

}  // namespace imp::verify
