#include "src/model/compressed_tensors_targets.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "src/model/module_class.h"
#include "src/model/names.h"

namespace imp::model {
namespace {

/// "Linear", "LlamaAttention": a class begins with a capital and has no dot.
bool looks_like_class(const std::string& text) {
  return !text.empty() && text[0] >= 'A' && text[0] <= 'Z' && text.find('.') == std::string::npos;
}

bool is_of_class(const std::string& module, const std::string& name) {
  const ModuleClass c = class_of_module(module);
  if (name == "Linear") return c == ModuleClass::kLinear || c == ModuleClass::kUnknown;
  return name == "Embedding" && c == ModuleClass::kEmbedding;
}

}  // namespace

struct Targets::Target {
  std::string text;
  std::unique_ptr<RE2> regex;  ///< where it is an expression
  bool used = false;

  bool regex_matches(const std::string& module) const {
    if (RE2::PartialMatch(module, *regex)) return true;
    const auto others = other_spellings(module);
    return std::any_of(others.begin(), others.end(), [this](const std::string& spelling) {
      return RE2::PartialMatch(spelling, *regex);
    });
  }

  Closeness match(const std::string& module) const {
    if (regex) return regex_matches(module) ? Closeness::kRegex : Closeness::kNone;
    return is_of_class(module, text) ? Closeness::kClass : Closeness::kNone;
  }
};

Targets::Targets(const std::vector<std::string>& texts, const std::string& file, Log& log) {
  RE2::Options options;
  options.set_log_errors(false);
  for (const std::string& text : texts) {
    auto target = std::make_unique<Target>();
    target->text = text;
    if (text.starts_with("re:")) {
      target->regex = std::make_unique<RE2>("^(?:" + text.substr(3) + ")", options);
      if (!target->regex->ok()) {
        log.warn("target '" + text + "' in " + file + " cannot be read (" + target->regex->error() +
                 "); the tensors decide");
        continue;
      }
      expressions_.push_back(target.get());
    } else {
      names_.emplace(normalise_prefix(text), target.get());
      if (looks_like_class(text)) expressions_.push_back(target.get());
    }
    targets_.push_back(std::move(target));
  }
}

Targets::~Targets() = default;
Targets::Targets(Targets&&) noexcept = default;

Closeness Targets::match(const std::string& module) const {
  const auto [first, last] = names_.equal_range(module);
  for (auto it = first; it != last; ++it) it->second->used = true;
  Closeness closest = first == last ? Closeness::kNone : Closeness::kName;
  for (Target* target : expressions_) {
    const Closeness match = target->match(module);
    if (match != Closeness::kNone) target->used = true;
    closest = std::max(closest, match);
  }
  return closest;
}

std::vector<std::string> Targets::unmatched() const {
  std::vector<std::string> list;
  for (const auto& target : targets_)
    if (!target->used && !looks_like_class(target->text)) list.push_back(target->text);
  return list;
}

}  // namespace imp::model
