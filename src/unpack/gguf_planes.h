// Source tensors that are views on GGUF tensors: which of them make the same stored rows.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "formats/imp/ondisk.h"
#include "src/model/gguf_manifest.h"

namespace imp::unpack {

/// Source tensors by field, kNone where there is none: of kRows one tensor, else the planes of the
/// same rows.
using FieldTensors = std::array<uint32_t, 6>;

/// In the order of their first tensors.
std::vector<FieldTensors> group_fields(const model::GgufManifest& manifest);

}  // namespace imp::unpack
