// The artifact against the checkpoint it was made from.
#pragma once

#include <filesystem>

#include "formats/imp/reader.h"
#include "src/base/log.h"
#include "src/verify/problems.h"

namespace imp::verify {

struct SourceCounts {
  uint64_t files = 0;
  uint64_t tensors = 0;
  uint64_t companions = 0;
};

/// `path` is a folder of safetensors files, or GGUF; that, and weights quantised anew, as
/// check_source_views says. Every source file by size
/// and SHA-256, every tensor by name, dtype, shape and XXH3-128, every companion by its bytes; and
/// nothing more on either side. Differences are kSourceMismatch naming file or tensor.
SourceCounts check_source(const artifact::Reader& reader, const std::filesystem::path& path,
                          uint64_t threads, Log& log, Problems& problems);

}  // namespace imp::verify
