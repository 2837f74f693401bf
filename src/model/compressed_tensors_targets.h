// What compressed-tensors calls targets: names, regular expressions and classes of modules
// (checkpoint-formats 4.1, "Target matching").
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "src/base/log.h"

namespace imp::model {

/// How closely a target names a module; the closest decides between groups.
enum class Closeness : uint8_t { kNone = 0, kClass = 1, kRegex = 2, kName = 3 };

class Targets {
 public:
  /// Names are normalised like those of tensors. An expression begins with "re:" and matches from
  /// the start of a name on; it is tried on every spelling that files have for the name. One that
  /// RE2 cannot compile is warned about and dropped: the tensors decide.
  Targets(const std::vector<std::string>& texts, const std::string& file, Log& log);
  ~Targets();
  Targets(Targets&&) noexcept;

  /// The closest match of a canonical module name; marks every target that matches.
  Closeness match(const std::string& module) const;
  /// Names and expressions that nothing matched so far, as they were written.
  std::vector<std::string> unmatched() const;

 private:
  struct Target;
  std::vector<std::unique_ptr<Target>> targets_;  ///< as they were written
  /// Lists name thousands of modules one by one; those need no search.
  std::unordered_multimap<std::string, Target*> names_;
  std::vector<Target*> expressions_;  ///< and classes
};

}  // namespace imp::model
