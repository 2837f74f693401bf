// One pass over the source files in their own order: hash, check, repack, write.
#pragma once

#include "src/base/log.h"
#include "src/convert/scale_scan.h"
#include "src/convert/slab.h"

namespace imp::convert {

/// Digests that only the bytes can give.
struct StreamDigests {
  std::vector<Sha256> files;       ///< one a source file
  std::vector<Digest128> tensors;  ///< one a source tensor; zero for ignored ones
};

/// Read every source file once, from first to last byte, and carry out the plan's steps with
/// `threads` workers. A plane that must meet another (block scales beside codes) is read again by
/// range. Memory: plan::stream_budget.
Result<StreamDigests> stream_source(const SlabContext& context, uint64_t threads, ScaleScan& scan,
                                    Log& log);

}  // namespace imp::convert
