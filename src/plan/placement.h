// Where each component lies in the payload.
#pragma once

#include <vector>

#include "src/plan/plan.h"

namespace imp::plan {

/// Give every component of `operands` a blob. Blobs are ordered by set of targets (any first), then
/// small ones as a pool, then large ones, each in execution order; aligned as formats/imp/ondisk.h
/// says. Offsets are absolute.
std::vector<Blob> place_payload(std::vector<Operand>& operands, uint64_t payload_offset_bytes);

}  // namespace imp::plan
