#include "tools/cli.h"

#include <unistd.h>

#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "formats/imp/targets.h"
#include "src/base/text.h"
#include "src/version.h"

namespace imp::tools {

void add_common_options(CLI::App& app, CommonOptions& options, bool with_threads) {
  app.set_version_flag("--version", std::string(kVersion));
  app.add_flag("-q,--quiet", options.quiet, "Print errors only");
  app.add_flag("-v,--verbose", options.verbose, "Print notes too");
  app.add_flag("--json", options.json, "One JSON document on stdout instead of text");
  if (with_threads)
    app.add_option("-j,--threads", options.threads, "Worker threads (0: one a CPU)")
        ->check(CLI::Range(0, 1024));
}

std::optional<int> parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, std::cout, std::cerr);
    return code == 0 ? 0 : exit_code(ErrorKind::kUsage);
  }
  return std::nullopt;
}

ConsoleLog::ConsoleLog(std::string tool, const CommonOptions& options)
    : tool_(std::move(tool)),
      options_(options),
      terminal_(isatty(STDERR_FILENO) != 0),
      last_(std::chrono::steady_clock::now()) {}

ConsoleLog::~ConsoleLog() { end_progress_line(); }

void ConsoleLog::end_progress_line() {
  if (line_open_) std::cerr << "\n";
  line_open_ = false;
}

void ConsoleLog::warn(const std::string& line) {
  if (options_.quiet) return;
  const std::lock_guard lock(mutex_);
  end_progress_line();
  std::cerr << tool_ << ": warning: " << printable(line) << "\n";
}

void ConsoleLog::note(const std::string& line) {
  if (!options_.verbose) return;
  const std::lock_guard lock(mutex_);
  end_progress_line();
  std::cerr << tool_ << ": " << printable(line) << "\n";
}

void ConsoleLog::progress(uint64_t done_bytes, uint64_t total_bytes) {
  if (options_.quiet) return;
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < (terminal_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(5000)))
    return;
  last_ = now;
  const double percent =
      total_bytes == 0 ? 100.0
                       : 100.0 * static_cast<double>(done_bytes) / static_cast<double>(total_bytes);
  std::cerr << (terminal_ ? "\r" : "")
            << fmt::format("{}: {} of {} ({:.0f} %)", tool_, human_bytes(done_bytes),
                           human_bytes(total_bytes), percent)
            << (terminal_ ? "\x1b[K" : "\n") << std::flush;
  line_open_ = terminal_;
}

int fail(const std::string& tool, const CommonOptions& options, const Error& error) {
  std::cerr << tool << ": " << error.to_line() << "\n";
  if (options.json) {
    nlohmann::ordered_json json;
    json["error"] = {{"kind", error_kind_name(error.kind)},
                     {"file", error.file},
                     {"tensor", error.tensor},
                     {"message", error.message}};
    json["exit_code"] = exit_code(error.kind);
    std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  }
  return exit_code(error.kind);
}

Result<uint32_t> parse_sm(const std::string& text) {
  const auto sm = artifact::parse_target(text);
  if (!sm || !artifact::target_mask(*sm))
    return Error{ErrorKind::kUsage,
                 "target '" + text + "' is not known; see imp-convert --list-targets", "", ""};
  return *sm;
}

}  // namespace imp::tools
