// One zstd frame in memory, with its size known and capped before anything is inflated.
#pragma once

#include <cstdint>
#include <string>

#include "src/base/file.h"
#include "src/base/result.h"

namespace imp::artifact {

/// Level 9, one thread, content size and checksum in the frame: equal input gives equal bytes for
/// one version of libzstd. Errors: kInternal.
Result<std::string> deflate_frame(Bytes raw);

/// The `raw_bytes` bytes of `frame`, which must be exactly one frame that says so.
/// Errors: kBadSection.
Result<std::string> inflate_frame(Bytes frame, uint64_t raw_bytes, uint64_t cap_bytes);

}  // namespace imp::artifact
