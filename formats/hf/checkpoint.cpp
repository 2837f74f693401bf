#include "formats/hf/checkpoint.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "formats/hf/folder_scan.h"
#include "formats/hf/json_file.h"
#include "formats/hf/tensor_union.h"

namespace imp::hf {
namespace {

namespace fs = std::filesystem;

bool is_consolidated(const std::string& name) { return name.starts_with("consolidated"); }

/// Mistral repositories hold the model twice: keep the HF set (checkpoint-formats.md 2.2).
void drop_native_set(FolderScan& scan, Log& log) {
  const bool has_hf_set = std::any_of(scan.shards.begin(), scan.shards.end(),
                                      [](const std::string& n) { return n.starts_with("model"); });
  if (!has_hf_set) return;
  for (const std::string& name : scan.shards)
    if (is_consolidated(name))
      log.note(name + ": left out, the same model lies in model*.safetensors");
  std::erase_if(scan.shards, is_consolidated);
}

bool is_native_set(const FolderScan& scan) {
  return std::all_of(scan.shards.begin(), scan.shards.end(), is_consolidated);
}

/// The index of the set that is read, or an empty name.
std::string choose_index(const FolderScan& scan, Log& log) {
  const std::string wanted =
      is_native_set(scan) ? "consolidated.safetensors.index.json" : "model.safetensors.index.json";
  std::string chosen;
  for (const std::string& name : scan.indexes) {
    if (name == wanted)
      chosen = name;
    else
      log.note(name + ": not read, expected " + wanted);
  }
  return chosen;
}

Status add_shard(const fs::path& folder, const std::string& name, Checkpoint& checkpoint) {
  IMP_ASSIGN(ReadFile handle, ReadFile::open(folder / name));
  IMP_ASSIGN(safetensors::Header header, safetensors::read_header(handle));
  const auto file = static_cast<uint32_t>(checkpoint.files.size());
  for (safetensors::TensorInfo& tensor : header.tensors)
    checkpoint.tensors.push_back({std::move(tensor.name), file, tensor.dtype, tensor.shape,
                                  tensor.offset_bytes, tensor.size_bytes});
  checkpoint.files.push_back(
      {name, std::move(handle), header.has_metadata, std::move(header.metadata)});
  return {};
}

bool is_file_called(const fs::path& path, std::string_view ending) {
  std::error_code error;
  return path.filename().string().ends_with(ending) && fs::is_regular_file(path, error);
}

bool is_shard_path(const fs::path& path) { return is_file_called(path, ".safetensors"); }
bool is_index_path(const fs::path& path) { return is_file_called(path, ".safetensors.index.json"); }

/// A shard or an index stands for the folder that it lies in.
fs::path folder_of(const fs::path& path) {
  if (!is_index_path(path) && !is_shard_path(path)) return path;
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// Whoever names one shard of several, or the index of the set that is left out, may not mean what
/// is read.
Status check_named_file(const fs::path& path, const FolderScan& scan, const std::string& index) {
  const std::string name = path.filename().string();
  if (is_shard_path(path) && scan.shards != std::vector{name})
    return Error{ErrorKind::kUnsupportedFormat,
                 "is not the only weights in its folder, which has " +
                     std::to_string(scan.shards.size()) + " shards to read, such as '" +
                     scan.shards.front() + "'; expected the folder or its index",
                 path.string(), ""};
  if (is_index_path(path) && name != index)
    return Error{ErrorKind::kUnsupportedFormat,
                 "is not the index of the weights that are read from its folder, such as '" +
                     scan.shards.front() + "'; expected that index or the folder",
                 path.string(), ""};
  return {};
}

}  // namespace

std::optional<uint32_t> Checkpoint::find(std::string_view name) const {
  const auto at = std::lower_bound(
      by_name.begin(), by_name.end(), name,
      [this](uint32_t index, std::string_view wanted) { return tensors[index].name < wanted; });
  if (at == by_name.end() || tensors[*at].name != name) return std::nullopt;
  return *at;
}

Result<Checkpoint> open_checkpoint(const fs::path& path, Log& log) {
  const fs::path folder = folder_of(path);
  IMP_ASSIGN(FolderScan scan, scan_folder(folder, log));
  drop_native_set(scan, log);
  for (const std::string& name : scan.other_weights)
    log.note(name + ": left out, only safetensors shards are read");
  const std::string index = choose_index(scan, log);
  IMP_TRY(check_named_file(path, scan, index));
  if (index.empty()) IMP_TRY(check_numbered_shards(folder, scan.shards));

  Checkpoint checkpoint;
  checkpoint.folder = folder;
  for (const std::string& name : scan.shards) IMP_TRY(add_shard(folder, name, checkpoint));
  sort_by_name(checkpoint);
  if (!index.empty()) {
    checkpoint.has_index = true;
    IMP_TRY(check_index(folder / index, checkpoint, log));
  }
  IMP_TRY(merge_equal_tensors(checkpoint, log));

  IMP_ASSIGN(checkpoint.config, read_json_object(folder / "config.json"));
  IMP_ASSIGN(checkpoint.hf_quant_config, read_json_object(folder / "hf_quant_config.json"));
  if (is_native_set(scan)) {
    IMP_ASSIGN(checkpoint.params, read_json_object(folder / "params.json"));
  }
  checkpoint.companions = cap_companions(std::move(scan.companions), kMaxCompanionBytes, log);
  return checkpoint;
}

}  // namespace imp::hf
