// Scale audit of a checkpoint, importable or not.
#pragma once

#include "formats/hf/checkpoint.h"
#include "src/base/result.h"
#include "src/inspect/scale_report.h"

namespace imp::inspect {

/// One row for each U8 tensor X.weight with an F8_E4M3 X.weight_scale beside it: what ModelOpt's
/// NVFP4 looks like. X.weight_scale_2 is its global scale, X.input_scale its input scale, if they
/// are F32.
Result<ScaleReport> audit_checkpoint(const hf::Checkpoint& checkpoint);

}  // namespace imp::inspect
