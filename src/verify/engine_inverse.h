// The inverse of other engines' layouts, over the maps of their headers: the judge's own.
#pragma once

#include "src/verify/slab.h"

namespace imp::verify {

class ExceptionCursor;

/// As invert (slab.h). Scales of NVFP4 come back as e4m3: the smallest byte that the layout's rule
/// gives the stored value for; which others there were, the exceptions tell. Derived scales and
/// mins come as they are stored, in rows. REQUIRES: a layout of another engine, can_invert.
Result<CanonicalSlab> invert_engine(const FormView& view, const StoredSlab& slab,
                                    ExceptionCursor* exceptions);

/// Bit `bit` of byte `byte` of StoredSlab::codes is the lowest of code (row, k).
struct CodePlace {
  uint64_t byte = 0;
  uint32_t bit = 0;
};
CodePlace engine_code_place(const FormView& view, uint64_t padded_rows, uint64_t row, uint64_t k);

}  // namespace imp::verify
