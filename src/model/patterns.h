// Patterns over module names as configurations write them: exact names, trailing stars, and
// whatever hands have edited in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "src/base/log.h"

namespace imp::model {

enum class PatternStyle : uint8_t {
  /// fnmatch (*, ?, [set]; case-sensitive) of the whole name. "P.*" also matches P itself, because
  /// ModelOpt's exporter folds the pair P, P.* into P.*.
  kWholeName,
  /// The same for any run of whole components of the name: "mlp.gate", "visual",
  /// "model.layers.*.self_attn" (modules_to_not_convert of transformers).
  kComponents,
};

/// Patterns over canonical module names.
class ModulePatterns {
 public:
  /// Patterns are normalised like names. One that RE2 cannot compile is warned about and dropped:
  /// the tensors decide.
  ModulePatterns(const std::vector<std::string>& patterns, PatternStyle style, Log& log);
  ~ModulePatterns();
  ModulePatterns(ModulePatterns&&) noexcept;

  /// True if any pattern matches; marks those that do.
  bool matches(const std::string& module) const;
  /// Patterns that nothing matched so far, as they were written.
  std::vector<std::string> unmatched() const;

 private:
  struct Pattern;
  std::vector<std::unique_ptr<Pattern>> patterns_;  ///< as they were written
  /// Lists name thousands of modules one by one; those need no search.
  std::unordered_multimap<std::string, Pattern*> names_;
  std::vector<Pattern*> expressions_;
};

}  // namespace imp::model
