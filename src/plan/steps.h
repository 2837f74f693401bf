// The work list: one step a source tensor and operand, with exact destinations.
#pragma once

#include <vector>

#include "src/plan/plan.h"

namespace imp::plan {

/// Of a plane of scales or zero points as it is stored.
struct PlaneElements {
  uint64_t bytes = 0;   ///< of one
  uint64_t groups = 0;  ///< elements of a row
};

/// Bytes that `rows` rows of one expert take in a component that `action` packs; also the offset of
/// row `rows` where that is a joint of parts or a multiple of the layout's unit. Only kMma64Plane
/// and kSf128x4 ask for `elements`. 0 for kCopy, kCanonical and the layouts of other engines.
uint64_t packed_bytes(Action action, const Operand& operand, const PlaneElements& elements,
                      uint64_t rows);

/// Steps in order of the source tensors. REQUIRES: plan.operands, by_name and blobs are final.
std::vector<Step> make_steps(const model::Model& model, const Plan& plan);

/// Bound on the exceptions section: one record per group of every form that can lose bits.
uint64_t exceptions_bound_bytes(const Plan& plan);

}  // namespace imp::plan
