// Judging an artifact: structure, content, numerics (README, "What a pass of imp-verify proves").
// Nothing here includes what made the artifact: inverses are written over the layout maps anew,
// products come from the bundled kernels.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "src/base/log.h"
#include "src/base/result.h"

namespace imp::verify {

/// Whose GEMM the numerics level runs. kAuto: the GPU where this build has CUDA, a device is there
/// and some GEMM form of the file has a kernel on it; the CPU otherwise.
enum class Backend : uint8_t { kAuto, kCpu, kCuda };

struct Options {
  std::filesystem::path artifact;
  std::optional<std::filesystem::path> source;  ///< compare with the checkpoint too
  std::optional<uint32_t> sm;                   ///< only forms that serve this target
  Backend backend = Backend::kAuto;
  bool all = false;                      ///< numerics on every operand, not on a budget
  uint64_t budget_weights = 48'000'000;  ///< weights that the numerics level looks at without `all`
  uint64_t threads = 0;                  ///< 0: as many as this process may use
};

enum class Level : uint8_t { kStructure, kContent, kSource, kNumerics, kControls };
inline constexpr size_t kLevelCount = 5;
const char* level_name(Level level);

enum class Verdict : uint8_t { kNotRun, kPassed, kFailed };

struct LevelReport {
  Verdict verdict = Verdict::kNotRun;
  std::string summary;          ///< what was looked at
  std::vector<Error> problems;  ///< at most kMaxProblems
  uint64_t problem_count = 0;
};
inline constexpr size_t kMaxProblems = 20;

struct Report {
  std::array<LevelReport, kLevelCount> levels;
  std::string artifact_id;  ///< hex
  std::string targets;      ///< what the file serves
  std::string backend;      ///< "cpu" or "cuda", as chosen; empty if the file could not be opened
  std::string backend_why;  ///< the device, or why it is the CPU
  uint64_t total_bytes = 0;

  LevelReport& at(Level level) { return levels[static_cast<size_t>(level)]; }
  const LevelReport& at(Level level) const { return levels[static_cast<size_t>(level)]; }
  bool passed() const;
  /// Of the first problem, by level; 0 if all levels that ran passed.
  int exit_code() const;
};

/// Never throws away a level silently: a level that could not run because an earlier one failed is
/// kNotRun. A backend that was asked for and cannot be had ends the run at the structure level with
/// kNoDevice or kNoFormForTarget; nothing else takes its place.
Report run(const Options& options, Log& log);

/// One JSON document.
void print_json(std::ostream& out, const Options& options, const Report& report);
/// A line a level, then a line a problem on `problems`.
void print(std::ostream& out, std::ostream& problems, const Options& options, const Report& report);

}  // namespace imp::verify
