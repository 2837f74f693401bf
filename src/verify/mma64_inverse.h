// The inverse of mma64 in all its variants, over the maps of their headers: the judge's own.
#pragma once

#include <string>

#include "src/verify/slab.h"

namespace imp::verify {

class ExceptionCursor;

/// As invert (slab.h). REQUIRES: layout mma64, can_invert.
Result<CanonicalSlab> invert_mma64(const FormView& view, const StoredSlab& slab,
                                   ExceptionCursor* exceptions);

/// kInverseMismatch: `what` at a row of the slab.
Error inverse_error(const FormView& view, const std::string& what, const StoredSlab& slab,
                    uint64_t row);

}  // namespace imp::verify
