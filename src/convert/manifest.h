// The manifest: where the artifact comes from and what was decided, as JSON. Facts that the binary
// index holds (names, shapes, digests of tensors) are not repeated.
#pragma once

#include <string>

#include "src/convert/convert.h"
#include "src/convert/stream.h"

namespace imp::convert {

/// Depends on source bytes, options that change bytes and the tool's version alone: no paths, times
/// or thread counts. `payload_sha256` is left out where null.
std::string make_manifest(const Prepared& prepared, const Options& options,
                          const StreamDigests& digests, const ScaleScan& scan,
                          const FlushCounts& flushed, uint64_t exceptions,
                          const Sha256* payload_sha256);

}  // namespace imp::convert
