// Blocks of GGUF as they pass: scales that make no weight, bytes that would not come back.
#pragma once

#include <cstdint>
#include <vector>

#include "src/base/file.h"
#include "src/base/result.h"
#include "src/model/model.h"

namespace imp::convert {

/// Look at blocks (or plain numbers) of `stored` from byte `first_byte` of it on; `apart`: a view
/// takes fields out of them. REQUIRES: whole blocks. Errors, naming tensor and row: kBadScale (see
/// quant::check_block_scales), kUnsupportedScheme (see quant::blocks_come_back).
Status check_blocks(const model::Source& source, const model::StoredTensor& stored, bool apart,
                    uint64_t first_byte, Bytes blocks);

/// By index of Source::stored: whether any view takes fields out of its blocks.
std::vector<bool> taken_apart(const model::Source& source);

}  // namespace imp::convert
