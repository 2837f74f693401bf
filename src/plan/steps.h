// The work list: one step a source tensor and operand, with exact destinations.
#pragma once

#include <vector>

#include "src/plan/plan.h"

namespace imp::plan {

/// Steps in order of the source tensors. REQUIRES: plan.operands, by_name and blobs are final.
std::vector<Step> make_steps(const model::Model& model, const Plan& plan);

/// Bytes of the vectors that come from scalars. REQUIRES: as above.
std::vector<Constant> make_constants(const model::Model& model, const Plan& plan);

/// Bound on the exceptions section: one record per group of every form that can lose bits.
uint64_t exceptions_bound_bytes(const Plan& plan);

}  // namespace imp::plan
