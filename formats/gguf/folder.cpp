#include "formats/gguf/folder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <utility>

#include "src/base/text.h"

namespace imp::gguf {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".gguf";
constexpr size_t kDigits = 5;
constexpr std::array<std::string_view, 3> kLeftovers = {".incomplete", ".aria2", ".part"};

bool take_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

std::optional<uint32_t> take_number(std::string_view& text) {
  if (text.size() < kDigits) return std::nullopt;
  const std::string_view digits = text.substr(text.size() - kDigits);
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  text.remove_suffix(kDigits);
  return value;
}

std::string five_digits(uint32_t value) {
  std::string digits = std::to_string(value);
  return std::string(kDigits - digits.size(), '0') + digits;
}

Status check_entry(const fs::directory_entry& entry, const std::string& name) {
  std::error_code error;
  const auto is_leftover = [&](std::string_view suffix) { return name.ends_with(suffix); };
  if (std::any_of(kLeftovers.begin(), kLeftovers.end(), is_leftover) && !entry.is_directory(error))
    return Error{ErrorKind::kTruncated,
                 "is what an unfinished download leaves behind, expected finished files only",
                 entry.path().string(), ""};
  if (name.ends_with(kSuffix) && !is_clean_utf8(name))
    return Error{ErrorKind::kBadName, "file name is not UTF-8 without control characters",
                 entry.path().string(), ""};
  return {};
}

}  // namespace

std::string SplitName::file_name() const {
  return prefix + "-" + five_digits(index) + "-of-" + five_digits(count) + std::string(kSuffix);
}

std::optional<SplitName> parse_split_name(std::string_view file_name) {
  if (!take_suffix(file_name, kSuffix)) return std::nullopt;
  const auto count = take_number(file_name);
  if (!count || !take_suffix(file_name, "-of-")) return std::nullopt;
  const auto index = take_number(file_name);
  if (!index || !take_suffix(file_name, "-")) return std::nullopt;
  if (*index < 1 || *index > *count) return std::nullopt;
  return SplitName{std::string(file_name), *index, *count};
}

Result<std::vector<std::string>> list_sets(const fs::path& folder) {
  std::vector<std::string> names;
  std::map<std::pair<std::string, uint32_t>, SplitName> lowest;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    IMP_TRY(check_entry(*entry, name));
    if (!name.ends_with(kSuffix) || name.starts_with('.')) continue;
    const auto split = parse_split_name(name);
    if (!split) {
      names.push_back(name);
      continue;
    }
    const auto [at, is_new] = lowest.try_emplace({split->prefix, split->count}, *split);
    if (!is_new && split->index < at->second.index) at->second = *split;
  }
  if (error) return Error{ErrorKind::kIo, "cannot list: " + error.message(), folder.string(), ""};
  for (const auto& [key, split] : lowest) names.push_back(split.file_name());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace imp::gguf
