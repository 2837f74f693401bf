// Exclude patterns as exporters write them: exact names, trailing stars, and whatever hands have
// edited in.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "src/base/log.h"

namespace imp::model {

/// fnmatch patterns (*, ?, [set]; case-sensitive) over canonical module names. "P.*" also matches P
/// itself, because the exporter folds the pair P, P.* into P.*.
class ModulePatterns {
 public:
  /// Patterns are normalised like names. One that RE2 cannot compile is warned about and dropped:
  /// the tensors decide.
  ModulePatterns(const std::vector<std::string>& patterns, Log& log);
  ~ModulePatterns();
  ModulePatterns(ModulePatterns&&) noexcept;

  /// True if any pattern matches; marks those that do.
  bool matches(const std::string& module);
  /// Patterns that nothing matched so far, as they were written.
  std::vector<std::string> unmatched() const;

 private:
  struct Pattern;
  std::vector<std::unique_ptr<Pattern>> patterns_;
};

}  // namespace imp::model
