// Collecting what is wrong from several threads, in an order that does not depend on them.
#pragma once

#include <algorithm>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "src/base/result.h"
#include "src/verify/verify.h"

namespace imp::verify {

class Problems {
 public:
  void add(Error error) {
    const std::lock_guard lock(mutex_);
    errors_.push_back(std::move(error));
  }
  /// For jobs: an error of the work itself is a problem like any other.
  void add(Status status) {
    if (!status.ok()) add(std::move(status).error());
  }
  bool empty() const { return errors_.empty(); }

  /// Verdict and problems of a level. REQUIRES: no other thread adds.
  void move_to(LevelReport& level, std::string summary) {
    std::sort(errors_.begin(), errors_.end(), [](const Error& a, const Error& b) {
      return std::tie(a.kind, a.tensor, a.message) < std::tie(b.kind, b.tensor, b.message);
    });
    level.summary = std::move(summary);
    level.problem_count += errors_.size();
    for (Error& error : errors_)
      if (level.problems.size() < kMaxProblems) level.problems.push_back(std::move(error));
    level.verdict = level.problem_count == 0 ? Verdict::kPassed : Verdict::kFailed;
    errors_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<Error> errors_;
};

}  // namespace imp::verify
