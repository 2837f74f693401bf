// A folder as Hugging Face checkpoints are laid out: safetensors shards, an optional index, JSON
// configuration, and companion files. Names and bytes only; what they mean is src/model's business.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/safetensors/header.h"
#include "src/base/file.h"
#include "src/base/log.h"
#include "src/base/result.h"

namespace imp::hf {

/// One shard.
struct SourceFile {
  std::string name;  ///< file name inside the folder
  ReadFile handle;
  bool has_metadata = false;
  std::vector<std::pair<std::string, std::string>> metadata;  ///< "__metadata__", in file order
};

struct SourceTensor {
  std::string name;   ///< as in the file
  uint32_t file = 0;  ///< index into Checkpoint::files
  Dtype dtype = Dtype::kU8;
  Shape shape;
  uint64_t offset_bytes = 0;  ///< from the start of that file
  uint64_t size_bytes = 0;
};

/// A file beside the weights that travels with the model: config, tokenizer, chat template,
/// licence.
struct Companion {
  std::string name;
  uint64_t size_bytes = 0;
};

struct Checkpoint {
  std::filesystem::path folder;
  std::vector<SourceFile> files;      ///< sorted by name
  std::vector<SourceTensor> tensors;  ///< by (file, offset): the order in which a reader meets them
  std::vector<Companion> companions;  ///< sorted by name
  bool has_index = false;
  std::optional<nlohmann::json> config;           ///< config.json
  std::optional<nlohmann::json> hf_quant_config;  ///< hf_quant_config.json
  std::optional<nlohmann::json> params;           ///< params.json, read beside consolidated* only

  /// Index into `tensors`, or nullopt.
  std::optional<uint32_t> find(std::string_view name) const;

  std::vector<uint32_t> by_name;  ///< indices into `tensors`, sorted by name
};

/// Companion files together may have this many bytes; a folder with more keeps the smallest ones (a
/// warning names the rest).
inline constexpr uint64_t kMaxCompanionBytes = 64u << 20;

/// Open the checkpoint in the folder `path`; the path of its index, or of its only shard, stands
/// for the folder (kUnsupportedFormat for one shard of several). The union of the shard headers
/// decides which tensors exist: an index entry for a tensor that its shard lacks, or for a shard
/// that is not there, is kBadIndex, a tensor listed twice kDuplicateName; a tensor the index does
/// not list is accepted with a note. One name in two shards is kShardConflict unless dtype, shape
/// and bytes are equal (then the first is kept, with a warning). Of a Mistral native set
/// (consolidated*) beside model* only the latter is read. Without an index, a missing shard of
/// X-00001-of-0000N is kTruncated, as are leftovers of a broken download (*.incomplete, *.aria2,
/// *.part). Companions: every regular file (symbolic links are followed) that is not weights, not
/// an index
/// (*.index.json), not *.py and not hidden.
/// A .gguf file, or a folder without safetensors: kUnsupportedFormat, saying what is there.
/// Other errors: those of safetensors::read_header, kBadConfig, kBadName (a shard's file name),
/// kIo.
Result<Checkpoint> open_checkpoint(const std::filesystem::path& path, Log& log);

}  // namespace imp::hf
