// Multipliers and input scales of one weight: one number an expert, bits and convention kept, and
// what a number that is none means (checkpoint-formats 8: T1, T5, T32).
#pragma once

#include <cstdint>
#include <vector>

#include "src/base/result.h"
#include "src/model/detect.h"

namespace imp::model {

/// The numbers of `suffix`: one, or, for a stack, one an expert; a single one of a stack is every
/// expert's. A global scale of compressed-tensors that is NaN, infinite or zero is unused if all
/// codes are zero. Errors: kShapeMismatch for another count, kUnsupportedScheme for another dtype,
/// kBadScale.
Result<std::vector<Scalar>> read_multipliers(ImportContext& context, const Siblings& s,
                                             const WeightForm& form, Suffix suffix,
                                             ScalarState state);

/// input_scale or input_global_scale, as many as read_multipliers gives; empty if there is none.
/// What is no usable number is unused for routed experts, kBadScale elsewhere.
Result<std::vector<Scalar>> read_input_scales(ImportContext& context, const Siblings& s,
                                              const WeightForm& form);

}  // namespace imp::model
