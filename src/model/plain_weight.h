// Tensors that no GEMM takes: norms, embeddings, parameters, scales of the KV cache.
#pragma once

#include "src/base/result.h"
#include "src/model/import_context.h"
#include "src/model/module_table.h"

namespace imp::model {

/// `tensor`, which is `suffix` of `module`, as a weight of its own with its own rank. Errors:
/// kShapeMismatch and kUnsupportedScheme for a norm that is no float vector or an embedding that is
/// no float matrix; kBadScale for a scale of the KV cache.
Result<Weight> plain_weight(const ImportContext& context, const Module& module, Suffix suffix,
                            uint32_t tensor);

}  // namespace imp::model
