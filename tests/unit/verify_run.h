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

}  // namespace imp::testing
