// Unpacking inside a test, and looking at what came out without the code under test.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "src/unpack/unpack.h"
#include "tests/unit/checkpoint_editor.h"
#include "tests/unit/conversion.h"
#include "tests/unit/temp_folder.h"

namespace imp::testing {

/// Name to contents of every entry of a folder; a folder or link inside it is "<not a file>".
inline std::map<std::string, std::string> files_in(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  if (!std::filesystem::exists(folder)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::string& bytes = files[entry.path().filename().string()];
    bytes = "<not a file>";
    if (entry.is_symlink() || !entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return files;
}

/// An artifact in a folder of its own, to be unpacked into "out" beside it.
class UnpackCase {
 public:
  explicit UnpackCase(std::string_view artifact_bytes) {
    options.artifact = folder_.write("a.imp", artifact_bytes);
    options.folder = folder_.path() / "out";
    options.threads = 1;
  }

  Result<unpack::Report> run() { return unpack::run(options, log); }
  /// The refusal; a test failure if there is none.
  Error refusal() {
    const auto report = run();
    EXPECT_FALSE(report.ok()) << "unpacked, expected an error";
    return report.ok() ? Error{} : report.error();
  }
  /// The result as a checkpoint; a test failure if it is refused.
  CheckpointEditor checkpoint() {
    const auto report = run();
    if (!report.ok()) throw std::runtime_error(report.error().to_line());
    return CheckpointEditor(options.folder.string());
  }
  std::map<std::string, std::string> files() const { return files_in(options.folder); }
  const std::filesystem::path& parent() const { return folder_.path(); }

  unpack::Options options;
  CollectingLog log;

 private:
  TempFolder folder_;
};

inline void expect_error(const Error& error, ErrorKind kind, std::string_view fragment) {
  EXPECT_EQ(error_kind_name(error.kind), error_kind_name(kind)) << error.to_line();
  EXPECT_NE(error.to_line().find(fragment), std::string::npos) << error.to_line();
}

/// Tensors of both, in order: shard, name, dtype, shape, bytes.
inline void expect_same_tensors(const CheckpointEditor& got, const CheckpointEditor& want) {
  ASSERT_EQ(got.tensors().size(), want.tensors().size());
  for (size_t i = 0; i < want.tensors().size(); ++i) {
    const EditedTensor& a = got.tensors()[i];
    const EditedTensor& b = want.tensors()[i];
    EXPECT_EQ(a.shard, b.shard) << b.name;
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.dtype, b.dtype) << b.name;
    EXPECT_EQ(a.shape, b.shape) << b.name;
    EXPECT_TRUE(a.bytes == b.bytes) << b.name << " differs";
  }
}

}  // namespace imp::testing
