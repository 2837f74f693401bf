// Planes of groups whose elements another engine's layout holds as other numbers than the source.
#pragma once

#include <cstdint>

#include "src/base/dtype.h"
#include "src/base/file.h"
#include "src/base/result.h"
#include "src/convert/scale_table.h"

namespace imp::convert {

// Canonical planes in and out, row-major. Errors have a message that begins with the place, "block
// scale [3, 4] is ..."; the caller names the tensor. `first_row` is that of the first row in it.

/// e4m3 scales by their table, `bits` (8 or 16) an element.
void table_values(const ScaleTable& table, Bytes scales, uint32_t bits, MutableBytes out);

/// marlin's bf16 scales of fp8 (engine_scales.h), for W's rows [first_row, first_row + rows), whose
/// scales' rows begin at `scales`: each serves `group_rows` rows, and first_row is at a multiple.
/// Errors: kBadScale from 256 on.
Status fp8_values(Dtype dtype, Bytes scales, uint64_t rows, uint64_t columns, uint64_t first_row,
                  uint64_t group_rows, MutableBytes out);

/// Zero points of `zero_bits` (4 or 8), offset binary, folded: -(scale * zero point) to nearest
/// even in the scales' own type, F16 or BF16. Errors: kBadScale for a product that overflows.
Status folded_zeros(Dtype dtype, Bytes scales, uint32_t zero_bits, Bytes zeros, uint64_t rows,
                    uint64_t columns, uint64_t first_row, MutableBytes out);

}  // namespace imp::convert
