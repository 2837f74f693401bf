// model.safetensors.index.json: which tensor lies in which shard.
#pragma once

#include <functional>
#include <string>

#include "src/base/file.h"
#include "src/base/result.h"

namespace imp::hf {

/// Takes one entry of weight_map. An error ends the reading.
using IndexEntry = std::function<Status(const std::string& tensor, const std::string& shard)>;

/// Hand each entry of the index in `file` to `entry`, in file order. The JSON is parsed as a stream
/// (a weight_map can have 200,000 entries); repeated tensors are the callback's business.
/// Errors: kBadIndex (too large, malformed, no weight_map, a shard name that is no plain file
/// name), kDuplicateName (two weight_maps), kIo, those of `entry`.
Status read_shard_index(const ReadFile& file, const IndexEntry& entry);

}  // namespace imp::hf
