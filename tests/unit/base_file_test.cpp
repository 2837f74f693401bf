// Reading by ranges, and output that appears under its final name only when whole.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "src/base/file.h"
#include "tests/unit/safetensors_bytes.h"
#include "tests/unit/temp_folder.h"

namespace imp {
namespace {

namespace fs = std::filesystem;
using testing::as_bytes;
using testing::TempFolder;

std::string contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::unique_ptr<AtomicFile> create(const fs::path& path, bool overwrite) {
  auto file = AtomicFile::create(path, overwrite);
  EXPECT_TRUE(file.ok()) << file.error().to_line();
  return file.ok() ? std::move(file).take() : nullptr;
}

template <class T>
void expect_error(const Result<T>& result, ErrorKind kind, const fs::path& file,
                  const std::string& fragment) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(error_kind_name(result.error().kind), error_kind_name(kind));
  EXPECT_EQ(result.error().file, file.string());
  EXPECT_NE(result.error().message.find(fragment), std::string::npos) << result.error().message;
}

TEST(ReadFile, ReadsRanges) {
  const TempFolder folder;
  const auto file = ReadFile::open(folder.write("f", "0123456789"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->size_bytes(), 10u);
  std::string out(4, '?');
  ASSERT_TRUE(file->read_at(3, std::as_writable_bytes(std::span(out))).ok());
  EXPECT_EQ(out, "3456");
  ASSERT_TRUE(file->read_at(6, std::as_writable_bytes(std::span(out))).ok());
  EXPECT_EQ(out, "6789");
  EXPECT_TRUE(file->read_at(10, {}).ok());
}

TEST(ReadFile, RangesPastTheEndAreTruncated) {
  const TempFolder folder;
  const fs::path path = folder.write("f", "0123456789");
  const auto file = ReadFile::open(path);
  ASSERT_TRUE(file.ok());
  std::string out(4, '?');
  const auto bytes = std::as_writable_bytes(std::span(out));
  expect_error(file->read_at(7, bytes), ErrorKind::kTruncated, path,
               "file has 10 bytes, expected at least 7 + 4");
  expect_error(file->read_at(11, {}), ErrorKind::kTruncated, path, "file has 10 bytes");
  expect_error(file->read_at(~uint64_t{0} - 1, bytes), ErrorKind::kTruncated, path,
               "file has 10 bytes");
}

TEST(ReadFile, AFileThatShrinksWhileItIsReadIsTruncated) {
  const TempFolder folder;
  const fs::path path = folder.write("f", "0123456789");
  const auto file = ReadFile::open(path);
  ASSERT_TRUE(file.ok());
  fs::resize_file(path, 5);
  std::string out(4, '?');
  expect_error(file->read_at(3, std::as_writable_bytes(std::span(out))), ErrorKind::kTruncated,
               path, "file ends at byte 5, expected 7");
}

TEST(ReadFile, OnlyRegularFilesOpen) {
  const TempFolder folder;
  expect_error(ReadFile::open(folder.path() / "none"), ErrorKind::kIo, folder.path() / "none",
               "cannot open");
  expect_error(ReadFile::open(folder.path()), ErrorKind::kIo, folder.path(), "not a regular file");
}

TEST(ReadFile, ANamedPipeIsRefusedWithoutWaitingForAWriter) {
  const TempFolder folder;
  const fs::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_error(ReadFile::open(pipe), ErrorKind::kIo, pipe, "not a regular file");
}

TEST(ReadFile, MovesKeepTheFileOpen) {
  const TempFolder folder;
  auto first = ReadFile::open(folder.write("a", "aaaa"));
  auto second = ReadFile::open(folder.write("b", "bb"));
  ASSERT_TRUE(first.ok() && second.ok());
  ReadFile file = std::move(first).take();
  file = std::move(second).take();
  EXPECT_EQ(file.size_bytes(), 2u);
  std::string out(2, '?');
  ASSERT_TRUE(file.read_at(0, std::as_writable_bytes(std::span(out))).ok());
  EXPECT_EQ(out, "bb");
}

TEST(ReadSmallFile, UpToTheCap) {
  const TempFolder folder;
  const fs::path path = folder.write("f", "12345");
  const auto text = read_small_file(path, 5);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, "12345");
  expect_error(read_small_file(path, 4), ErrorKind::kHeaderSize, path,
               "has 5 bytes, expected at most 4");
  expect_error(read_small_file(folder.path() / "none", 4), ErrorKind::kIo, folder.path() / "none",
               "cannot open");
}

TEST(AtomicFile, AppearsOnCommitAndNotBefore) {
  const TempFolder folder;
  const fs::path path = folder.path() / "out";
  auto file = create(path, false);
  ASSERT_TRUE(file->write_at(4, as_bytes("5678")).ok());
  ASSERT_TRUE(file->write_at(0, as_bytes("1234")).ok());
  EXPECT_FALSE(fs::exists(path));
  ASSERT_TRUE(file->commit(8).ok());
  EXPECT_EQ(contents(path), "12345678");
  file.reset();
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"out"});
}

TEST(AtomicFile, TheFileHasTheUsualMode) {
  const TempFolder folder;
  const mode_t mask = ::umask(027);
  auto file = create(folder.path() / "out", false);
  const bool committed = file->commit(0).ok();
  ::umask(mask);
  ASSERT_TRUE(committed);
  struct stat info {};
  ASSERT_EQ(::stat((folder.path() / "out").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0640u) << "0666 less the umask, not mkstemp's 0600";
}

TEST(AtomicFile, WithoutCommitNothingIsLeft) {
  const TempFolder folder;
  auto file = create(folder.path() / "out", false);
  ASSERT_TRUE(file->write_at(0, as_bytes("half")).ok());
  const auto while_open = names_in(folder.path());
  ASSERT_EQ(while_open.size(), 1u);
  EXPECT_EQ(while_open[0].substr(0, 5), ".out.")
      << "hidden, and told from a finished file by its name";
  file.reset();
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(AtomicFile, CommitCutsAndExtendsWithZeros) {
  const TempFolder folder;
  auto cut = create(folder.path() / "cut", false);
  ASSERT_TRUE(cut->write_at(0, as_bytes("123456")).ok());
  ASSERT_TRUE(cut->commit(4).ok());
  EXPECT_EQ(contents(folder.path() / "cut"), "1234");
  auto longer = create(folder.path() / "longer", false);
  ASSERT_TRUE(longer->reserve(100).ok());
  ASSERT_TRUE(longer->write_at(2, as_bytes("x")).ok());
  ASSERT_TRUE(longer->commit(5).ok());
  EXPECT_EQ(contents(folder.path() / "longer"), std::string("\0\0x\0\0", 5));
}

TEST(AtomicFile, ReadsBackWhatIsWritten) {
  const TempFolder folder;
  auto file = create(folder.path() / "out", false);
  ASSERT_TRUE(file->write_at(3, as_bytes("abc")).ok());
  std::string out(5, '?');
  ASSERT_TRUE(file->read_at(1, std::as_writable_bytes(std::span(out))).ok());
  EXPECT_EQ(out, std::string("\0\0abc", 5));
  expect_error(file->read_at(4, std::as_writable_bytes(std::span(out))), ErrorKind::kTruncated,
               folder.path() / "out", "file ends at byte 6, expected 9");
}

TEST(AtomicFile, RefusesToOverwriteUnlessAsked) {
  const TempFolder folder;
  const fs::path path = folder.write("out", "old");
  expect_error(AtomicFile::create(path, false), ErrorKind::kFileExists, path,
               "exists; give -f to overwrite it");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"out"});
  EXPECT_EQ(contents(path), "old");
}

TEST(AtomicFile, ADanglingLinkIsAFileThatExists) {
  const TempFolder folder;
  const fs::path link = folder.path() / "out";
  fs::create_symlink(folder.path() / "nowhere", link);
  expect_error(AtomicFile::create(link, false), ErrorKind::kFileExists, link, "exists");
  EXPECT_TRUE(create(link, true)->commit(0).ok());
  EXPECT_FALSE(fs::exists(folder.path() / "nowhere")) << "a link is replaced, never followed";
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(link)));
}

TEST(AtomicFile, OverwritingKeepsTheOldFileWholeUntilCommit) {
  const TempFolder folder;
  const fs::path path = folder.write("out", "old contents");
  auto dropped = create(path, true);
  ASSERT_TRUE(dropped->write_at(0, as_bytes("new")).ok());
  EXPECT_EQ(contents(path), "old contents");
  dropped.reset();
  EXPECT_EQ(contents(path), "old contents");
  auto kept = create(path, true);
  ASSERT_TRUE(kept->write_at(0, as_bytes("new")).ok());
  ASSERT_TRUE(kept->commit(3).ok());
  EXPECT_EQ(contents(path), "new");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"out"});
}

TEST(AtomicFile, AFileThatAppearsMeanwhileIsNotReplaced) {
  const TempFolder folder;
  const fs::path path = folder.path() / "out";
  auto file = create(path, false);
  ASSERT_TRUE(file->write_at(0, as_bytes("mine")).ok());
  folder.write("out", "theirs");
  expect_error(file->commit(4), ErrorKind::kFileExists, path, "exists; give -f to overwrite it");
  file.reset();
  EXPECT_EQ(contents(path), "theirs");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"out"});
}

TEST(AtomicFile, AFolderIsNoOutput) {
  const TempFolder folder;
  fs::create_directory(folder.path() / "out");
  expect_error(AtomicFile::create(folder.path() / "out", true), ErrorKind::kFileExists,
               folder.path() / "out", "is a folder, expected the name of a file");
  expect_error(AtomicFile::create(folder.path() / "out", false), ErrorKind::kFileExists,
               folder.path() / "out", "exists");
  EXPECT_TRUE(names_in(folder.path() / "out").empty());
}

TEST(AtomicFile, AFolderThatIsNotThere) {
  const TempFolder folder;
  const fs::path missing = folder.path() / "missing";
  expect_error(AtomicFile::create(missing / "out", false), ErrorKind::kIo, missing,
               "cannot create a file in this folder");
}

TEST(ScratchFile, AppendsAndReadsBackUnderNoName) {
  const TempFolder folder;
  auto created = ScratchFile::create(folder.path());
  ASSERT_TRUE(created.ok());
  ScratchFile file = std::move(created).take();
  EXPECT_TRUE(names_in(folder.path()).empty()) << "nothing to clean up after a crash";
  ASSERT_TRUE(file.append(as_bytes("abc")).ok());
  ASSERT_TRUE(file.append(as_bytes("de")).ok());
  EXPECT_EQ(file.size_bytes(), 5u);
  std::string out(3, '?');
  ASSERT_TRUE(file.read_at(2, std::as_writable_bytes(std::span(out))).ok());
  EXPECT_EQ(out, "cde");
  expect_error(file.read_at(3, std::as_writable_bytes(std::span(out))), ErrorKind::kTruncated,
               "temporary file", "file ends at byte 5");
}

TEST(ScratchFile, AFolderThatIsNotThere) {
  const TempFolder folder;
  expect_error(ScratchFile::create(folder.path() / "missing"), ErrorKind::kIo,
               folder.path() / "missing", "cannot create a temporary file");
}

}  // namespace
}  // namespace imp
