// What an artifact's manifest says about the GGUF files it was made from, so that they can be made
// again: the stored tensors, and which of their rows each source tensor is. Beside it stands a
// companion for each file, its frame (formats/gguf/frame.h).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"
#include "src/model/model.h"

namespace imp::model {

/// Name of the companion that is the frame of `file`: "m.gguf.frame".
std::string frame_name(std::string_view file);

/// Member "gguf" of the manifest. Null for a source that is no GGUF.
nlohmann::ordered_json gguf_manifest(const Source& source);
/// Bytes of its text at most.
uint64_t gguf_manifest_bound(const Source& source);

struct GgufManifest {
  bool big_endian = false;
  std::vector<StoredTensor> stored;              ///< without shapes
  std::vector<std::optional<TensorView>> views;  ///< one a source tensor
};

/// The same from text that comes from outside. `file_bytes`: sizes of the source files;
/// `tensor_bytes`: sizes of the source tensors. Afterwards every row of a view can be placed:
/// pieces lie in their tensors and these in their files, orders fit their pieces, no two stored
/// tensors overlap. Errors: kBadRecord, naming the entry.
Result<GgufManifest> parse_gguf_manifest(const nlohmann::ordered_json& json,
                                         std::span<const uint64_t> file_bytes,
                                         std::span<const uint64_t> tensor_bytes);

}  // namespace imp::model
