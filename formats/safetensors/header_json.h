// The JSON of a safetensors header, entry by entry.
#pragma once

#include "formats/safetensors/header.h"
#include "formats/safetensors/json_stream.h"
#include "src/base/result.h"

namespace imp::safetensors {

/// Parse from `stream` up to the closing brace. Checks each entry on its own (names, keys, types,
/// dtype, shape against range); the tensors stay in header order with offset_bytes relative to the
/// data section. Errors: those of read_header that concern one entry.
Result<Header> parse_header_json(JsonStream& stream);

}  // namespace imp::safetensors
