// Importer: NVIDIA ModelOpt's Hugging Face export (checkpoint-formats section 3), NVFP4.
#pragma once

#include "formats/hf/checkpoint.h"
#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/model.h"

namespace imp::model {

/// Errors: see import_checkpoint.
Result<Model> import_modelopt(hf::Checkpoint checkpoint, Log& log);

}  // namespace imp::model
