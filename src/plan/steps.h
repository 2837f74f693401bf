// The work list: one step a source tensor and operand, with exact destinations.
#pragma once

#include <vector>

#include "src/plan/plan.h"

namespace imp::plan {

/// Bytes that `rows` rows of one expert take in a component that `action` packs; also the offset of
/// row `rows` where that is a joint of parts or a multiple of the layout's unit. `element_bytes`:
/// of the component's elements, which only kMma64Plane asks for. 0 for kCopy and kCanonical.
uint64_t packed_bytes(Action action, const Operand& operand, uint64_t element_bytes, uint64_t rows);

/// Steps in order of the source tensors. REQUIRES: plan.operands, by_name and blobs are final.
std::vector<Step> make_steps(const model::Model& model, const Plan& plan);

/// Bytes of the vectors that come from scalars. REQUIRES: as above.
std::vector<Constant> make_constants(const model::Model& model, const Plan& plan);

/// Bound on the exceptions section: one record per group of every form that can lose bits.
uint64_t exceptions_bound_bytes(const Plan& plan);

}  // namespace imp::plan
