// model.safetensors.index.json against the shards.
#include <gtest/gtest.h>

#include <algorithm>

#include "formats/hf/checkpoint.h"
#include "formats/hf/shard_index.h"
#include "tests/unit/safetensors_bytes.h"
#include "tests/unit/temp_folder.h"

namespace imp::hf {
namespace {

using testing::replace_once;
using testing::TempFolder;
using testing::u8_shard;

constexpr char kIndexName[] = "model.safetensors.index.json";
constexpr char kGoodIndex[] =
    R"({"metadata":{"total_size":3,"x":[null,{"weight_map":1.5}]},)"
    R"("weight_map":{"a":"model-1.safetensors","b":"model-1.safetensors",)"
    R"("c":"model-2.safetensors"}})";

class HfIndex : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.write("model-1.safetensors", u8_shard({{"a", "1"}, {"b", "2"}}));
    folder_.write("model-2.safetensors", u8_shard({{"c", "3"}}));
    folder_.write(kIndexName, kGoodIndex);
  }

  Result<Checkpoint> open() { return open_checkpoint(folder_.path(), log_); }

  void expect_refused(ErrorKind kind, const std::string& tensor, const std::string& fragment) {
    const auto checkpoint = open();
    ASSERT_FALSE(checkpoint.ok());
    const Error& error = checkpoint.error();
    EXPECT_EQ(error_kind_name(error.kind), error_kind_name(kind)) << error.to_line();
    EXPECT_EQ(error.file, (folder_.path() / kIndexName).string());
    EXPECT_EQ(error.tensor, tensor);
    EXPECT_NE(error.message.find(fragment), std::string::npos) << error.to_line();
  }

  /// As expect_refused, with one change to the good index.
  void expect_change_refused(const std::string& find, const std::string& with, ErrorKind kind,
                             const std::string& tensor, const std::string& fragment) {
    SCOPED_TRACE(with);
    folder_.write(kIndexName, replace_once(kGoodIndex, find, with));
    expect_refused(kind, tensor, fragment);
  }

  TempFolder folder_;
  CollectingLog log_;
};

TEST_F(HfIndex, GoodOneIsAcceptedInSilence) {
  const auto checkpoint = open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_line();
  EXPECT_TRUE(checkpoint->has_index);
  EXPECT_EQ(checkpoint->tensors.size(), 3u);
  EXPECT_TRUE(log_.warnings.empty());
  EXPECT_TRUE(log_.notes.empty());
}

TEST_F(HfIndex, TensorsItDoesNotListAreReadWithANote) {
  folder_.write("model-2.safetensors", u8_shard({{"c", "3"}, {"c.scale", "4"}}));
  folder_.write("mtp.safetensors", u8_shard({{"mtp", "5"}}));
  const auto checkpoint = open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_line();
  EXPECT_EQ(checkpoint->tensors.size(), 5u);
  ASSERT_EQ(log_.notes.size(), 1u);
  EXPECT_EQ(log_.notes[0],
            "model.safetensors.index.json: does not list 2 tensors that the shards hold, such as "
            "'c.scale'; they are read all the same");
}

TEST_F(HfIndex, TensorListedForOneOfTwoShardsIsListed) {
  folder_.write("model-0.safetensors", u8_shard({{"c", "3"}}));
  const auto checkpoint = open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_line();
  EXPECT_TRUE(log_.notes.empty());
  EXPECT_EQ(log_.warnings.size(), 1u);
}

TEST_F(HfIndex, SaysWhereNumberedShardsAreSoTheirCountIsNotChecked) {
  folder_.write("side-00001-of-00009.safetensors", u8_shard({{"s", "1"}}));
  EXPECT_TRUE(open().ok());
}

TEST_F(HfIndex, OtherIndexesAreNotRead) {
  folder_.write("pytorch_model.bin.index.json", "no JSON");
  ASSERT_TRUE(open().ok());
  ASSERT_EQ(log_.notes.size(), 1u);
  EXPECT_EQ(log_.notes[0],
            "pytorch_model.bin.index.json: not read, expected model.safetensors.index.json");
}

TEST_F(HfIndex, ShardThatIsNotThere) {
  expect_change_refused(R"("c":"model-2)", R"("c":"model-3)", ErrorKind::kBadIndex, "c",
                        "'model-3.safetensors', which is not among the shards");
}

TEST_F(HfIndex, TensorThatItsShardLacks) {
  expect_change_refused(R"("c":"model-2)", R"("c":"model-1)", ErrorKind::kBadIndex, "c",
                        "'model-1.safetensors', but it is in 'model-2.safetensors'");
  expect_change_refused(R"("c":)", R"("d":)", ErrorKind::kBadIndex, "d", "but no shard has it");
}

TEST_F(HfIndex, TensorTwice) {
  expect_change_refused(R"("b":)", R"("a":)", ErrorKind::kDuplicateName, "a", "twice in the index");
}

TEST_F(HfIndex, ShardNameMustBePlain) {
  for (const std::string name : {"../model-2.safetensors", "./model-2.safetensors",
                                 "/model-2.safetensors", "..", ".", "", "x\\\\y", "a\\u0000b"})
    expect_change_refused("model-2.safetensors", name, ErrorKind::kBadIndex, "c",
                          "expected the plain name of a file");
}

TEST_F(HfIndex, ShardNameMustBeAString) {
  for (const std::string value : {"1", "-1", "1.5", "null", "true", "[]", "{}"})
    expect_change_refused(R"("model-2.safetensors")", value, ErrorKind::kBadIndex, "c",
                          "gives no shard name");
}

TEST_F(HfIndex, WeightMapMustBeThereOnceAndAnObject) {
  expect_change_refused(R"("weight_map":{"a")", R"("weights":{"a")", ErrorKind::kBadIndex, "",
                        "has no weight_map");
  expect_change_refused(R"("weight_map":{"a")", R"("weight_map":{},"weight_map":{"a")",
                        ErrorKind::kDuplicateName, "", "weight_map occurs twice");
  for (const std::string value : {"1", "null", "\"x\"", "[]"})
    expect_change_refused(R"("weight_map":{"a")", R"("weight_map":)" + value + R"(,"o":{"a")",
                          ErrorKind::kBadIndex, "", "weight_map is no object");
}

TEST_F(HfIndex, MustBeOneJsonObject) {
  for (const std::string text : {"[]", "1", "\"x\"", "null"}) {
    folder_.write(kIndexName, text);
    expect_refused(ErrorKind::kBadIndex, "", "is no JSON object");
  }
  for (const std::string& text : {std::string(), std::string("{"), std::string(kGoodIndex) + "x"}) {
    folder_.write(kIndexName, text);
    expect_refused(ErrorKind::kBadIndex, "", "malformed JSON");
  }
}

TEST_F(HfIndex, NestingIsLimited) {
  expect_change_refused("[null,", "[" + std::string(50'000, '[') + std::string(50'000, ']') + ",",
                        ErrorKind::kBadIndex, "", "nested deeper");
}

TEST_F(HfIndex, SizeIsLimited) {
  std::filesystem::resize_file(folder_.path() / kIndexName, 100'000'001);
  expect_refused(ErrorKind::kBadIndex, "", "100000001 bytes");
}

TEST(ShardIndex, HandsEntriesOverInFileOrder) {
  const TempFolder folder;
  std::string text = R"({"weight_map":{)";
  for (int i = 20'000; i > 0; --i)
    text += "\"layer." + std::to_string(i) + R"(":"s)" + std::to_string(i % 7) + "\",";
  text += R"("last":"s"}, "metadata":null})";
  const auto file = ReadFile::open(folder.write("index", text));
  ASSERT_TRUE(file.ok());
  int next = 20'000;
  const Status status =
      read_shard_index(*file, [&](const std::string& name, const std::string& shard) {
        EXPECT_EQ(name, next > 0 ? "layer." + std::to_string(next) : "last");
        EXPECT_EQ(shard, next > 0 ? "s" + std::to_string(next % 7) : "s");
        --next;
        return Status();
      });
  EXPECT_TRUE(status.ok()) << status.error().to_line();
  EXPECT_EQ(next, -1);
}

TEST(ShardIndex, ErrorOfTheCallerEndsTheReading) {
  const TempFolder folder;
  const auto file = ReadFile::open(folder.write("index", R"({"weight_map":{"a":"1","b":"2"}})"));
  ASSERT_TRUE(file.ok());
  int calls = 0;
  const Status status = read_shard_index(*file, [&](const std::string& name, const std::string&) {
    ++calls;
    return Status(Error{ErrorKind::kMissingTensor, "stop", "", name});
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(status.error().kind, ErrorKind::kMissingTensor);
  EXPECT_EQ(status.error().tensor, "a");
  EXPECT_EQ(status.error().file, file->path());
}

}  // namespace
}  // namespace imp::hf
