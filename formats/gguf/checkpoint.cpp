#include "formats/gguf/checkpoint.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>
#include <utility>

#include "formats/gguf/folder.h"
#include "src/base/checked.h"
#include "src/base/text.h"

namespace imp::gguf {
namespace {

namespace fs = std::filesystem;

/// What splitting tools lay a file out for, whatever its general.alignment says (llama.cpp
/// gguf-split, llama-quantize).
constexpr uint64_t kSplitterAlignmentBytes = 32;

Error bad_set(std::string message, const fs::path& file) {
  return Error{ErrorKind::kBadIndex, std::move(message), file.string(), ""};
}

/// Tensors back to back in the order of their infos, and nothing after the last one's padding: what
/// every known writer makes, and what a wrong alignment cannot look like.
bool is_tight(const Header& header, uint64_t file_bytes) {
  uint64_t expected = header.data_offset_bytes;
  uint64_t end = expected;
  for (const TensorInfo& tensor : header.tensors) {
    if (tensor.offset_bytes != expected) return false;
    end = tensor.offset_bytes + tensor.size_bytes;
    expected += round_up(tensor.size_bytes, header.alignment_bytes);
  }
  return header.tensors.empty() || (end <= file_bytes && file_bytes <= expected);
}

void forward(const CollectingLog& lines, Log& log) {
  for (const std::string& line : lines.warnings) log.warn(line);
  for (const std::string& line : lines.notes) log.note(line);
}

/// `declared`: the alignment that the first shard of the set states, for the others.
Result<Header> read_laid_out(const ReadFile& file, std::optional<uint64_t> declared, Log& log) {
  CollectingLog as_declared;
  Result<Header> header = read_header(file, as_declared, declared);
  if (!header.ok() || !is_tight(*header, file.size_bytes())) {
    CollectingLog as_split;
    Result<Header> split = read_header(file, as_split, kSplitterAlignmentBytes);
    const bool other = !header.ok() || header->alignment_bytes != kSplitterAlignmentBytes;
    if (other && split.ok() && is_tight(*split, file.size_bytes())) {
      forward(as_split, log);
      log.warn(file.path() +
               ": the data is laid out for alignment 32, another than the metadata states (what "
               "splitting tools write); read with 32");
      return split;
    }
  }
  forward(as_declared, log);
  return header;
}

Result<Shard> load_shard(const fs::path& folder, const std::string& name,
                         std::optional<uint64_t> declared, Log& log) {
  IMP_ASSIGN(ReadFile handle, ReadFile::open(folder / name));
  IMP_ASSIGN(Header header, read_laid_out(handle, declared, log));
  return Shard{name, std::move(handle), std::move(header)};
}

/// nullopt if the key is not there. Errors: kBadIndex for another value than a number >= 0.
Result<std::optional<uint64_t>> split_number(const Shard& shard, std::string_view key) {
  const Value* value = shard.header.find(key);
  if (value == nullptr) return std::optional<uint64_t>();
  const auto number = value->is_array ? std::nullopt : value->as_uint();
  if (!number)
    return bad_set("key '" + std::string(key) + "' is no number of zero or more",
                   shard.handle.path());
  return number;
}

Status expect_split_number(const Shard& shard, std::string_view key, uint64_t expected,
                           bool may_miss) {
  IMP_ASSIGN(const auto number, split_number(shard, key));
  if (number == expected || (!number && may_miss)) return {};
  return bad_set("key '" + std::string(key) + "' is " +
                     (number ? std::to_string(*number) : "missing") + ", expected " +
                     std::to_string(expected),
                 shard.handle.path());
}

Status check_unique_names(const std::vector<Shard>& shards) {
  std::vector<std::pair<std::string_view, size_t>> names;
  for (size_t i = 0; i < shards.size(); ++i)
    for (const TensorInfo& tensor : shards[i].header.tensors) names.emplace_back(tensor.name, i);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(
      names.begin(), names.end(), [](const auto& a, const auto& b) { return a.first == b.first; });
  if (twice == names.end()) return {};
  return Error{ErrorKind::kDuplicateName,
               "lies in shard '" + shards[twice->second].name + "' too, expected once",
               shards[(twice + 1)->second].handle.path(), std::string(twice->first)};
}

/// What the set says of itself, against what was found. A single file may leave the keys out.
Status check_set(const std::vector<Shard>& shards) {
  uint64_t num_tensors = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const bool may_miss = shards.size() == 1;
    IMP_TRY(expect_split_number(shards[i], "split.no", i, may_miss));
    IMP_TRY(expect_split_number(shards[i], "split.count", shards.size(), may_miss));
    num_tensors += shards[i].header.tensors.size();
    if (shards[i].header.big_endian != shards[0].header.big_endian)
      return bad_set("is of another byte order than the first shard", shards[i].handle.path());
  }
  for (const Shard& shard : shards) {
    const bool may_miss = shards.size() == 1 || &shard != &shards.front();
    IMP_TRY(expect_split_number(shard, "split.tensors.count", num_tensors, may_miss));
  }
  return check_unique_names(shards);
}

std::optional<uint64_t> declared_alignment(const Header& first) {
  const Value* value = first.find("general.alignment");
  return value == nullptr ? std::nullopt : value->as_uint();
}

Status add_shards(const SplitName& name, const std::optional<uint64_t>& declared,
                  Checkpoint& checkpoint, Log& log) {
  SplitName next = name;
  for (next.index = 2; next.index <= name.count; ++next.index) {
    const std::string file_name = next.file_name();
    std::error_code error;
    if (!fs::exists(checkpoint.folder / file_name, error))
      return Error{ErrorKind::kTruncated,
                   "is missing: a shard of a set of " + std::to_string(name.count),
                   (checkpoint.folder / file_name).string(), ""};
    IMP_ASSIGN(Shard shard, load_shard(checkpoint.folder, file_name, declared, log));
    checkpoint.shards.push_back(std::move(shard));
  }
  return {};
}

/// The set that the file `name` begins, or the file alone.
Result<Checkpoint> open_set(const fs::path& folder, const std::string& name, Log& log) {
  Checkpoint checkpoint;
  checkpoint.folder = folder;
  IMP_ASSIGN(Shard first, load_shard(folder, name, std::nullopt, log));
  IMP_ASSIGN(const auto count, split_number(first, "split.count"));
  const auto split = parse_split_name(name);
  const fs::path path = first.handle.path();
  const auto declared = declared_alignment(first.header);
  checkpoint.shards.push_back(std::move(first));
  if (count.value_or(0) > 1) {
    if (!split)
      return bad_set("key 'split.count' is " + std::to_string(*count) +
                         ", expected a file name that ends with -00001-of-0000N.gguf",
                     path);
    if (split->count != *count)
      return bad_set("key 'split.count' is " + std::to_string(*count) + ", the file name says " +
                         std::to_string(split->count),
                     path);
    IMP_TRY(add_shards(*split, declared, checkpoint, log));
  } else if (split && split->count > 1) {
    log.warn(path.string() + ": is named like a shard, but has no key 'split.count'; read alone");
  }
  if (count != 0u) IMP_TRY(check_set(checkpoint.shards));
  return checkpoint;
}

/// Any shard stands for its set, which is opened from its first.
Result<Checkpoint> open_file(const fs::path& path, Log& log) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const std::string name = path.filename().string();
  auto split = parse_split_name(name);
  if (!split || split->index == 1) return open_set(folder, name, log);
  split->index = 1;
  std::error_code error;
  const fs::path first = folder / split->file_name();
  if (!fs::exists(first, error))
    return Error{ErrorKind::kTruncated,
                 "is missing: the first shard of a set of " + std::to_string(split->count),
                 first.string(), ""};
  return open_set(folder, split->file_name(), log);
}

bool is_model(const Checkpoint& checkpoint) {
  const Value* type = checkpoint.shards.front().header.find("general.type");
  return type == nullptr || type->as_string() == "model";
}

Result<Checkpoint> open_folder(const fs::path& folder, Log& log) {
  IMP_ASSIGN(const std::vector<std::string> names, list_sets(folder));
  std::optional<Checkpoint> model;
  for (const std::string& name : names) {
    IMP_ASSIGN(Checkpoint checkpoint, open_file(folder / name, log));
    if (!is_model(checkpoint)) {
      log.note(name + ": left out, its general.type is not \"model\"");
      continue;
    }
    if (model)
      return Error{ErrorKind::kUsage,
                   "holds more than one model: '" + model->shards.front().name + "' and '" + name +
                       "'; name the file that is meant",
                   folder.string(), ""};
    model = std::move(checkpoint);
  }
  if (!model)
    return Error{ErrorKind::kUnsupportedFormat,
                 "holds no GGUF file of a model, only of other things", folder.string(), ""};
  return std::move(*model);
}

bool has_suffix_in(const fs::path& folder, std::string_view suffix) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error))
    if (entry->path().filename().string().ends_with(suffix)) return true;
  return false;
}

bool begins_with_magic(const fs::path& path) {
  const Result<ReadFile> file = ReadFile::open(path);
  std::array<char, 4> magic{};
  return file.ok() && file->read_at(0, std::as_writable_bytes(std::span(magic))).ok() &&
         std::string_view(magic.data(), magic.size()) == "GGUF";
}

}  // namespace

bool is_gguf(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error))
    return has_suffix_in(path, ".gguf") && !has_suffix_in(path, ".safetensors");
  if (!fs::is_regular_file(path, error)) return false;
  return path.filename().string().ends_with(".gguf") || begins_with_magic(path);
}

Result<Checkpoint> open_checkpoint(const fs::path& path, Log& log) {
  std::error_code error;
  if (fs::is_directory(path, error)) return open_folder(path, log);
  return open_file(path, log);
}

}  // namespace imp::gguf
