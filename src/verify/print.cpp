#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <ostream>

#include "src/base/text.h"
#include "src/verify/verify.h"

namespace imp::verify {
namespace {

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNotRun:
      return "not run";
    case Verdict::kPassed:
      return "passed";
    case Verdict::kFailed:
      return "FAILED";
  }
  return "?";
}

}  // namespace

void print_json(std::ostream& out, const Options& options, const Report& report) {
  nlohmann::ordered_json json;
  json["artifact"] = options.artifact.string();
  json["artifact_id"] = report.artifact_id;
  json["total_bytes"] = report.total_bytes;
  json["targets"] = report.targets;
  json["backend"] = report.backend;
  json["backend_why"] = report.backend_why;
  json["passed"] = report.passed();
  json["exit_code"] = report.exit_code();
  json["levels"] = nlohmann::ordered_json::array();
  for (size_t l = 0; l < kLevelCount; ++l) {
    const LevelReport& level = report.levels[l];
    nlohmann::ordered_json row;
    row["level"] = level_name(static_cast<Level>(l));
    row["verdict"] = verdict_name(level.verdict);
    row["summary"] = level.summary;
    row["problem_count"] = level.problem_count;
    row["problems"] = nlohmann::ordered_json::array();
    for (const Error& error : level.problems)
      row["problems"].push_back({{"kind", error_kind_name(error.kind)},
                                 {"file", error.file},
                                 {"tensor", error.tensor},
                                 {"message", error.message}});
    json["levels"].push_back(std::move(row));
  }
  out << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
}

void print(std::ostream& out, std::ostream& problems, const Options& options,
           const Report& report) {
  out << fmt::format("{}  {}  {}\n", printable(options.artifact.string()),
                     human_bytes(report.total_bytes), report.artifact_id);
  for (size_t l = 0; l < kLevelCount; ++l) {
    const LevelReport& level = report.levels[l];
    if (static_cast<Level>(l) == Level::kSource && level.verdict == Verdict::kNotRun &&
        !options.source)
      continue;
    out << fmt::format("  {:<10} {:<8} {}\n", level_name(static_cast<Level>(l)),
                       verdict_name(level.verdict), level.summary);
    for (const Error& error : level.problems) problems << "imp-verify: " << error.to_line() << "\n";
    if (level.problem_count > level.problems.size())
      problems << "imp-verify: and " << level.problem_count - level.problems.size()
               << " more at level " << level_name(static_cast<Level>(l)) << "\n";
  }
  out << (report.passed() ? "passed\n" : "FAILED\n");
}

}  // namespace imp::verify
