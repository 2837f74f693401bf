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

}  // namespace

struct ModulePatterns::Pattern {
  std::string text;
  RE2 regex;
  bool used = false;
  Pattern(std::string t, const std::string& r, const RE2::Options& o)
      : text(std::move(t)), regex(r, o) {}
};

ModulePatterns::ModulePatterns(const std::vector<std::string>& patterns, PatternStyle style,
                               Log& log) {
  RE2::Options options;
  options.set_log_errors(false);
  for (const std::string& text : patterns) {
    const std::string canonical = normalise_prefix(text);
    std::string regex = to_regex(canonical);
    if (canonical.ends_with(".*"))
      regex += "|" + RE2::QuoteMeta(canonical.substr(0, canonical.size() - 2));
    if (style == PatternStyle::kComponents) regex = "(?:.*\\.)?(?:" + regex + ")(?:\\..*)?";
    auto pattern = std::make_unique<Pattern>(text, regex, options);
    if (pattern->regex.ok())
      patterns_.push_back(std::move(pattern));
    else
      log.warn("exclude pattern '" + text + "' cannot be read (" + pattern->regex.error() +
               "); the tensors decide");
  }
}

ModulePatterns::~ModulePatterns() = default;
ModulePatterns::ModulePatterns(ModulePatterns&&) noexcept = default;

bool ModulePatterns::matches(const std::string& module) const {
  bool any = false;
  for (const auto& pattern : patterns_) {
    if (RE2::FullMatch(module, pattern->regex)) any = pattern->used = true;
  }
  return any;
}

std::vector<std::string> ModulePatterns::unmatched() const {
  std::vector<std::string> list;
  for (const auto& pattern : patterns_)
    if (!pattern->used) list.push_back(pattern->text);
  return list;
}

}  // namespace imp::model
