// Scales that are one number a tensor: read, checked, bits kept.
#pragma once

#include <string>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/model.h"

namespace imp::model {

/// An error about a tensor of the source, with file and name filled in.
Error tensor_error(const Source& source, uint32_t tensor, ErrorKind kind, std::string message);

/// The one number of `tensor`, which must be F32 with a single element of any rank. It is a
/// multiplier. Errors: kUnsupportedScheme for another dtype, kShapeMismatch for more elements;
/// kBadScale for NaN, infinite and negative values (-0 too). Zero is accepted with a warning:
/// everything it scales is zero.
Result<Scalar> read_scale(const Source& source, uint32_t tensor, Log& log);

}  // namespace imp::model
