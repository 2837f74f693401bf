// The closed inventory: what the source holds, and that each of it has exactly one place.
#pragma once

#include "formats/hf/checkpoint.h"
#include "src/base/result.h"
#include "src/model/model.h"

namespace imp::model {

/// Files, tensors and companions of an opened checkpoint; the handles move.
Source take_source(hf::Checkpoint& checkpoint);

/// Each tensor is a plane of exactly one weight and gets its disposition. Errors: kUnknownTensor
/// for one that is none, kDuplicateName for two weights of one name.
Status close_inventory(Model& model);

}  // namespace imp::model
