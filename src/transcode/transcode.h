// Weights quantised anew, on purpose: the model's planes become tensors that are computed from the
// source while it is converted. Not lossless: the model says what it cost.
#pragma once

#include <cstdint>
#include <vector>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/model.h"
#include "src/transcode/rules.h"

namespace imp::transcode {

/// Apply the first rule that matches each GEMM weight's canonical name. Reads every such weight
/// twice (largest magnitude, error) with `threads` workers, some rows at a time. Afterwards:
/// Weight::scheme and planes are the target's, Source::tensors has a computed tensor for each new
/// plane and ignores those it replaces ("transcoded to nvfp4"), Model::transcoded the errors.
/// Parts that a kernel fuses keep global scales of their own. Embeddings, routers and MLA's kv_b
/// are not weights a rule can mean; a rule that matches nothing is kUsage. Errors:
/// kUnsupportedScheme (columns that are no multiple of the group, sparse weights, stacks that the
/// hub holds transposed or interleaved), kBadScale (values that are not finite), kIo, kTruncated.
Status transcode_weights(model::Model& model, const std::vector<Rule>& rules, uint64_t threads,
                         Log& log);

}  // namespace imp::transcode
