// The union of all shards: what the index says about it, and names that occur in two shards.
#pragma once

#include <filesystem>

#include "formats/hf/checkpoint.h"
#include "src/base/log.h"
#include "src/base/result.h"

namespace imp::hf {

/// Fill `by_name`; equal names in order of index.
void sort_by_name(Checkpoint& checkpoint);

/// Compare the index at `path` with the shards; tensors it does not list are noted.
/// REQUIRES: by_name is filled. Errors: those of read_shard_index; kBadIndex, kDuplicateName.
Status check_index(const std::filesystem::path& path, const Checkpoint& checkpoint, Log& log);

/// Of tensors with one name keep the first, if dtype, shape and bytes are equal, and warn.
/// REQUIRES: by_name is filled. Errors: kShardConflict, kIo.
Status merge_equal_tensors(Checkpoint& checkpoint, Log& log);

}  // namespace imp::hf
