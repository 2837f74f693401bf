// A GGUF file under its own names, nothing undone: for architectures that are not known here.
#pragma once

#include "src/model/gguf/view_writer.h"

namespace imp::model {

/// Matrices of types that come apart become planes; every other tensor, and the token embedding,
/// stays as stored, of any rank. Errors: kUnsupportedScheme for a scale beside another type than
/// NVFP4, kDuplicateName.
Status add_as_is(ViewWriter& writer);

}  // namespace imp::model
