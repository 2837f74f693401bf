// Bytes that come from scalars: multipliers, input scales, orders of columns, the table of codes.
#pragma once

#include <cstdint>
#include <vector>

#include "src/plan/plan.h"

namespace imp::plan {

/// What a kernel multiplies by: f32 bits of the multiplier, or of fl32(1 / divisor). 1 for one that
/// nothing depends on, or that the source has not.
uint32_t kernel_multiplier(const model::Weight& weight, uint64_t expert);

/// Bytes of the vectors that come from scalars. REQUIRES: plan.operands
/// and blobs are final.
std::vector<Constant> make_constants(const model::Model& model, const Plan& plan);

}  // namespace imp::plan
