// Reports on a checkpoint or an artifact: what is in it, where it comes from, and whether its
// scales look sane. Reads; judges nothing (that is imp-verify's task).
#pragma once

#include <filesystem>
#include <iosfwd>

#include "src/base/log.h"
#include "src/base/result.h"

namespace imp::inspect {

struct Options {
  bool json = false;  ///< one JSON document with everything
  bool verbose =
      false;  ///< text: also parts, forms and components of each operand, and the companions
};

/// `path` is an artifact (told by its magic or the ending .imp) or else a checkpoint. Scales are
/// read as a stream; memory grows with the number of tensors, not with their size. A checkpoint
/// that the converter would refuse is still reported, with the reason. Errors: those of
/// artifact::Reader::open and hf::open_checkpoint; kTruncated, kIo, kInterrupted.
Status report(const std::filesystem::path& path, const Options& options, std::ostream& out,
              Log& log);

}  // namespace imp::inspect
