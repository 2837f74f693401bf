// Content level: bytes are those that were written, and packed forms give back the canonical
// planes.
#pragma once

#include <vector>

#include "formats/imp/reader.h"
#include "src/verify/problems.h"
#include "src/verify/slab.h"

namespace imp::verify {

struct ContentCounts {
  uint64_t chunks = 0;
  uint64_t planes = 0;  ///< source tensors whose digest was recomputed, one a form
  uint64_t bytes = 0;
};

/// Forms by index that a run looks at.
using FormSet = std::vector<uint32_t>;

/// Every payload digest, then the inverse of every form in `forms` against the digests of the
/// source tensors, and the scalars of the index against theirs.
ContentCounts check_content(const artifact::Reader& reader, const FormSet& forms, uint64_t threads,
                            Problems& problems);

}  // namespace imp::verify
