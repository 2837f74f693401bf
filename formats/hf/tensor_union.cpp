#include "formats/hf/tensor_union.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <tuple>
#include <utility>

#include "formats/hf/shard_index.h"

namespace imp::hf {
namespace {

constexpr size_t kCompareBytes = 1u << 20;

/// The indices in by_name of tensors called `name`.
std::span<const uint32_t> tensors_named(const Checkpoint& checkpoint, std::string_view name) {
  struct ByName {
    const std::vector<SourceTensor>& tensors;
    bool operator()(uint32_t index, std::string_view wanted) const {
      return tensors[index].name < wanted;
    }
    bool operator()(std::string_view wanted, uint32_t index) const {
      return wanted < tensors[index].name;
    }
  };
  const auto [first, last] = std::equal_range(checkpoint.by_name.begin(), checkpoint.by_name.end(),
                                              name, ByName{checkpoint.tensors});
  return {first, last};
}

/// Ticks off what the index lists.
class IndexCheck {
 public:
  explicit IndexCheck(const Checkpoint& checkpoint)
      : checkpoint_(checkpoint), listed_(checkpoint.tensors.size(), false) {}

  Status entry(const std::string& name, const std::string& shard) {
    const auto& files = checkpoint_.files;
    if (std::none_of(files.begin(), files.end(),
                     [&](const SourceFile& f) { return f.name == shard; }))
      return Error{ErrorKind::kBadIndex,
                   "index puts it into '" + shard + "', which is not among the shards read", "",
                   name};
    const std::span<const uint32_t> named = tensors_named(checkpoint_, name);
    for (const uint32_t index : named)
      if (listed_[index])
        return Error{ErrorKind::kDuplicateName, "occurs twice in the index, expected once", "",
                     name};
    for (const uint32_t index : named) {
      if (files[checkpoint_.tensors[index].file].name != shard) continue;
      listed_[index] = true;
      return {};
    }
    const std::string place =
        named.empty() ? "no shard has it"
                      : "it is in '" + files[checkpoint_.tensors[named[0]].file].name + "'";
    return Error{ErrorKind::kBadIndex, "index puts it into '" + shard + "', but " + place, "",
                 name};
  }

  /// A name counts as listed if one of its tensors is.
  void note_unlisted(Log& log, const std::string& index_name) const {
    size_t num_unlisted = 0;
    const std::string* example = nullptr;
    for (uint32_t index : checkpoint_.by_name) {
      const std::string& name = checkpoint_.tensors[index].name;
      const std::span<const uint32_t> named = tensors_named(checkpoint_, name);
      const bool listed =
          std::any_of(named.begin(), named.end(), [&](uint32_t i) { return listed_[i]; });
      if (listed || index != named[0]) continue;
      ++num_unlisted;
      if (example == nullptr) example = &name;
    }
    if (num_unlisted > 0)
      log.note(index_name + ": does not list " + std::to_string(num_unlisted) +
               " tensors that the shards hold, such as '" + *example +
               "'; they are read all the same");
  }

 private:
  const Checkpoint& checkpoint_;
  std::vector<bool> listed_;
};

Result<bool> equal_bytes(const Checkpoint& checkpoint, const SourceTensor& a,
                         const SourceTensor& b) {
  if (a.dtype != b.dtype || a.shape != b.shape) return false;
  std::vector<std::byte> bytes_a;
  std::vector<std::byte> bytes_b;
  for (uint64_t at = 0; at < a.size_bytes; at += bytes_a.size()) {
    bytes_a.resize(std::min<uint64_t>(kCompareBytes, a.size_bytes - at));
    bytes_b.resize(bytes_a.size());
    IMP_TRY(checkpoint.files[a.file].handle.read_at(a.offset_bytes + at, bytes_a));
    IMP_TRY(checkpoint.files[b.file].handle.read_at(b.offset_bytes + at, bytes_b));
    if (bytes_a != bytes_b) return false;
  }
  return true;
}

void drop_tensors(Checkpoint& checkpoint, const std::vector<bool>& drop) {
  size_t kept = 0;
  for (size_t i = 0; i < drop.size(); ++i) {
    if (drop[i]) continue;
    if (kept != i) checkpoint.tensors[kept] = std::move(checkpoint.tensors[i]);
    ++kept;
  }
  checkpoint.tensors.resize(kept);
  sort_by_name(checkpoint);
}

}  // namespace

void sort_by_name(Checkpoint& checkpoint) {
  const auto& tensors = checkpoint.tensors;
  checkpoint.by_name.resize(tensors.size());
  std::iota(checkpoint.by_name.begin(), checkpoint.by_name.end(), 0u);
  std::sort(checkpoint.by_name.begin(), checkpoint.by_name.end(), [&](uint32_t a, uint32_t b) {
    return std::tie(tensors[a].name, a) < std::tie(tensors[b].name, b);
  });
}

Status check_index(const std::filesystem::path& path, const Checkpoint& checkpoint, Log& log) {
  IMP_ASSIGN(const ReadFile file, ReadFile::open(path));
  IndexCheck check(checkpoint);
  IMP_TRY(read_shard_index(file, [&](const std::string& tensor, const std::string& shard) {
    return check.entry(tensor, shard);
  }));
  check.note_unlisted(log, path.filename().string());
  return {};
}

Status merge_equal_tensors(Checkpoint& checkpoint, Log& log) {
  std::vector<bool> drop(checkpoint.tensors.size(), false);
  size_t num_dropped = 0;
  std::string example;
  for (size_t i = 1; i < checkpoint.by_name.size(); ++i) {
    const SourceTensor& first = checkpoint.tensors[checkpoint.by_name[i - 1]];
    const SourceTensor& second = checkpoint.tensors[checkpoint.by_name[i]];
    if (first.name != second.name) continue;
    const std::string& second_file = checkpoint.files[second.file].name;
    IMP_ASSIGN(const bool equal, equal_bytes(checkpoint, first, second));
    if (!equal)
      return Error{ErrorKind::kShardConflict,
                   "is in '" + second_file + "' too, with other contents, expected it once",
                   checkpoint.files[first.file].handle.path(), first.name};
    drop[checkpoint.by_name[i]] = true;
    if (num_dropped++ == 0)
      example =
          "'" + first.name + "' in " + checkpoint.files[first.file].name + " and " + second_file;
  }
  if (num_dropped == 0) return {};
  log.warn(std::to_string(num_dropped) + " tensors are in two shards with equal bytes, such as " +
           example + "; the first is kept");
  drop_tensors(checkpoint, drop);
  return {};
}

}  // namespace imp::hf
