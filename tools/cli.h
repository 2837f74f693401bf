// What the four programs share: a log on stderr, error lines, exit codes.
#pragma once

#include <CLI/CLI.hpp>

#include <chrono>
#include <mutex>
#include <string>

#include "src/base/log.h"
#include "src/base/result.h"

namespace imp::tools {

/// Options that every program has.
struct CommonOptions {
  bool quiet = false;
  bool verbose = false;
  bool json = false;
  uint64_t threads = 0;
};

/// Adds -q, -v, --json, --version and, where it makes sense, -j.
void add_common_options(CLI::App& app, CommonOptions& options, bool with_threads);

/// Runs the parser. nullopt: go on. Otherwise the exit code: 0 after --help and --version (on
/// stdout), 2 for misuse (on stderr).
std::optional<int> parse(CLI::App& app, int argc, char** argv);

/// Warnings and notes as lines, progress in place on a terminal and as a line every few seconds
/// elsewhere. All on stderr. No colours are used, with or without NO_COLOR.
class ConsoleLog : public Log {
 public:
  ConsoleLog(std::string tool, const CommonOptions& options);
  ~ConsoleLog() override;
  void warn(const std::string& line) override;
  void note(const std::string& line) override;
  void progress(uint64_t done_bytes, uint64_t total_bytes) override;

 private:
  void end_progress_line();
  std::string tool_;
  CommonOptions options_;
  bool terminal_;
  bool line_open_ = false;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point last_;
};

/// One error line on stderr (and with --json a document on stdout); its exit code.
int fail(const std::string& tool, const CommonOptions& options, const Error& error);

/// "sm_89" as 89. Errors: kUsage.
Result<uint32_t> parse_sm(const std::string& text);

}  // namespace imp::tools
