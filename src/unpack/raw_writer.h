// An artifact as one file a component, for people who write kernels.
#pragma once

#include "formats/imp/reader.h"
#include "src/base/log.h"
#include "src/base/result.h"
#include "src/unpack/output_folder.h"
#include "src/unpack/unpack.h"

namespace imp::unpack {

/// `<operand>.<layout>.<component>.bin` with the stored bytes, and index.json. Report::files is
/// left 0. Errors: kUnsupportedLayout for a layout without a name here; see unpack.h.
Result<Report> write_raw(const artifact::Reader& reader, OutputFolder& folder, Log& log);

}  // namespace imp::unpack
