// Report on an .imp file.
#pragma once

#include <filesystem>
#include <iosfwd>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/inspect/inspect.h"

namespace imp::inspect {

Status report_artifact(const std::filesystem::path& path, const Options& options,
                       std::ostream& out);

}  // namespace imp::inspect
