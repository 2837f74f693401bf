// Files, sets of shards and folders: which of them are one model, and which contradict themselves.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <ostream>

#include "formats/gguf/checkpoint.h"
#include "formats/gguf/folder.h"
#include "tests/unit/gguf_bytes.h"
#include "tests/unit/temp_folder.h"

namespace imp::gguf {
namespace {

namespace fs = std::filesystem;
using namespace imp::testing;

const GgufEncoder kLe;

/// The three tensors of small_gguf over three shards "m-0000I-of-00003.gguf"; metadata in the
/// first.
std::vector<GgufFile> small_set() {
  std::vector<GgufFile> shards(3);
  for (uint16_t i = 0; i < 3; ++i) {
    if (i == 0) shards[i] = small_gguf();
    shards[i].tensors = {small_gguf().tensors[i]};
    shards[i].add("split.no", kGgufU16, kLe.num<uint16_t>(i));
    shards[i].add("split.count", kGgufU16, kLe.num<uint16_t>(3));
    shards[i].add("split.tensors.count", kGgufI32, kLe.num<int32_t>(3));
  }
  return shards;
}

std::string shard_name(size_t i) { return "m-0000" + std::to_string(i + 1) + "-of-00003.gguf"; }

void write_set(const TempFolder& folder, const std::vector<GgufFile>& shards) {
  for (size_t i = 0; i < shards.size(); ++i) folder.write(shard_name(i), shards[i].bytes());
}

/// Replace the entry for `key`; `value` is what follows the type id.
void set_entry(GgufFile& file, std::string_view key, uint32_t type, const std::string& value) {
  for (std::string& entry : file.entries)
    if (entry.starts_with(kLe.str(key))) entry = kLe.entry(key, type, value);
}
void drop_entry(GgufFile& file, std::string_view key) {
  std::erase_if(file.entries,
                [&](const std::string& entry) { return entry.starts_with(kLe.str(key)); });
}

size_t num_tensors(const Checkpoint& checkpoint) {
  size_t sum = 0;
  for (const Shard& shard : checkpoint.shards) sum += shard.header.tensors.size();
  return sum;
}

Checkpoint open(const fs::path& path, size_t num_warnings = 0) {
  CollectingLog log;
  auto checkpoint = open_checkpoint(path, log);
  if (!checkpoint.ok()) {
    ADD_FAILURE() << checkpoint.error().to_line();
    return {};
  }
  EXPECT_EQ(log.warnings.size(), num_warnings) << (log.warnings.empty() ? "" : log.warnings[0]);
  return std::move(checkpoint).take();
}

void expect_error(const fs::path& path, ErrorKind kind, const fs::path& file,
                  const std::string& fragment) {
  CollectingLog log;
  const auto checkpoint = open_checkpoint(path, log);
  ASSERT_FALSE(checkpoint.ok()) << path;
  const Error& error = checkpoint.error();
  EXPECT_EQ(error_kind_name(error.kind), error_kind_name(kind)) << error.to_line();
  EXPECT_EQ(error.file, file.string());
  EXPECT_NE(error.message.find(fragment), std::string::npos) << error.to_line();
}

TEST(GgufCheckpoint, OneFileIsAModel) {
  const TempFolder folder;
  const auto file = folder.write("m.gguf", small_gguf().bytes());
  for (const fs::path& path : {file, folder.path()}) {
    const Checkpoint checkpoint = open(path);
    ASSERT_EQ(checkpoint.shards.size(), 1u);
    EXPECT_EQ(checkpoint.folder, folder.path());
    EXPECT_EQ(checkpoint.shards[0].name, "m.gguf");
    EXPECT_EQ(num_tensors(checkpoint), 3u);
  }
}

TEST(GgufCheckpoint, AnyShardAndTheFolderStandForTheSet) {
  const TempFolder folder;
  write_set(folder, small_set());
  for (const fs::path& path : {folder.path(), folder.path() / shard_name(0),
                               folder.path() / shard_name(1), folder.path() / shard_name(2)}) {
    const Checkpoint checkpoint = open(path);
    ASSERT_EQ(checkpoint.shards.size(), 3u) << path;
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(checkpoint.shards[i].name, shard_name(i));
    EXPECT_EQ(checkpoint.shards[0].header.find("test.number")->as_uint(), 7u);
    EXPECT_EQ(num_tensors(checkpoint), 3u);
  }
}

TEST(GgufCheckpoint, TheFirstShardMayHaveNoTensors) {
  const TempFolder folder;
  auto shards = small_set();
  shards[1].tensors.insert(shards[1].tensors.begin(), shards[0].tensors[0]);
  shards[0].tensors.clear();
  write_set(folder, shards);
  EXPECT_EQ(num_tensors(open(folder.path())), 3u);
}

struct SetCase {
  std::string name;
  std::function<void(std::vector<GgufFile>&)> change;
  ErrorKind kind;
  size_t shard;  ///< whose file the error names
  std::string fragment;

  friend std::ostream& operator<<(std::ostream& out, const SetCase& c) { return out << c.name; }
};

class GgufSet : public ::testing::TestWithParam<SetCase> {};

TEST_P(GgufSet, ThatContradictsItselfIsRefused) {
  const TempFolder folder;
  auto shards = small_set();
  GetParam().change(shards);
  write_set(folder, shards);
  const fs::path file = folder.path() / shard_name(GetParam().shard);
  expect_error(folder.path() / shard_name(0), GetParam().kind, file, GetParam().fragment);
  expect_error(folder.path() / shard_name(1), GetParam().kind, file, GetParam().fragment);
}

std::function<void(std::vector<GgufFile>&)> with_number(size_t shard, std::string key,
                                                        uint64_t value) {
  return [=](std::vector<GgufFile>& shards) {
    set_entry(shards[shard], key, kGgufU64, kLe.num(value));
  };
}

INSTANTIATE_TEST_SUITE_P(
    Cases, GgufSet,
    ::testing::Values(
        SetCase{"first_no_is_1", with_number(0, "split.no", 1), ErrorKind::kBadIndex, 0,
                "'split.no' is 1, expected 0"},
        SetCase{"second_no_is_2", with_number(1, "split.no", 2), ErrorKind::kBadIndex, 1,
                "'split.no' is 2, expected 1"},
        SetCase{"no_missing", [](auto& shards) { drop_entry(shards[1], "split.no"); },
                ErrorKind::kBadIndex, 1, "'split.no' is missing"},
        SetCase{
            "no_negative",
            [](auto& shards) { set_entry(shards[1], "split.no", kGgufI32, kLe.num<int32_t>(-1)); },
            ErrorKind::kBadIndex, 1, "'split.no' is no number"},
        SetCase{"no_a_string",
                [](auto& shards) { set_entry(shards[1], "split.no", kGgufString, kLe.str("1")); },
                ErrorKind::kBadIndex, 1, "'split.no' is no number"},
        SetCase{"first_count_is_4", with_number(0, "split.count", 4), ErrorKind::kBadIndex, 0,
                "is 4, the file name says 3"},
        SetCase{"first_count_is_65535", with_number(0, "split.count", 65'535), ErrorKind::kBadIndex,
                0, "is 65535, the file name says 3"},
        SetCase{"third_count_is_2", with_number(2, "split.count", 2), ErrorKind::kBadIndex, 2,
                "'split.count' is 2, expected 3"},
        SetCase{"one_tensor_too_many", with_number(0, "split.tensors.count", 2),
                ErrorKind::kBadIndex, 0, "is 2, expected 3"},
        SetCase{"one_tensor_too_few", with_number(0, "split.tensors.count", 4),
                ErrorKind::kBadIndex, 0, "is 4, expected 3"},
        SetCase{"shards_of_two_sums", with_number(2, "split.tensors.count", 4),
                ErrorKind::kBadIndex, 2, "is 4, expected 3"},
        SetCase{"tensor_in_two_shards",
                [](auto& shards) { shards[2].tensors[0] = shards[1].tensors[0]; },
                ErrorKind::kDuplicateName, 2, shard_name(1)},
        SetCase{"second_big_endian",
                [](auto& shards) {
                  GgufFile& shard = shards[1];
                  shard.encoder.big_endian = true;
                  shard.entries.clear();
                  shard.add("split.no", kGgufU16, shard.encoder.template num<uint16_t>(1));
                  shard.add("split.count", kGgufU16, shard.encoder.template num<uint16_t>(3));
                },
                ErrorKind::kBadIndex, 1, "another byte order"},
        SetCase{"third_cut", [](auto& shards) { shards[2].tensors[0].offset = 4096; },
                ErrorKind::kTruncated, 2, "4096 + 20"}),
    [](const auto& c) { return c.param.name; });

TEST(GgufCheckpoint, AMissingShardIsNamed) {
  for (size_t missing = 0; missing < 3; ++missing) {
    const TempFolder folder;
    write_set(folder, small_set());
    fs::remove(folder.path() / shard_name(missing));
    const fs::path file = folder.path() / shard_name(missing);
    const fs::path other = folder.path() / shard_name(missing == 1 ? 2 : 1);
    expect_error(other, ErrorKind::kTruncated, file, "is missing");
    expect_error(folder.path(), ErrorKind::kTruncated, file, "is missing");
  }
}

TEST(GgufCheckpoint, ShardsUnderOtherNamesAreRefused) {
  const TempFolder folder;
  const auto shards = small_set();
  const auto file = folder.write("a.gguf", shards[0].bytes());
  folder.write("b.gguf", shards[1].bytes());
  expect_error(file, ErrorKind::kBadIndex, file, "expected a file name that ends with");
  expect_error(folder.path(), ErrorKind::kBadIndex, file, "expected a file name that ends with");
}

TEST(GgufCheckpoint, AShardNameWithoutSplitKeysIsReadAlone) {
  const TempFolder folder;
  const auto file = folder.write(shard_name(0), small_gguf().bytes());
  EXPECT_EQ(open(file, 1).shards.size(), 1u);
}

TEST(GgufCheckpoint, OnlyTheModelOfAFolderIsRead) {
  const TempFolder folder;
  folder.write("m.gguf", small_gguf().bytes());
  for (const char* type : {"mmproj", "adapter", "imatrix", "vocab"}) {
    GgufFile other = small_gguf();
    other.add("general.type", kGgufString, kLe.str(type));
    folder.write(std::string(type) + ".gguf", other.bytes());
  }
  CollectingLog log;
  const auto checkpoint = open_checkpoint(folder.path(), log);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_line();
  EXPECT_EQ(checkpoint->shards[0].name, "m.gguf");
  EXPECT_EQ(log.notes.size(), 4u);
  GgufFile model = small_gguf();
  model.add("general.type", kGgufString, kLe.str("model"));
  folder.write("n.gguf", model.bytes());
  expect_error(folder.path(), ErrorKind::kUsage, folder.path(), "'m.gguf' and 'n.gguf'");
  fs::remove(folder.path() / "m.gguf");
  fs::remove(folder.path() / "n.gguf");
  expect_error(folder.path(), ErrorKind::kUnsupportedFormat, folder.path(),
               "no GGUF file of a model");
}

TEST(GgufCheckpoint, LeftoversOfADownloadAreRefused) {
  for (const char* name : {"x.incomplete", "m.gguf.part", "m.gguf.aria2"}) {
    const TempFolder folder;
    folder.write("m.gguf", small_gguf().bytes());
    const auto file = folder.write(name, "");
    expect_error(folder.path(), ErrorKind::kTruncated, file, "unfinished download");
  }
}

/// `file` states alignment 64 but is laid out for 32, as gguf-split and llama-quantize leave it.
GgufFile laid_out_for_32() {
  GgufFile file = small_gguf();
  file.add("general.alignment", kGgufU32, kLe.num<uint32_t>(64));
  return file;
}

TEST(GgufCheckpoint, ALayoutFor32IsReadWith32AndAWarning) {
  const TempFolder folder;
  const Checkpoint checkpoint = open(folder.write("m.gguf", laid_out_for_32().bytes()), 1);
  ASSERT_EQ(checkpoint.shards.size(), 1u);
  EXPECT_EQ(checkpoint.shards[0].header.alignment_bytes, 32u);
  EXPECT_EQ(checkpoint.shards[0].header.tensors[1].offset_bytes,
            checkpoint.shards[0].header.data_offset_bytes + 96);
}

// Offsets alone do not tell: only where the data section begins differs.
TEST(GgufCheckpoint, ALayoutFor32ShowsInTheSizeOfTheFile) {
  GgufFile file = laid_out_for_32();
  file.tensors = {{"t", {16, 4}, kGgmlF32, std::string(256, 'x')}};
  const uint64_t head = file.head().size();
  if ((head + 31) / 32 % 2 == 0) file.add("pad", kGgufString, kLe.str(std::string(11, 'p')));
  ASSERT_EQ((file.head().size() + 31) / 32 % 2, 1u);
  const TempFolder folder;
  const Checkpoint checkpoint = open(folder.write("m.gguf", file.bytes()), 1);
  ASSERT_EQ(checkpoint.shards.size(), 1u);
  EXPECT_EQ(checkpoint.shards[0].header.alignment_bytes, 32u);
}

TEST(GgufCheckpoint, AnotherWrongLayoutIsRefused) {
  GgufFile file = laid_out_for_32();
  file.tensor("b.weight").offset = 97;
  const TempFolder folder;
  const auto path = folder.write("m.gguf", file.bytes());
  expect_error(path, ErrorKind::kHeaderSyntax, path, "expected a multiple of 64");
}

TEST(GgufCheckpoint, ShardsTakeTheAlignmentOfTheFirst) {
  const TempFolder folder;
  auto shards = small_set();
  shards[0].add("general.alignment", kGgufU32, kLe.num<uint32_t>(64));
  for (GgufFile& shard : shards) shard.layout_alignment = 64;
  shards[1].tensors.push_back({"d", {32, 3}, kGgmlQ8_0, std::string(102, 'd')});
  for (GgufFile& shard : shards)
    set_entry(shard, "split.tensors.count", kGgufI32, kLe.num<int32_t>(4));
  write_set(folder, shards);
  for (size_t i = 0; i < 3; ++i) {
    const Checkpoint checkpoint = open(folder.path() / shard_name(i));
    ASSERT_EQ(checkpoint.shards.size(), 3u);
    EXPECT_EQ(checkpoint.shards[1].header.alignment_bytes, 64u);
    EXPECT_EQ(checkpoint.shards[1].header.tensors[1].offset_bytes % 64, 0u);
  }
  // The others laid out for 32, the first as it says.
  for (size_t i = 1; i < 3; ++i) shards[i].layout_alignment = 32;
  shards[2].tensors.push_back({"e", {32, 1}, kGgmlQ8_0, std::string(34, 'e')});
  for (GgufFile& shard : shards)
    set_entry(shard, "split.tensors.count", kGgufI32, kLe.num<int32_t>(5));
  write_set(folder, shards);
  CollectingLog log;
  const auto checkpoint = open_checkpoint(folder.path(), log);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_line();
  EXPECT_EQ(checkpoint->shards[0].header.alignment_bytes, 64u);
  EXPECT_EQ(checkpoint->shards[2].header.alignment_bytes, 32u);
}

TEST(GgufCheckpoint, WhatIsGgufIsKnownByItsBytesOrItsName) {
  const TempFolder folder;
  EXPECT_TRUE(is_gguf(folder.write("sha256-0123", small_gguf().bytes())));
  EXPECT_TRUE(is_gguf(folder.write("pointer.gguf", "version https://git-lfs.github.com/spec/v1")));
  EXPECT_FALSE(is_gguf(folder.write("x.txt", "GGU")));
  EXPECT_FALSE(is_gguf(folder.path() / "none.gguf"));
  EXPECT_TRUE(is_gguf(folder.path()));
  folder.write("model.safetensors", "");
  EXPECT_FALSE(is_gguf(folder.path()));
}

TEST(GgufSplitName, OnlyTheFormOfTheSplittersCounts) {
  const auto name = parse_split_name("a-b-00002-of-00013.gguf");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->prefix, "a-b");
  EXPECT_EQ(name->index, 2u);
  EXPECT_EQ(name->count, 13u);
  EXPECT_EQ(name->file_name(), "a-b-00002-of-00013.gguf");
  for (const char* other : {"a.gguf", "a-00001-of-00002.safetensors", "a-0001-of-0002.gguf",
                            "a-00003-of-00002.gguf", "a-00000-of-00002.gguf",
                            "a-0000x-of-00002.gguf", "a-00001-00002.gguf", "00001-of-00002.gguf"})
    EXPECT_FALSE(parse_split_name(other).has_value()) << other;
}

}  // namespace
}  // namespace imp::gguf
