// Report on a folder of safetensors.
#pragma once

#include <filesystem>
#include <iosfwd>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/inspect/inspect.h"

namespace imp::inspect {

Status report_checkpoint(const std::filesystem::path& path, const Options& options,
                         std::ostream& out, Log& log);

}  // namespace imp::inspect
