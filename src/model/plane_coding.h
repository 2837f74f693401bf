// How the planes of a weight are coded in the source.
#pragma once

#include "src/model/model.h"
#include "src/quant/encoding.h"

namespace imp::model {

/// The first source tensor of a plane. REQUIRES: there is one.
const SourceTensor& first_tensor(const Source& source, const PlaneSet& plane);

/// Codes, and planes of groups (group_planes.h), of `rows` rows of one expert of a weight; other
/// planes have one column.
quant::PlaneCoding coding_of(const Source& source, const Weight& weight, const PlaneSet& plane,
                             uint64_t rows);

}  // namespace imp::model
