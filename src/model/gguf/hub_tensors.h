// The tensors of the hub checkpoint out of those of a GGUF file: names (gguf.md, section 4) and
// transforms undone (section 5).
#pragma once

#include "src/base/log.h"
#include "src/model/gguf/facts.h"
#include "src/model/gguf/stored_modules.h"
#include "src/model/gguf/view_writer.h"
#include "src/model/import.h"

namespace imp::model {

/// Every stored tensor becomes part of a view. Errors: kUnknownTensor for one that the family does
/// not have; kShapeMismatch, kMissingTensor, kUnsupportedScheme, each naming the stored tensor.
Status add_hub_tensors(const Facts& facts, const StoredModules& stored,
                       const ImportOptions& options, ViewWriter& writer, Log& log);

}  // namespace imp::model
