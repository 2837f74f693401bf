// Verifying inside a test.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>

#include "src/verify/verify.h"

namespace imp::testing {

/// Every level passes, numerics on the CPU and on every operand.
inline void expect_verified(const std::filesystem::path& artifact,
                            const std::filesystem::path& source) {
  verify::Options options;
  options.artifact = artifact;
  options.source = source;
  options.backend = verify::Backend::kCpu;
  options.all = true;
  options.threads = 1;
  CollectingLog log;
  const verify::Report report = verify::run(options, log);
  EXPECT_TRUE(report.passed());
  for (size_t l = 0; l < verify::kLevelCount; ++l) {
    EXPECT_EQ(report.levels[l].verdict, verify::Verdict::kPassed)
        << verify::level_name(static_cast<verify::Level>(l));
    for (const Error& problem : report.levels[l].problems) ADD_FAILURE() << problem.to_line();
  }
}

/// The first problem of `level` is this one, and the exit code is that of its kind.
inline void expect_problem(const verify::Report& report, verify::Level level, ErrorKind kind,
                           const std::string& tensor, const std::string& fragment) {
  EXPECT_FALSE(report.passed());
  const verify::LevelReport& at = report.at(level);
  ASSERT_FALSE(at.problems.empty()) << verify::level_name(level) << ": " << at.summary;
  const Error& error = at.problems.front();
  EXPECT_EQ(error_kind_name(error.kind), error_kind_name(kind)) << error.to_line();
  EXPECT_EQ(error.tensor, tensor) << error.to_line();
  EXPECT_NE(error.message.find(fragment), std::string::npos) << error.to_line();
  EXPECT_EQ(report.exit_code(), exit_code(kind));
}

}  // namespace imp::testing
