// Report on a model in GGUF: metadata and tensors as they are, and what imp-convert makes of them.
#pragma once

#include <filesystem>
#include <iosfwd>

#include "src/base/log.h"
#include "src/inspect/inspect.h"

namespace imp::inspect {

/// Errors: those of gguf::open_checkpoint.
Status report_gguf(const std::filesystem::path& path, const Options& options, std::ostream& out,
                   Log& log);

}  // namespace imp::inspect
