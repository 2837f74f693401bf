#include "src/model/patterns.h"

#include <re2/re2.h>

#include "src/model/names.h"

namespace imp::model {
namespace {

/// fnmatch to RE2: '*' any run (dots included), '?' one byte, '[..]' a set, '[!..]' its complement.
std::string to_regex(const std::string& pattern) {
  std::string regex;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const size_t close = c == '[' ? pattern.find(']', i + 2) : std::string::npos;
    if (c == '*') {
      regex += ".*";
    } else if (c == '?') {
      regex += ".";
    } else if (close != std::string::npos) {
      std::string set = pattern.substr(i + 1, close - i - 1);
      if (set[0] == '!') set[0] = '^';
      regex += "[" + set + "]";
      i = close;
    } else {
      regex += RE2::QuoteMeta(std::string(1, c));
    }
  }
  return regex;
}

std::string regex_of(const std::string& canonical, PatternStyle style) {
  std::string regex = to_regex(canonical);
  if (canonical.ends_with(".*"))
    regex += "|" + RE2::QuoteMeta(canonical.substr(0, canonical.size() - 2));
  if (style == PatternStyle::kWholeName) return regex;
  return "(?:.*\\.)?(?:" + regex + ")(?:\\..*)?";
}

}  // namespace

struct ModulePatterns::Pattern {
  std::string text;
  std::unique_ptr<RE2> regex;  ///< none for a plain name
  bool used = false;
};

ModulePatterns::ModulePatterns(const std::vector<std::string>& patterns, PatternStyle style,
                               Log& log) {
  RE2::Options options;
  options.set_log_errors(false);
  for (const std::string& text : patterns) {
    auto pattern = std::make_unique<Pattern>();
    pattern->text = text;
    const std::string canonical = normalise_prefix(text);
    if (style == PatternStyle::kWholeName && canonical.find_first_of("*?[") == std::string::npos) {
      names_.emplace(canonical, pattern.get());
      patterns_.push_back(std::move(pattern));
      continue;
    }
    pattern->regex = std::make_unique<RE2>(regex_of(canonical, style), options);
    if (!pattern->regex->ok()) {
      log.warn("exclude pattern '" + text + "' cannot be read (" + pattern->regex->error() +
               "); the tensors decide");
      continue;
    }
    expressions_.push_back(pattern.get());
    patterns_.push_back(std::move(pattern));
  }
}

ModulePatterns::~ModulePatterns() = default;
ModulePatterns::ModulePatterns(ModulePatterns&&) noexcept = default;

bool ModulePatterns::matches(const std::string& module) const {
  const auto [first, last] = names_.equal_range(module);
  for (auto it = first; it != last; ++it) it->second->used = true;
  bool any = first != last;
  for (Pattern* pattern : expressions_)
    if (RE2::FullMatch(module, *pattern->regex)) any = pattern->used = true;
  return any;
}

std::vector<std::string> ModulePatterns::unmatched() const {
  std::vector<std::string> list;
  for (const auto& pattern : patterns_)
    if (!pattern->used) list.push_back(pattern->text);
  return list;
}

}  // namespace imp::model
