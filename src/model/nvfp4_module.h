// One module's tensors to one canonical weight: siblings decide the scheme
// (checkpoint-formats 5.1).
#pragma once

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/model.h"
#include "src/model/module_table.h"

namespace imp::model {

/// Weight of `module`: NVFP4 or unquantised, experts stacked. `experts` is how many the
/// configuration promises (1 for a dense module). Errors: kMissingTensor, kShapeMismatch,
/// kUnsupportedScheme, kBadScale.
Result<Weight> weight_of_module(const Source& source, const Module& module, uint64_t experts,
                                Log& log);

/// The scale of the K or V cache as a weight of its own: no GEMM, rank as in the source.
Result<Weight> kv_scale_weight(const Source& source, const Module& module, Suffix suffix, Log& log);

}  // namespace imp::model
