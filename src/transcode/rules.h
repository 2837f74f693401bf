// --transcode REGEX=SCHEME: which weights are quantised anew, and to what.
#pragma once

#include <string>
#include <string_view>

#include "src/base/result.h"
#include "src/quant/transcode.h"

namespace imp::transcode {

struct Rule {
  std::string pattern;  ///< RE2, matched anywhere in the canonical module name
  quant::TranscodeTarget target{};
};

/// "REGEX=SCHEME"; the last '=' separates. Errors: kUsage for another form, a scheme that is none
/// of quant::transcode_names, a pattern that RE2 refuses.
Result<Rule> parse_rule(std::string_view text);
/// The inverse.
std::string rule_text(const Rule& rule);

}  // namespace imp::transcode
