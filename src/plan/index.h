// The artifact's index from the plan: every record but the digests, which only the bytes can give.
#pragma once

#include "formats/imp/writer.h"
#include "src/plan/plan.h"

namespace imp::plan {

/// Records in the order of the file. Component offsets are those of plan.blobs; call it before
/// placement to learn the sizes. source_tensors are in (file, offset) order, like
/// Model::source.tensors.
artifact::Index build_index(const model::Model& model, const Plan& plan);

/// For each operand (plan order) the index of its first component record; its forms' components
/// follow in order.
std::vector<uint32_t> first_component_records(const Plan& plan);

}  // namespace imp::plan
