#include "formats/hf/folder_scan.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>

#include "src/base/text.h"

namespace imp::hf {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> kLeftovers = {".incomplete", ".aria2", ".part"};
constexpr std::array<std::string_view, 18> kOtherWeights = {
    ".gguf", ".bin", ".pt",  ".pth", ".ckpt",   ".h5",     ".msgpack", ".onnx", ".onnx_data",
    ".npz",  ".npy", ".pkl", ".ot",  ".pickle", ".tflite", ".mlmodel", ".imp",  ".ggml"};
constexpr std::string_view kShardSuffix = ".safetensors";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

template <size_t kCount>
bool ends_with_any(std::string_view name, const std::array<std::string_view, kCount>& suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(),
                     [&](std::string_view suffix) { return name.ends_with(suffix); });
}

Status add_shard(const fs::directory_entry& entry, std::string name, FolderScan& scan) {
  std::error_code error;
  if (!entry.is_regular_file(error))
    return Error{ErrorKind::kIo, "is a folder, a broken link or a special file, expected a file",
                 entry.path().string(), ""};
  if (!is_clean_utf8(name))
    return Error{ErrorKind::kBadName, "file name is not UTF-8 without control characters",
                 entry.path().string(), ""};
  scan.shards.push_back(std::move(name));
  return {};
}

/// Put one entry of the folder where it belongs.
Status sort_entry(const fs::directory_entry& entry, FolderScan& scan, Log& log) {
  const std::string name = entry.path().filename().string();
  const std::string key = lower(name);
  std::error_code error;
  if (ends_with_any(key, kLeftovers) && !entry.is_directory(error))
    return Error{ErrorKind::kTruncated,
                 "is what an unfinished download leaves behind, expected finished files only",
                 entry.path().string(), ""};
  if (key.starts_with('.')) return {};
  if (key.ends_with(kShardSuffix)) return add_shard(entry, name, scan);
  if (!entry.is_regular_file(error)) return {};
  if (ends_with_any(key, kOtherWeights)) {
    scan.other_weights.push_back(name);
  } else if (key.ends_with(".index.json")) {
    scan.indexes.push_back(name);
  } else if (!key.ends_with(".py")) {
    if (!is_clean_utf8(name)) {
      log.warn(printable(name) + ": file name is not clean UTF-8; the file is left out");
      return {};
    }
    const uintmax_t size_bytes = entry.file_size(error);
    if (error)
      return Error{ErrorKind::kIo, "cannot stat: " + error.message(), entry.path().string(), ""};
    scan.companions.push_back({name, size_bytes});
  }
  return {};
}

Error no_weights(const fs::path& folder, const FolderScan& scan) {
  std::vector<std::string> present = scan.other_weights;
  for (const std::string& name : scan.indexes) present.push_back(name);
  for (const Companion& companion : scan.companions) present.push_back(companion.name);
  constexpr size_t kShown = 5;
  std::string list = present.empty() ? "nothing" : "";
  for (size_t i = 0; i < std::min(kShown, present.size()); ++i)
    list += (i ? ", " : "") + present[i];
  if (present.size() > kShown) list += " and " + std::to_string(present.size() - kShown) + " more";
  return Error{ErrorKind::kUnsupportedFormat,
               "holds no *.safetensors; there is: " + list + "; expected safetensors shards",
               folder.string(), ""};
}

/// "X-00001-of-00004.safetensors"
struct ShardNumber {
  std::string_view stem;  ///< "X"
  uint64_t index = 0;
  size_t index_digits = 0;
  uint64_t total = 0;
  std::string_view total_text;
};

/// The digits at the end of `text`, which are cut off; nullopt if there are none or too many.
std::optional<uint64_t> take_number(std::string_view& text, std::string_view& digits) {
  size_t begin = text.size();
  while (begin > 0 && text[begin - 1] >= '0' && text[begin - 1] <= '9') --begin;
  digits = text.substr(begin);
  text.remove_suffix(digits.size());
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc()) return std::nullopt;
  return value;
}

bool take_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

std::optional<ShardNumber> parse_shard_number(std::string_view name) {
  ShardNumber number;
  std::string_view index_text;
  if (!take_suffix(name, kShardSuffix)) return std::nullopt;
  const auto total = take_number(name, number.total_text);
  if (!total || !take_suffix(name, "-of-")) return std::nullopt;
  const auto index = take_number(name, index_text);
  if (!index || !take_suffix(name, "-")) return std::nullopt;
  number.stem = name;
  number.index = *index;
  number.index_digits = index_text.size();
  number.total = *total;
  return number;
}

std::string shard_name(const ShardNumber& like, uint64_t index) {
  std::string digits = std::to_string(index);
  if (digits.size() < like.index_digits) digits.insert(0, like.index_digits - digits.size(), '0');
  return std::string(like.stem) + "-" + digits + "-of-" + std::string(like.total_text) +
         std::string(kShardSuffix);
}

/// REQUIRES: `set` holds the numbers of one set, sorted by index, at least one.
Status check_set(const fs::path& folder, const std::vector<ShardNumber>& set) {
  const uint64_t first = set.front().index == 0 ? 0 : 1;
  uint64_t wanted = first;
  for (const ShardNumber& number : set)
    if (number.index == wanted) ++wanted;
  if (wanted - first >= set.front().total) return {};
  return Error{ErrorKind::kTruncated,
               "is missing: " + std::to_string(set.size()) +
                   " files of this set are here, expected " + std::to_string(set.front().total),
               (folder / shard_name(set.front(), wanted)).string(), ""};
}

}  // namespace

Result<FolderScan> scan_folder(const fs::path& folder, Log& log) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (!fs::exists(status))
    return Error{ErrorKind::kIo, "cannot open: " + error.message(), folder.string(), ""};
  if (!fs::is_directory(status)) {
    const bool gguf = lower(folder.filename().string()).ends_with(".gguf");
    return Error{ErrorKind::kUnsupportedFormat,
                 std::string(gguf ? "is a GGUF file" : "is a file") +
                     ", expected a folder with safetensors shards",
                 folder.string(), ""};
  }
  FolderScan scan;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error))
    IMP_TRY(sort_entry(*entry, scan, log));
  if (error) return Error{ErrorKind::kIo, "cannot list: " + error.message(), folder.string(), ""};
  std::sort(scan.shards.begin(), scan.shards.end());
  std::sort(scan.other_weights.begin(), scan.other_weights.end());
  std::sort(scan.indexes.begin(), scan.indexes.end());
  std::sort(scan.companions.begin(), scan.companions.end(),
            [](const Companion& a, const Companion& b) { return a.name < b.name; });
  if (scan.shards.empty()) return no_weights(folder, scan);
  return scan;
}

Status check_numbered_shards(const fs::path& folder, const std::vector<std::string>& shards) {
  std::map<std::pair<std::string_view, std::string_view>, std::vector<ShardNumber>> sets;
  for (const std::string& name : shards)
    if (const auto number = parse_shard_number(name))
      sets[{number->stem, number->total_text}].push_back(*number);
  for (auto& [key, set] : sets) {
    std::sort(set.begin(), set.end(),
              [](const ShardNumber& a, const ShardNumber& b) { return a.index < b.index; });
    IMP_TRY(check_set(folder, set));
  }
  return {};
}

std::vector<Companion> cap_companions(std::vector<Companion> companions, uint64_t cap_bytes,
                                      Log& log) {
  std::sort(companions.begin(), companions.end(), [](const Companion& a, const Companion& b) {
    return std::tie(a.size_bytes, a.name) < std::tie(b.size_bytes, b.name);
  });
  uint64_t kept_bytes = 0;
  size_t kept = 0;
  while (kept < companions.size() && companions[kept].size_bytes <= cap_bytes - kept_bytes)
    kept_bytes += companions[kept++].size_bytes;
  for (size_t i = kept; i < companions.size(); ++i)
    log.warn(printable(companions[i].name) + ": left out, companion files have more than " +
             human_bytes(cap_bytes) + " together");
  companions.resize(kept);
  std::sort(companions.begin(), companions.end(),
            [](const Companion& a, const Companion& b) { return a.name < b.name; });
  return companions;
}

}  // namespace imp::hf
