// One module's tensors to one canonical weight, experts together.
#pragma once

#include "src/base/result.h"
#include "src/model/import_context.h"
#include "src/model/module_table.h"

namespace imp::model {

/// A GEMM takes the module: its tensors make one weight. Otherwise each is a value of its own.
bool is_gemm_module(const Source& source, const Module& module);

/// Weights of `module`: the GEMM's, or one a tensor, and one for each tensor beside the GEMM's that
/// is no part of it. Errors: kMissingTensor, kShapeMismatch, kUnsupportedScheme, kUnknownTensor,
/// kDuplicateName, kBadScale.
Result<std::vector<Weight>> weights_of_module(ImportContext& context, const Module& module);

}  // namespace imp::model
