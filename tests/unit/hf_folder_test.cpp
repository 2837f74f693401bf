// What open_checkpoint makes of the names in a folder.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "formats/hf/checkpoint.h"
#include "formats/hf/folder_scan.h"
#include "tests/unit/safetensors_bytes.h"
#include "tests/unit/temp_folder.h"

namespace imp::hf {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;
using testing::u8_shard;

Error error_of(const fs::path& folder) {
  CollectingLog log;
  auto checkpoint = open_checkpoint(folder, log);
  if (checkpoint.ok()) return Error{ErrorKind::kInternal, "was opened", "", ""};
  return std::move(checkpoint).error();
}

void expect_error(const fs::path& folder, ErrorKind kind, const fs::path& file,
                  const std::string& fragment) {
  const Error error = error_of(folder);
  EXPECT_EQ(error_kind_name(error.kind), error_kind_name(kind)) << error.to_line();
  EXPECT_EQ(error.file, file.string());
  EXPECT_NE(error.message.find(fragment), std::string::npos) << error.to_line();
}

TEST(HfFolder, MissingFolderIsAnIoError) {
  const TempFolder folder;
  expect_error(folder.path() / "none", ErrorKind::kIo, folder.path() / "none", "No such file");
}

TEST(HfFolder, FilesAreNotFolders) {
  const TempFolder folder;
  const auto gguf = folder.write("x.gguf", "GGUF");
  const auto text = folder.write("x.txt", "x");
  expect_error(gguf, ErrorKind::kUnsupportedFormat, gguf, "is a GGUF file");
  expect_error(text, ErrorKind::kUnsupportedFormat, text, "is a file, expected a folder");
}

TEST(HfFolder, TheOnlyShardStandsForItsFolder) {
  const TempFolder folder;
  const auto shard = folder.write("x.safetensors", u8_shard({{"a", "1"}}));
  CollectingLog log;
  const auto checkpoint = open_checkpoint(shard, log);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_line();
  EXPECT_EQ(checkpoint->folder, folder.path());
  EXPECT_EQ(checkpoint->tensors.size(), 1u);
  folder.write("y.safetensors", u8_shard({{"b", "1"}}));
  expect_error(shard, ErrorKind::kUnsupportedFormat, shard, "is not the only weights");
  const auto none = folder.path() / "z.safetensors";
  expect_error(none, ErrorKind::kIo, none, "No such file");
}

TEST(HfFolder, TheIndexStandsForItsFolder) {
  const TempFolder folder;
  folder.write("model-00001-of-00002.safetensors", u8_shard({{"a", "1"}}));
  folder.write("model-00002-of-00002.safetensors", u8_shard({{"b", "1"}}));
  const auto index = folder.write("model.safetensors.index.json",
                                  R"({"weight_map":{"a":"model-00001-of-00002.safetensors",)"
                                  R"("b":"model-00002-of-00002.safetensors"}})");
  CollectingLog log;
  const auto checkpoint = open_checkpoint(index, log);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_line();
  EXPECT_EQ(checkpoint->folder, folder.path());
  EXPECT_EQ(checkpoint->tensors.size(), 2u);
  // The index of a native set whose weights are not what is read.
  const auto native = folder.write("consolidated.safetensors.index.json", "{}");
  expect_error(native, ErrorKind::kUnsupportedFormat, native, "is not the index of the weights");
}

TEST(HfFolder, FolderWithoutShardsSaysWhatIsThere) {
  const TempFolder folder;
  expect_error(folder.path(), ErrorKind::kUnsupportedFormat, folder.path(), "there is: nothing");
  folder.write("model-Q4_K.gguf", "GGUF");
  folder.write("README.md", "x");
  expect_error(folder.path(), ErrorKind::kUnsupportedFormat, folder.path(),
               "there is: model-Q4_K.gguf, README.md; expected safetensors");
  for (const char* name : {"a.bin", "b.bin", "c.bin", "d.bin"}) folder.write(name, "x");
  expect_error(folder.path(), ErrorKind::kUnsupportedFormat, folder.path(),
               "there is: a.bin, b.bin, c.bin, d.bin, model-Q4_K.gguf and 1 more");
}

TEST(HfFolder, LeftoversOfDownloadsAreRefused) {
  for (const std::string name :
       {"model.safetensors.incomplete", "x.aria2", "tokenizer.json.part", ".hidden.INCOMPLETE"}) {
    const TempFolder folder;
    folder.write("model.safetensors", u8_shard({}));
    ASSERT_EQ(error_of(folder.path()).message, "was opened");
    folder.write(name, "");
    expect_error(folder.path(), ErrorKind::kTruncated, folder.path() / name, "unfinished download");
  }
}

struct SetCase {
  std::vector<std::string> present;
  std::string missing;  ///< empty: complete
};

TEST(HfFolder, NumberedShardsMustBeComplete) {
  const std::vector<SetCase> cases = {
      {{"m-00001-of-00003", "m-00002-of-00003", "m-00003-of-00003"}, ""},
      {{"m-00001-of-00003", "m-00002-of-00003"}, "m-00003-of-00003"},
      {{"m-00002-of-00003", "m-00003-of-00003"}, "m-00001-of-00003"},
      {{"m-00001-of-00003", "m-00003-of-00003"}, "m-00002-of-00003"},
      {{"m-00001-of-000163"}, "m-00002-of-000163"},  // DeepSeek's widths differ
      {{"m-00000-of-00002", "m-00001-of-00002"}, ""},
      {{"m-00000-of-00002"}, "m-00001-of-00002"},
      {{"m-00001-of-00001", "n-00001-of-00002"}, "n-00002-of-00002"},
      {{"m-00001-of-18446744073709551615"}, "m-00002-of-18446744073709551615"},
      {{"m-00001-of-99999999999999999999"}, ""},  // no number of files; just a name
      {{"m-x-of-00002", "m-00001-of", "-of-00002", "00001-of-00002"}, ""}};
  for (const SetCase& c : cases) {
    std::vector<std::string> shards;
    for (const std::string& name : c.present) shards.push_back(name + ".safetensors");
    const Status status = check_numbered_shards("dir", shards);
    ASSERT_EQ(status.ok(), c.missing.empty()) << c.present[0];
    if (status.ok()) continue;
    EXPECT_EQ(status.error().kind, ErrorKind::kTruncated);
    EXPECT_EQ(status.error().file, "dir/" + c.missing + ".safetensors");
    EXPECT_NE(status.error().message.find("is missing"), std::string::npos);
  }
}

TEST(HfFolder, MissingShardIsNamedWithoutAnIndex) {
  const TempFolder folder;
  folder.write("model-00002-of-00002.safetensors", u8_shard({}));
  expect_error(folder.path(), ErrorKind::kTruncated,
               folder.path() / "model-00001-of-00002.safetensors",
               "1 files of this set are here, expected 2");
}

TEST(HfFolder, LinksToFilesAreFollowedOthersRefused) {
  const TempFolder folder;
  const TempFolder blobs;
  fs::create_symlink(blobs.write("blob", u8_shard({{"a", "1"}})),
                     folder.path() / "model.safetensors");
  fs::create_symlink(blobs.write("tokenizer", "tok"), folder.path() / "tokenizer.json");
  fs::create_symlink(blobs.path() / "none", folder.path() / "dangling.txt");
  CollectingLog log;
  const auto checkpoint = open_checkpoint(folder.path(), log);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_line();
  EXPECT_EQ(checkpoint->tensors.size(), 1u);
  ASSERT_EQ(checkpoint->companions.size(), 1u);
  EXPECT_EQ(checkpoint->companions[0].size_bytes, 3u);

  fs::create_symlink(blobs.path() / "none", folder.path() / "z.safetensors");
  expect_error(folder.path(), ErrorKind::kIo, folder.path() / "z.safetensors", "broken link");
}

TEST(HfFolder, SpecialFilesAreNotOpened) {
  const TempFolder folder;
  folder.write("model.safetensors", u8_shard({}));
  ASSERT_EQ(::mkfifo((folder.path() / "config.json").c_str(), 0600), 0);
  expect_error(folder.path(), ErrorKind::kIo, folder.path() / "config.json", "special file");
}

TEST(HfFolder, CompanionsAreWhatIsNoWeightNoIndexNoCode) {
  const TempFolder folder;
  for (const char* name :
       {"model.safetensors", "b.BIN", "c.pth", "d.onnx", "e.gguf", "pytorch_model.bin.index.json",
        "modeling_x.py", ".gitattributes", "tokenizer.model", "config.json", "LICENSE",
        "chat.jinja", "sub/inside.txt"})
    folder.write(name, "{}");
  folder.write("model.safetensors", u8_shard({}));
  folder.write("\xFFname", "x");
  CollectingLog log;
  const auto checkpoint = open_checkpoint(folder.path(), log);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_line();
  std::string names;
  for (const Companion& companion : checkpoint->companions) names += companion.name + " ";
  EXPECT_EQ(names, "LICENSE chat.jinja config.json tokenizer.model ");
  EXPECT_EQ(checkpoint->companions[2].size_bytes, 2u);
  ASSERT_EQ(log.warnings.size(), 1u);
  EXPECT_EQ(log.warnings[0], "\\xffname: file name is not clean UTF-8; the file is left out");
}

TEST(HfFolder, SmallestCompanionsAreKept) {
  CollectingLog log;
  const auto kept =
      cap_companions({{"a", 50}, {"b", 60}, {"c", 1}, {"d", 49}, {"e", UINT64_MAX}}, 100, log);
  std::string names;
  for (const Companion& companion : kept) names += companion.name;
  EXPECT_EQ(names, "acd");
  ASSERT_EQ(log.warnings.size(), 2u);
  EXPECT_EQ(log.warnings[0], "b: left out, companion files have more than 100 B together");
  EXPECT_EQ(log.warnings[1], "e: left out, companion files have more than 100 B together");
}

TEST(HfFolder, ShardNameMustBeClean) {
  const TempFolder folder;
  folder.write("a\nb.safetensors", u8_shard({}));
  expect_error(folder.path(), ErrorKind::kBadName, folder.path() / "a\nb.safetensors", "UTF-8");
}

}  // namespace
}  // namespace imp::hf
