// Planes that a layout gives an order of its own: turned back and compared with the source tensors.
#pragma once

#include "src/verify/plane_digest.h"

namespace imp::verify {

/// REQUIRES: a GEMM form for which can_invert, not plain. Errors: those of invert; kInverseMismatch
/// for an order of columns that is none or does not follow the groups; kIo, kTruncated.
Status check_packed_planes(const FormView& view, uint32_t operand, const PlaneTable& planes,
                           TensorChecks& checks);

}  // namespace imp::verify
