// An artifact back to the GGUF files that it was made from.
#pragma once

#include "formats/imp/reader.h"
#include "src/base/log.h"
#include "src/base/result.h"
#include "src/unpack/output_folder.h"
#include "src/unpack/unpack.h"

namespace imp::unpack {

/// Each source file under its name, byte for byte: planes joined to blocks, rows and columns in the
/// file's order, its frame around them; compared with its SHA-256. Report::files is left 0.
/// Errors: kUsage (the source was no GGUF, or its frames were too large to be kept), kMissingTensor
/// (stored rows that the artifact does not hold), kInverseMismatch (bits or a file that are not the
/// source's); see unpack.h.
Result<Report> write_gguf(const artifact::Reader& reader, const Options& options,
                          OutputFolder& folder, Log& log);

}  // namespace imp::unpack
