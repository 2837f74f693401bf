// An artifact as a checkpoint of safetensors shards.
#pragma once

#include "formats/imp/reader.h"
#include "src/base/log.h"
#include "src/base/result.h"
#include "src/unpack/output_folder.h"
#include "src/unpack/unpack.h"

namespace imp::unpack {

/// REQUIRES: options.mode is not kRaw. Report::files is left 0.
Result<Report> write_checkpoint(const artifact::Reader& reader, const Options& options,
                                OutputFolder& folder, Log& log);

}  // namespace imp::unpack
