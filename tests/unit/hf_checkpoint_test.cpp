// open_checkpoint: which tensors a folder has.
#include <gtest/gtest.h>

#include <algorithm>

#include "formats/hf/checkpoint.h"
#include "tests/unit/safetensors_bytes.h"
#include "tests/unit/temp_folder.h"

namespace imp::hf {
namespace {

using testing::TempFolder;
using testing::u8_shard;

std::vector<std::string> names_of(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const SourceTensor& tensor : checkpoint.tensors)
    names.push_back(checkpoint.files[tensor.file].name + ":" + tensor.name);
  return names;
}

bool any_line_has(const std::vector<std::string>& lines, const std::string& fragment) {
  return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
    return line.find(fragment) != std::string::npos;
  });
}

void expect_refused(const TempFolder& folder, ErrorKind kind, const std::string& file,
                    const std::string& tensor, const std::string& fragment) {
  CollectingLog log;
  const auto checkpoint = open_checkpoint(folder.path(), log);
  ASSERT_FALSE(checkpoint.ok());
  EXPECT_EQ(error_kind_name(checkpoint.error().kind), error_kind_name(kind));
  EXPECT_EQ(checkpoint.error().file,
            (file.empty() ? folder.path() : folder.path() / file).string());
  EXPECT_EQ(checkpoint.error().tensor, tensor);
  EXPECT_NE(checkpoint.error().message.find(fragment), std::string::npos)
      << checkpoint.error().to_line();
}

TEST(HfCheckpoint, OpensOneFile) {
  const TempFolder folder;
  folder.write("model.safetensors", u8_shard({{"z", "12"}, {"a", "345"}}));
  CollectingLog log;
  const auto checkpoint = open_checkpoint(folder.path(), log);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_line();
  EXPECT_EQ(checkpoint->folder, folder.path());
  EXPECT_EQ(names_of(*checkpoint),
            (std::vector<std::string>{"model.safetensors:z", "model.safetensors:a"}));
  EXPECT_FALSE(checkpoint->has_index);
  EXPECT_FALSE(checkpoint->config.has_value());
  EXPECT_TRUE(log.warnings.empty());
  EXPECT_TRUE(log.notes.empty());
  const SourceTensor& a = checkpoint->tensors[1];
  EXPECT_EQ(a.dtype, Dtype::kU8);
  EXPECT_EQ(a.shape, Shape({3}));
  std::string bytes(a.size_bytes, '\0');
  ASSERT_TRUE(checkpoint->files[0]
                  .handle.read_at(a.offset_bytes, std::as_writable_bytes(std::span(bytes)))
                  .ok());
  EXPECT_EQ(bytes, "345");
}

TEST(HfCheckpoint, FindsTensorsByName) {
  const TempFolder folder;
  folder.write("model.safetensors", u8_shard({{"z", "1"}, {"a", "2"}, {"m", "3"}}));
  CollectingLog log;
  const auto checkpoint = open_checkpoint(folder.path(), log);
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_EQ(checkpoint->find("z"), 0u);
  EXPECT_EQ(checkpoint->find("a"), 1u);
  EXPECT_EQ(checkpoint->find("m"), 2u);
  EXPECT_EQ(checkpoint->find("b"), std::nullopt);
  EXPECT_EQ(checkpoint->find("zz"), std::nullopt);
  EXPECT_EQ(checkpoint->find(""), std::nullopt);
}

TEST(HfCheckpoint, UnitesShardsAndSideCars) {
  const TempFolder folder;
  folder.write("mtp.safetensors", u8_shard({{"mtp.w", "5"}}));
  folder.write("model-00002-of-00002.safetensors", u8_shard({{"b", "2"}}));
  folder.write("model-00001-of-00002.safetensors", u8_shard({{"c", "3"}, {"a", "1"}}));
  CollectingLog log;
  const auto checkpoint = open_checkpoint(folder.path(), log);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_line();
  EXPECT_EQ(names_of(*checkpoint),
            (std::vector<std::string>{
                "model-00001-of-00002.safetensors:c", "model-00001-of-00002.safetensors:a",
                "model-00002-of-00002.safetensors:b", "mtp.safetensors:mtp.w"}));
}

TEST(HfCheckpoint, KeepsMetadataOfEachShard) {
  const TempFolder folder;
  folder.write("model.safetensors",
               testing::safetensors_file(R"({"__metadata__":{"format":"pt"}})", ""));
  folder.write("mtp.safetensors", u8_shard({}));
  CollectingLog log;
  const auto checkpoint = open_checkpoint(folder.path(), log);
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_TRUE(checkpoint->files[0].has_metadata);
  ASSERT_EQ(checkpoint->files[0].metadata.size(), 1u);
  EXPECT_EQ(checkpoint->files[0].metadata[0].second, "pt");
  EXPECT_FALSE(checkpoint->files[1].has_metadata);
}

TEST(HfCheckpoint, DamagedShardIsNamed) {
  const TempFolder folder;
  const std::string good = u8_shard({{"a", "123"}});
  folder.write("model.safetensors", good.substr(0, good.size() - 1));
  expect_refused(folder, ErrorKind::kTruncated, "model.safetensors", "a", "has 2 bytes");
}

TEST(HfCheckpoint, EqualTensorInTwoShardsIsKeptOnce) {
  const TempFolder folder;
  const std::string large(3'000'000, 'x');  // more than one piece of the comparison
  folder.write("a.safetensors", u8_shard({{"t", large}, {"u", "1"}}));
  folder.write("b.safetensors", u8_shard({{"s", "2"}, {"t", large}, {"v", "3"}}));
  CollectingLog log;
  const auto checkpoint = open_checkpoint(folder.path(), log);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_line();
  EXPECT_EQ(names_of(*checkpoint),
            (std::vector<std::string>{"a.safetensors:t", "a.safetensors:u", "b.safetensors:s",
                                      "b.safetensors:v"}));
  EXPECT_EQ(checkpoint->find("t"), 0u);
  EXPECT_EQ(checkpoint->find("v"), 3u);
  ASSERT_EQ(log.warnings.size(), 1u);
  EXPECT_EQ(log.warnings[0],
            "1 tensors are in two shards with equal bytes, such as 't' in a.safetensors and "
            "b.safetensors; the first is kept");
}

TEST(HfCheckpoint, OtherBytesUnderOneNameAreAConflict) {
  const TempFolder folder;
  std::string large(3'000'000, 'x');
  folder.write("a.safetensors", u8_shard({{"t", large}}));
  large.back() = 'y';
  folder.write("b.safetensors", u8_shard({{"t", large}}));
  expect_refused(folder, ErrorKind::kShardConflict, "a.safetensors", "t", "'b.safetensors' too");
}

TEST(HfCheckpoint, OtherShapeOrDtypeUnderOneNameIsAConflict) {
  const std::string json = R"({"t":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  for (const auto& [find, with] : {std::pair("[4]", "[2,2]"), std::pair("U8", "I8")}) {
    const TempFolder folder;
    folder.write("a.safetensors", testing::safetensors_file(json, "abcd"));
    folder.write("b.safetensors",
                 testing::safetensors_file(testing::replace_once(json, find, with), "abcd"));
    expect_refused(folder, ErrorKind::kShardConflict, "a.safetensors", "t", "'b.safetensors' too");
  }
}

TEST(HfCheckpoint, ReadsConfigurations) {
  const TempFolder folder;
  folder.write("model.safetensors", u8_shard({}));
  folder.write("config.json", R"({"model_type":"llama"})");
  folder.write("hf_quant_config.json", R"({"producer":{"name":"modelopt"}})");
  CollectingLog log;
  const auto checkpoint = open_checkpoint(folder.path(), log);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_line();
  EXPECT_EQ(checkpoint->config->at("model_type"), "llama");
  EXPECT_EQ(checkpoint->hf_quant_config->at("producer").at("name"), "modelopt");
}

struct ConfigCase {
  std::string text;
  std::string fragment;
};

TEST(HfCheckpoint, BadConfigurationIsNamed) {
  const std::vector<ConfigCase> cases = {
      {"", "is not JSON"},
      {"{", "is not JSON"},
      {"{} {}", "is not JSON"},
      {"[1]", "holds a JSON array, expected an object"},
      {"null", "holds a JSON null, expected an object"},
      {"{\"a\":\"\xFF\"}", "is not JSON"},
      {"{\"a\":1e999}", "is not JSON"},
      {"{\"a\":" + std::string(1000, '[') + std::string(1000, ']') + "}",
       "nested deeper than 100 levels"}};
  for (const std::string name : {"config.json", "hf_quant_config.json"}) {
    for (const ConfigCase& c : cases) {
      const TempFolder folder;
      folder.write("model.safetensors", u8_shard({}));
      folder.write(name, c.text);
      expect_refused(folder, ErrorKind::kBadConfig, name, "", c.fragment);
    }
  }
}

TEST(HfCheckpoint, BracketsInStringsAreNoNesting) {
  const TempFolder folder;
  folder.write("model.safetensors", u8_shard({}));
  folder.write("config.json", R"({"a":"\"\\)" + std::string(1000, '[') + "\"}");
  CollectingLog log;
  EXPECT_TRUE(open_checkpoint(folder.path(), log).ok());
}

TEST(HfCheckpoint, ConfigurationAboveTheCapIsRefused) {
  const TempFolder folder;
  folder.write("model.safetensors", u8_shard({}));
  const auto path = folder.write("config.json", "{}");
  std::filesystem::resize_file(path, (64u << 20) + 1);
  expect_refused(folder, ErrorKind::kBadConfig, "config.json", "", "67108865 bytes");
}

TEST(HfCheckpoint, NativeSetBesideTheHfSetIsLeftOut) {
  const TempFolder folder;
  folder.write("model.safetensors", u8_shard({{"a", "1"}}));
  folder.write("consolidated.safetensors", u8_shard({{"native", "1"}}));
  CollectingLog log;
  const auto checkpoint = open_checkpoint(folder.path(), log);
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_EQ(names_of(*checkpoint), std::vector<std::string>{"model.safetensors:a"});
  EXPECT_TRUE(any_line_has(log.notes, "consolidated.safetensors: left out"));
  EXPECT_TRUE(log.warnings.empty());
}

TEST(HfCheckpoint, NativeSetAloneIsOpened) {
  const TempFolder folder;
  folder.write("consolidated-00001-of-00002.safetensors", u8_shard({{"a", "1"}}));
  folder.write("consolidated-00002-of-00002.safetensors", u8_shard({{"b", "1"}}));
  folder.write("consolidated.safetensors.index.json",
               R"({"weight_map":{"a":"consolidated-00001-of-00002.safetensors",)"
               R"("b":"consolidated-00002-of-00002.safetensors"}})");
  CollectingLog log;
  const auto checkpoint = open_checkpoint(folder.path(), log);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_line();
  EXPECT_TRUE(checkpoint->has_index);
  EXPECT_EQ(checkpoint->tensors.size(), 2u);
  EXPECT_FALSE(checkpoint->params.has_value());
}

TEST(HfCheckpoint, ParamsAreReadOfANativeSetOnly) {
  const TempFolder folder;
  folder.write("consolidated.safetensors", u8_shard({{"a", "1"}}));
  folder.write("params.json", R"({"n_layers":3})");
  CollectingLog log;
  const auto native = open_checkpoint(folder.path(), log);
  ASSERT_TRUE(native.ok()) << native.error().to_line();
  ASSERT_TRUE(native->params.has_value());
  EXPECT_EQ(native->params->at("n_layers"), 3);
  folder.write("params.json", "[]");
  expect_refused(folder, ErrorKind::kBadConfig, "params.json", "", "expected an object");
  folder.write("model.safetensors", u8_shard({{"a", "1"}}));
  const auto both = open_checkpoint(folder.path(), log);
  ASSERT_TRUE(both.ok()) << both.error().to_line();
  EXPECT_FALSE(both->params.has_value());
}

}  // namespace
}  // namespace imp::hf
