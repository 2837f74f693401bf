// The artifact against a source whose tensors no file holds as they are: GGUF, and weights
// quantised anew.
#pragma once

#include <filesystem>

#include "formats/imp/reader.h"
#include "src/base/log.h"
#include "src/verify/problems.h"
#include "src/verify/source.h"

namespace imp::verify {

/// The artifact records that weights were quantised anew.
bool is_transcoded(const artifact::Reader& reader);

/// Import the source as the manifest says that it was imported, quantise anew what was, and
/// compare: every file by size and SHA-256, every tensor in order by name, dtype, shape and
/// XXH3-128 of the bytes that its view reads, every companion. Differences are kSourceMismatch
/// naming file or tensor.
SourceCounts check_source_views(const artifact::Reader& reader, const std::filesystem::path& path,
                                uint64_t threads, Log& log, Problems& problems);

}  // namespace imp::verify
