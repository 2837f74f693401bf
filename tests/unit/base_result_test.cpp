// Error, Result, Status: the closed list of kinds and the one line that people see.
#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "src/base/result.h"

namespace imp {
namespace {

struct KindRow {
  ErrorKind kind;
  int exit;  // design: 1 failure, 2 usage, 3 damage, 4 unsupported, 5 mismatch, 6 target, 7 space
             // or I/O, 130 interrupted
  const char* name;
};

constexpr KindRow kKinds[] = {
    {ErrorKind::kInternal, 1, "internal"},
    {ErrorKind::kUsage, 2, "usage"},
    {ErrorKind::kFileExists, 2, "file_exists"},
    {ErrorKind::kTruncated, 3, "truncated"},
    {ErrorKind::kTrailingBytes, 3, "trailing_bytes"},
    {ErrorKind::kBadMagic, 3, "bad_magic"},
    {ErrorKind::kHeaderSize, 3, "header_size"},
    {ErrorKind::kHeaderSyntax, 3, "header_syntax"},
    {ErrorKind::kDuplicateName, 3, "duplicate_name"},
    {ErrorKind::kUnknownDtype, 3, "unknown_dtype"},
    {ErrorKind::kBadShape, 3, "bad_shape"},
    {ErrorKind::kHole, 3, "hole"},
    {ErrorKind::kOverlap, 3, "overlap"},
    {ErrorKind::kBadIndex, 3, "bad_index"},
    {ErrorKind::kShardConflict, 3, "shard_conflict"},
    {ErrorKind::kBadConfig, 3, "bad_config"},
    {ErrorKind::kBadChecksum, 3, "bad_checksum"},
    {ErrorKind::kBadSection, 3, "bad_section"},
    {ErrorKind::kBadRecord, 3, "bad_record"},
    {ErrorKind::kBadName, 3, "bad_name"},
    {ErrorKind::kNonZeroPadding, 3, "nonzero_padding"},
    {ErrorKind::kUnsupportedFormat, 4, "unsupported_format"},
    {ErrorKind::kUnsupportedScheme, 4, "unsupported_scheme"},
    {ErrorKind::kUnsupportedArchitecture, 4, "unsupported_architecture"},
    {ErrorKind::kUnsupportedVersion, 4, "unsupported_version"},
    {ErrorKind::kUnsupportedLayout, 4, "unsupported_layout"},
    {ErrorKind::kUnknownTensor, 4, "unknown_tensor"},
    {ErrorKind::kMissingTensor, 4, "missing_tensor"},
    {ErrorKind::kShapeMismatch, 4, "shape_mismatch"},
    {ErrorKind::kBadScale, 4, "bad_scale"},
    {ErrorKind::kDigestMismatch, 5, "digest_mismatch"},
    {ErrorKind::kInverseMismatch, 5, "inverse_mismatch"},
    {ErrorKind::kNumericsMismatch, 5, "numerics_mismatch"},
    {ErrorKind::kSourceMismatch, 5, "source_mismatch"},
    {ErrorKind::kControlNotDetected, 5, "control_not_detected"},
    {ErrorKind::kNoFormForTarget, 6, "no_form_for_target"},
    {ErrorKind::kNoDevice, 6, "no_device"},
    {ErrorKind::kIo, 7, "io"},
    {ErrorKind::kNoSpace, 7, "no_space"},
    {ErrorKind::kInterrupted, 130, "interrupted"},
};

TEST(ErrorKind, EveryKindHasItsNameAndExitCode) {
  std::set<std::string_view> names;
  for (const KindRow& row : kKinds) {
    EXPECT_EQ(error_kind_name(row.kind), row.name);
    EXPECT_EQ(exit_code(row.kind), row.exit) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
  }
}

TEST(ErrorKind, TheTableAboveIsComplete) {
  // kInterrupted is the last enumerator: each number up to it is a row, so that a new kind needs a
  // new row here.
  ASSERT_EQ(std::size(kKinds), static_cast<size_t>(ErrorKind::kInterrupted) + 1);
  for (size_t i = 0; i < std::size(kKinds); ++i) EXPECT_EQ(static_cast<size_t>(kKinds[i].kind), i);
}

TEST(Error, LineNamesFileThenTensorThenWhatIs) {
  const Error error{ErrorKind::kBadScale, "value is nan, expected a finite scale",
                    "in/model.safetensors", "a.b"};
  EXPECT_EQ(error.to_line(),
            "in/model.safetensors: tensor 'a.b': value is nan, expected a finite scale");
}

TEST(Error, LineLeavesOutWhatIsEmpty) {
  EXPECT_EQ((Error{ErrorKind::kUsage, "m", "", ""}).to_line(), "m");
  EXPECT_EQ((Error{ErrorKind::kUsage, "m", "f", ""}).to_line(), "f: m");
  EXPECT_EQ((Error{ErrorKind::kUsage, "m", "", "t"}).to_line(), "tensor 't': m");
}

TEST(Error, LineIsOneLineWhateverTheNamesHold) {
  const Error error{ErrorKind::kUsage, "m\r", "f\n", "t\x1b[2J"};
  EXPECT_EQ(error.to_line(), "f\\x0a: tensor 't\\x1b[2J': m\\x0d");
}

TEST(Error, InFileKeepsTheInnermostFile) {
  EXPECT_EQ((Error{ErrorKind::kUsage, "m", "", ""}).in_file("outer").file, "outer");
  EXPECT_EQ((Error{ErrorKind::kUsage, "m", "inner", ""}).in_file("outer").file, "inner");
}

Result<int> half(int value) {
  if (value % 2 != 0) return Error{ErrorKind::kBadShape, "is odd", "", std::to_string(value)};
  return value / 2;
}

Result<int> quarter(int value) {
  IMP_ASSIGN(const int first, half(value));
  IMP_ASSIGN(const int second, half(first));
  return second;
}

Status check_even(int value, bool& reached_end) {
  IMP_TRY(half(value));
  reached_end = true;
  return {};
}

TEST(Result, HoldsAValueOrAnError) {
  Result<int> good = half(4);
  ASSERT_TRUE(good.ok());
  EXPECT_TRUE(static_cast<bool>(good));
  EXPECT_EQ(*good, 2);
  EXPECT_EQ(std::move(good).take(), 2);
  const Result<int> bad = half(3);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().kind, ErrorKind::kBadShape);
  EXPECT_EQ(bad.error().tensor, "3");
}

TEST(Result, AResultOfAnErrorTypeIsNoError) {
  const Result<std::string> text = std::string("fine");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text->size(), 4u);
}

TEST(Result, TakesWhatCanOnlyBeMoved) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  const std::unique_ptr<int> owned = std::move(result).take();
  EXPECT_EQ(*owned, 7);
}

TEST(Result, AssignPassesTheFirstErrorOn) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_EQ(quarter(6).error().tensor, "3");
  EXPECT_EQ(quarter(5).error().tensor, "5");
}

TEST(Status, TryEndsTheFunctionAtAnError) {
  bool reached_end = false;
  EXPECT_FALSE(check_even(1, reached_end).ok());
  EXPECT_FALSE(reached_end);
  EXPECT_TRUE(check_even(2, reached_end).ok());
  EXPECT_TRUE(reached_end);
}

}  // namespace
}  // namespace imp
