// Converting a fixture inside a test, and taking the result apart.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "src/convert/convert.h"
#include "tests/unit/memory_file.h"
#include "tests/unit/temp_folder.h"

namespace imp::testing {

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(IMP_TEST_DATA) / name;
}

inline convert::Options options_for(const std::filesystem::path& input, std::vector<uint32_t> sms) {
  convert::Options options;
  options.input = input;
  options.plan.sms = std::move(sms);
  options.threads = 1;
  return options;
}

/// Bytes of the artifact, or what went wrong.
inline Result<std::string> convert_to_memory(const convert::Options& options, Log& log) {
  IMP_ASSIGN(convert::Prepared prepared, convert::prepare(options, log));
  MemoryFile file;
  IMP_ASSIGN(const convert::Report report,
             convert::run_into(file, prepared, options, ::testing::TempDir(), log));
  (void)report;
  return file.bytes();
}

/// REQUIRES: converts.
inline std::string artifact_of(const std::filesystem::path& input, std::vector<uint32_t> sms) {
  CollectingLog log;
  Result<std::string> bytes = convert_to_memory(options_for(input, std::move(sms)), log);
  if (!bytes.ok()) ADD_FAILURE() << bytes.error().to_line();
  return bytes.ok() ? *bytes : std::string();
}

}  // namespace imp::testing
