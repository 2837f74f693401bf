// What lies in a checkpoint folder, sorted into kinds by file name alone.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "formats/hf/checkpoint.h"
#include "src/base/log.h"
#include "src/base/result.h"

namespace imp::hf {

/// File names; each list is sorted.
struct FolderScan {
  std::vector<std::string> shards;         ///< *.safetensors
  std::vector<std::string> other_weights;  ///< weights in other containers
  std::vector<std::string> indexes;        ///< *.index.json
  std::vector<Companion> companions;       ///< all of them, whatever their size
};

/// Errors: kIo (no such folder, a shard that is no regular file), kTruncated (leftovers of a
/// download), kBadName (a shard), kUnsupportedFormat (`folder` is a file, or has no shards).
Result<FolderScan> scan_folder(const std::filesystem::path& folder, Log& log);

/// Check that of each set X-00001-of-0000N.safetensors in `shards` all N are there (sets that count
/// from 00000 exist too). Error: kTruncated with the missing file, in `folder`.
Status check_numbered_shards(const std::filesystem::path& folder,
                             const std::vector<std::string>& shards);

/// Keep the smallest companions that fit into `cap_bytes` together; a warning names the others.
std::vector<Companion> cap_companions(std::vector<Companion> companions, uint64_t cap_bytes,
                                      Log& log);

}  // namespace imp::hf
