// What planning asks about the planes of a weight: how they are coded, how many bytes of them
// belong to some rows, which of them the parts of an operand share.
#pragma once

#include <cstdint>

#include "src/model/model.h"
#include "src/quant/encoding.h"

namespace imp::plan {

/// Codes, and planes of groups (group_planes.h), of `rows` rows of one expert of a weight; other
/// planes have one column.
quant::PlaneCoding coding_of(const model::Model& model, const model::Weight& weight,
                             const model::PlaneSet& plane, uint64_t rows);

/// The first source tensor of a plane. REQUIRES: there is one.
const model::SourceTensor& first_tensor(const model::Model& model, const model::PlaneSet& plane);

/// One source tensor holds this plane of every expert, expert after expert.
bool holds_every_expert(const model::Model& model, const model::Weight& weight,
                        const model::PlaneSet& plane);
/// One source tensor holds this plane, and it is the same for every expert.
bool same_for_experts(const model::Model& model, const model::Weight& weight,
                      const model::PlaneSet& plane);
/// Dimensions of one expert's plane, as the source has them.
Shape expert_shape(const model::Model& model, const model::Weight& weight,
                   const model::PlaneSet& plane);

/// How the planes of several parts make one component.
enum class Joint : uint8_t {
  kRows,    ///< rows of the next part follow: codes, scales of groups, zero points, bias
  kShared,  ///< every part has the same bytes: what acts on the activations
  kParts,   ///< one after the other, [parts, ...]
};
Joint joint_of(model::ComponentKind kind);

}  // namespace imp::plan
