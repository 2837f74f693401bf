// Keeps of each GGUF file what no tensor owns, so that imp-unpack can make the file again.
#pragma once

#include "formats/gguf/checkpoint.h"
#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/model.h"

namespace imp::model {

/// Frames (formats/gguf/frame.h) as made companions of `source`, behind those that it has. Where
/// they are larger than companions may be together, none, and a warning. REQUIRES: `source` has the
/// files of `checkpoint`, in its order. Errors: kIo, kTruncated.
Status add_frames(const gguf::Checkpoint& checkpoint, Source& source, Log& log);

}  // namespace imp::model
