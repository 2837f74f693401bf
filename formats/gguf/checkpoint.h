// A model in GGUF: one file, or the shards of a split set.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "formats/gguf/file.h"

namespace imp::gguf {

struct Shard {
  std::string name;  ///< file name inside the folder
  ReadFile handle;
  Header header;
};

struct Checkpoint {
  std::filesystem::path folder;
  std::vector<Shard> shards;  ///< in order of split.no; the metadata of the model is the first's
};

/// `path` is a GGUF file (its first bytes say so), or a folder with .gguf files and no safetensors.
bool is_gguf(const std::filesystem::path& path);

/// Open a .gguf file, the set that a shard belongs to (any shard stands for it), or the one model
/// in a folder (files whose general.type is another than "model" are passed over with a note; two
/// models are kUsage, naming them). Of a set every shard must be there and agree: split.no,
/// split.count, split.tensors.count, no name twice. A shard that is laid out for alignment 32
/// though the first says another is read with 32, with a warning. Errors: those of read_header;
/// kTruncated (a shard is missing, or leftovers of a broken download lie beside), kBadIndex (shards
/// that contradict each other), kDuplicateName, kIo.
Result<Checkpoint> open_checkpoint(const std::filesystem::path& path, Log& log);

}  // namespace imp::gguf
