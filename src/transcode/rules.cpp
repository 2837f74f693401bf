#include "src/transcode/rules.h"

#include <re2/re2.h>

namespace imp::transcode {

Result<Rule> parse_rule(std::string_view text) {
  const auto usage = [&](const std::string& what) {
    return Error{ErrorKind::kUsage, "--transcode '" + std::string(text) + "': " + what, "", ""};
  };
  const size_t equals = text.rfind('=');
  if (equals == std::string_view::npos || equals == 0) return usage("expected REGEX=SCHEME");
  const auto target = quant::transcode_from_name(text.substr(equals + 1));
  if (!target) {
    std::string names;
    for (const std::string_view name : quant::transcode_names())
      names.append(names.empty() ? "" : ", ").append(name);
    return usage("scheme '" + std::string(text.substr(equals + 1)) + "' is none of " + names);
  }
  Rule rule{std::string(text.substr(0, equals)), *target};
  const re2::RE2 pattern(rule.pattern, re2::RE2::Quiet);
  if (!pattern.ok()) return usage("pattern: " + pattern.error());
  return rule;
}

std::string rule_text(const Rule& rule) {
  return rule.pattern + "=" + std::string(quant::transcode_name(rule.target));
}

}  // namespace imp::transcode
