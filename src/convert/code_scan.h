// Codes in containers that are wider than they are: what does not fit is damage, and no kernel
// would see it.
#pragma once

#include <cstdint>

#include "src/base/file.h"
#include "src/base/result.h"
#include "src/model/model.h"
#include "src/quant/encoding.h"

namespace imp::convert {

/// Look at codes of `tensor` from byte `first_byte` on. Only bytes that hold fewer than 8 bits can
/// be wrong. Errors: kUnsupportedScheme naming the place of the first code that needs more bits.
Status check_codes(const model::Source& source, uint32_t tensor, const quant::PlaneCoding& coding,
                   uint64_t first_byte, Bytes codes);

}  // namespace imp::convert
