// weight_g_idx: the group of each column, where a quantiser took the columns in another order
// (compressed-tensors, actorder "group").
#pragma once

#include <cstdint>
#include <vector>

#include "src/base/result.h"
#include "src/model/detect.h"

namespace imp::model {

/// Columns of the source sorted by group, equal groups in source order. Empty where they are in
/// that order already (also for -1 everywhere, which is "not initialised"), and where the groups
/// do not have group_size columns each (the last one fewer): such columns cannot be laid out as
/// groups, the weight follows its group indices. Errors: kShapeMismatch for another shape or a
/// group that has no scale; kUnsupportedScheme for another dtype than I32.
Result<std::vector<uint32_t>> read_k_gather(ImportContext& context, const Siblings& s,
                                            const WeightForm& form);

}  // namespace imp::model
