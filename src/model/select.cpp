#include <re2/re2.h>

#include <memory>
#include <optional>
#include <utility>

#include "src/model/grouping.h"
#include "src/model/import.h"

namespace imp::model {
namespace {

using Patterns = std::vector<std::pair<std::string, std::unique_ptr<RE2>>>;

Result<Patterns> compile(const std::vector<std::string>& texts, const char* option) {
  Patterns patterns;
  RE2::Options options;
  options.set_log_errors(false);
  for (const std::string& text : texts) {
    auto regex = std::make_unique<RE2>(text, options);
    if (!regex->ok())
      return Error{ErrorKind::kUsage, std::string(option) + " '" + text + "': " + regex->error(),
                   "", ""};
    patterns.emplace_back(text, std::move(regex));
  }
  return patterns;
}

const std::string* first_match(const Patterns& patterns, const std::string& name) {
  for (const auto& [text, regex] : patterns)
    if (RE2::PartialMatch(name, *regex)) return &text;
  return nullptr;
}

std::optional<std::string> reason_to_drop(const Patterns& include, const Patterns& exclude,
                                          const std::string& name) {
  if (const std::string* text = first_match(exclude, name))
    return "excluded by --exclude '" + *text + "'";
  if (!include.empty() && first_match(include, name) == nullptr) return "matches no --include";
  return std::nullopt;
}

}  // namespace

Status select_weights(Model& model, const std::vector<std::string>& include,
                      const std::vector<std::string>& exclude) {
  if (include.empty() && exclude.empty()) return {};
  IMP_ASSIGN(const Patterns includes, compile(include, "--include"));
  IMP_ASSIGN(const Patterns excludes, compile(exclude, "--exclude"));
  std::vector<Weight> kept;
  for (Weight& weight : model.weights) {
    const auto reason = reason_to_drop(includes, excludes, weight.name);
    if (!reason) {
      kept.push_back(std::move(weight));
      continue;
    }
    for (const PlaneSet& set : weight.planes)
      for (const uint32_t t : set.tensors) {
        if (t == kNone) continue;
        model.source.tensors[t].disposition = Disposition::kIgnored;
        model.source.tensors[t].reason = *reason;
      }
  }
  if (kept.empty())
    return Error{ErrorKind::kUsage, "--include and --exclude leave no tensor", "", ""};
  model.weights = std::move(kept);
  order_and_group(model);
  return {};
}

}  // namespace imp::model
