// File names of GGUF models: the numbered shards of a set, and what a folder holds of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"

namespace imp::gguf {

/// "PREFIX-00001-of-00003.gguf", as llama.cpp's splitter and its converter number them.
struct SplitName {
  std::string prefix;
  uint32_t index = 1;  ///< from 1
  uint32_t count = 1;

  std::string file_name() const;
};

/// nullopt for a name that does not end so, or whose index is not in 1..count.
std::optional<SplitName> parse_split_name(std::string_view file_name);

/// One name for each model-like file of a folder: files that are no shard, and of each set of
/// shards the one with the lowest number. Sorted.
/// Errors: kTruncated for leftovers of an unfinished download, kBadName, kIo.
Result<std::vector<std::string>> list_sets(const std::filesystem::path& folder);

}  // namespace imp::gguf
