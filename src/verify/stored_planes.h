// Planes that lie in a form as in the source: their bytes are the source tensor's.
#pragma once

#include "src/verify/plane_digest.h"

namespace imp::verify {

/// Compare every plane of the form that the layout leaves as it is with the source tensors.
/// Errors: kInverseMismatch for a tensor that does not fit its component; kIo, kTruncated.
Status check_stored_planes(const FormView& view, uint32_t operand, const PlaneTable& planes,
                           TensorChecks& checks);

}  // namespace imp::verify
