// Blocks of GGUF as they pass: scales that make no weight.
#pragma once

#include <cstdint>

#include "src/base/file.h"
#include "src/base/result.h"
#include "src/model/model.h"

namespace imp::convert {

/// Look at blocks (or plain numbers) of `stored` from byte `first_byte` of it on. REQUIRES: whole
/// blocks. Errors: kBadScale naming tensor and row of the first that is none (see
/// quant::check_block_scales).
Status check_blocks(const model::Source& source, const model::StoredTensor& stored,
                    uint64_t first_byte, Bytes blocks);

}  // namespace imp::convert
