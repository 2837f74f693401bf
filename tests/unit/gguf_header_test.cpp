// What read_header gives back of files that are right.
#include <gtest/gtest.h>

#include <array>

#include "formats/gguf/file.h"
#include "tests/unit/gguf_bytes.h"
#include "tests/unit/safetensors_bytes.h"
#include "tests/unit/temp_folder.h"

namespace imp::gguf {
namespace {

using namespace imp::testing;

Header read(const GgufFile& file, size_t num_warnings = 0) {
  CollectingLog log;
  const std::string bytes = file.bytes();
  auto header = read_header(as_bytes(bytes), log);
  if (!header.ok()) {
    ADD_FAILURE() << header.error().to_line();
    return {};
  }
  EXPECT_EQ(log.warnings.size(), num_warnings) << (log.warnings.empty() ? "" : log.warnings[0]);
  return std::move(header).take();
}

class GgufByteOrder : public ::testing::TestWithParam<bool> {
 protected:
  const GgufEncoder encoder_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Both, GgufByteOrder, ::testing::Bool(),
                         [](const auto& big) { return std::string(big.param ? "big" : "little"); });

TEST_P(GgufByteOrder, TensorsAndTheirPlaces) {
  const Header header = read(small_gguf(encoder_));
  EXPECT_EQ(header.version, 3u);
  EXPECT_EQ(header.big_endian, GetParam());
  EXPECT_EQ(header.alignment_bytes, 32u);
  const uint64_t head = small_gguf().head().size();
  const uint64_t data = (head + 31) / 32 * 32;
  EXPECT_EQ(header.data_offset_bytes, data);
  ASSERT_EQ(header.tensors.size(), 3u);
  const TensorInfo& b = header.tensors[1];
  EXPECT_EQ(b.name, "b.weight");
  EXPECT_EQ(b.type, GgmlType::kQ8_0);
  EXPECT_EQ(b.n_dims, 2u);
  EXPECT_EQ(b.ne, (std::array<uint64_t, 4>{32, 3, 1, 1}));
  EXPECT_EQ(b.offset_bytes, data + 96);
  EXPECT_EQ(b.size_bytes, 102u);
  EXPECT_EQ(header.tensors[2].offset_bytes, data + 96 + 128);
  EXPECT_EQ(header.tensors[2].size_bytes, 20u);
}

TEST_P(GgufByteOrder, NumbersOfEveryType) {
  GgufFile file = small_gguf(encoder_);
  file.add("u8", kGgufU8, encoder_.num<uint8_t>(200));
  file.add("i8", kGgufI8, encoder_.num<int8_t>(-100));
  file.add("u16", kGgufU16, encoder_.num<uint16_t>(60'000));
  file.add("i16", kGgufI16, encoder_.num<int16_t>(-30'000));
  file.add("u32", kGgufU32, encoder_.num<uint32_t>(4'000'000'000));
  file.add("i32", kGgufI32, encoder_.num<int32_t>(-2'000'000'000));
  file.add("f32", kGgufF32, encoder_.num(1.5f));
  file.add("u64", kGgufU64, encoder_.num<uint64_t>(1ull << 63));
  file.add("i64", kGgufI64, encoder_.num<int64_t>(7));
  file.add("f64", kGgufF64, encoder_.num(-0.1));
  file.add("yes", kGgufBool, "\x01");
  const Header header = read(file);
  EXPECT_EQ(header.find("u8")->as_uint(), 200u);
  EXPECT_EQ(header.find("u16")->as_uint(), 60'000u);
  EXPECT_EQ(header.find("u32")->as_uint(), 4'000'000'000u);
  EXPECT_EQ(header.find("u64")->as_uint(), 1ull << 63);
  EXPECT_EQ(header.find("i64")->as_uint(), 7u);
  for (const char* key : {"i8", "i16", "i32", "f32", "f64", "yes", "general.architecture"})
    EXPECT_EQ(header.find(key)->as_uint(), std::nullopt) << key;
  EXPECT_EQ(header.find("i8")->as_double(), -100.0);
  EXPECT_EQ(header.find("i16")->as_double(), -30'000.0);
  EXPECT_EQ(header.find("i32")->as_double(), -2'000'000'000.0);
  EXPECT_EQ(header.find("f32")->as_double(), 1.5);
  EXPECT_EQ(header.find("f64")->as_double(), -0.1);
  EXPECT_EQ(header.find("u8")->as_double(), 200.0);
  EXPECT_EQ(header.find("yes")->as_double(), std::nullopt);
  EXPECT_EQ(header.find("yes")->as_bool(), true);
  EXPECT_EQ(header.find("u8")->as_bool(), std::nullopt);
  EXPECT_EQ(header.find("general.architecture")->as_string(), "llama");
  EXPECT_EQ(header.find("u8")->as_string(), std::nullopt);
  EXPECT_EQ(header.find("none"), nullptr);
}

TEST_P(GgufByteOrder, Arrays) {
  GgufFile file = small_gguf(encoder_);
  file.add("numbers", kGgufArray,
           encoder_.array_head(kGgufI16, 3) + encoder_.num<int16_t>(300) +
               encoder_.num<int16_t>(-2) + encoder_.num<int16_t>(5));
  file.add("words", kGgufArray,
           encoder_.array_head(kGgufString, 3) + encoder_.str("a") + encoder_.str("") +
               encoder_.str("\xFFraw"));
  file.add("flags", kGgufArray, encoder_.array_head(kGgufBool, 2) + std::string("\1\0", 2));
  file.add("none", kGgufArray, encoder_.array_head(kGgufU64, 0));
  const Header header = read(file);
  const Value& numbers = *header.find("numbers");
  EXPECT_TRUE(numbers.is_array);
  EXPECT_EQ(numbers.type, ValueType::kI16);
  EXPECT_EQ(numbers.count, 3u);
  EXPECT_EQ(numbers.as_uint(0), 300u);
  EXPECT_EQ(numbers.as_double(1), -2.0);
  EXPECT_EQ(numbers.as_uint(2), 5u);
  EXPECT_EQ(numbers.as_uint(3), std::nullopt);
  EXPECT_EQ(header.find("words")->strings, (std::vector<std::string>{"a", "", "\xFFraw"}));
  EXPECT_EQ(header.find("words")->as_string(3), std::nullopt);
  EXPECT_EQ(header.find("flags")->as_bool(0), true);
  EXPECT_EQ(header.find("flags")->as_bool(1), false);
  EXPECT_EQ(header.find("flags")->as_bool(2), std::nullopt);
  EXPECT_EQ(header.find("none")->count, 0u);
  EXPECT_EQ(header.find("none")->as_uint(), std::nullopt);
}

TEST(GgufHeader, Version2IsReadAlike) {
  GgufFile file = small_gguf();
  file.version = 2;
  const Header header = read(file);
  EXPECT_EQ(header.version, 2u);
  EXPECT_EQ(header.tensors.size(), 3u);
}

TEST(GgufHeader, EveryTypeHasTheSizeOfItsBlocks) {
  for (const GgmlTypeInfo& type : ggml_types()) {
    GgufFile file = small_gguf();
    file.tensors = {{"t",
                     {2ull * type.block_elems, 3, 2, 1},
                     static_cast<uint32_t>(type.type),
                     std::string(12ull * type.block_bytes, '\0')}};
    const Header header = read(file);
    ASSERT_EQ(header.tensors.size(), 1u) << type.name;
    EXPECT_EQ(header.tensors[0].type, type.type);
    EXPECT_EQ(header.tensors[0].n_dims, 4u);
    EXPECT_EQ(header.tensors[0].size_bytes, 12ull * type.block_bytes) << type.name;
  }
}

class GgufAlignment : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, GgufAlignment, ::testing::Values(1u, 2u, 8u, 16u, 64u, 4096u));

TEST_P(GgufAlignment, IsWhatTheMetadataSays) {
  GgufFile file = small_gguf();
  file.add("general.alignment", kGgufU32, file.encoder.num(GetParam()));
  file.layout_alignment = GetParam();
  const Header header = read(file, GetParam() < 8 ? 1 : 0);
  EXPECT_EQ(header.alignment_bytes, GetParam());
  EXPECT_EQ(header.data_offset_bytes % GetParam(), 0u);
  EXPECT_EQ(header.tensors.at(2).offset_bytes % GetParam(), 0u);
}

TEST(GgufHeader, TheCallersAlignmentGoesFirst) {
  GgufFile file = small_gguf();
  file.add("general.alignment", kGgufU32, file.encoder.num<uint32_t>(64));
  CollectingLog log;
  const std::string bytes = file.bytes();
  const auto header = read_header(as_bytes(bytes), log, 32);
  ASSERT_TRUE(header.ok()) << header.error().to_line();
  EXPECT_EQ(header->alignment_bytes, 32u);
}

TEST(GgufHeader, GapsAndOtherOrdersAreRead) {
  GgufFile file = small_gguf();
  file.tensor("a.weight").offset = 256;
  file.tensor("b.weight").offset = 0;
  file.tensor("c.bias").offset = 512;
  file.trailing = std::string(288, '\0');
  EXPECT_EQ(read(file).tensors.size(), 3u);
}

TEST(GgufHeader, PaddingBehindTheLastTensorMayMiss) {
  std::string bytes = small_gguf().bytes();
  bytes.resize(bytes.size() - 12);
  CollectingLog log;
  EXPECT_TRUE(read_header(as_bytes(bytes), log).ok());
  EXPECT_TRUE(log.warnings.empty());
}

TEST(GgufHeader, AFileMayHaveNoTensorsAndThenNoDataSection) {
  GgufFile file = small_gguf();
  file.tensors.clear();
  const std::string bytes = file.head();
  CollectingLog log;
  const auto header = read_header(as_bytes(bytes), log);
  ASSERT_TRUE(header.ok()) << header.error().to_line();
  EXPECT_EQ(header->metadata.size(), 2u);
  EXPECT_TRUE(log.warnings.empty());
}

TEST(GgufHeader, OdditiesAreWarnedAbout) {
  GgufFile trailing = small_gguf();
  trailing.trailing = "x";
  read(trailing, 1);
  GgufFile alias = small_gguf();
  alias.tensors.push_back({"d.weight", {64, 2}, kGgmlQ4_0, "", 0});
  read(alias, 1);
  GgufFile key = small_gguf();
  key.add("Test.Key", kGgufU8, "\1");
  key.add("another key", kGgufU8, "\1");
  read(key, 1);
}

// Longer than the reader's buffer, so that strings and numbers lie across its ends.
TEST(GgufHeader, LongHeadersAreReadThroughASmallBuffer) {
  GgufFile file = small_gguf();
  std::string words;
  for (int i = 0; i < 30'000; ++i) words += file.encoder.str("word" + std::to_string(i));
  file.add("words", kGgufArray, file.encoder.array_head(kGgufString, 30'000) + words);
  file.add("text", kGgufString, file.encoder.str(std::string(200'000, 'x')));
  std::string numbers;
  for (uint32_t i = 0; i < 50'000; ++i) numbers += file.encoder.num(i);
  file.add("numbers", kGgufArray, file.encoder.array_head(kGgufU32, 50'000) + numbers);
  file.add("last", kGgufU8, "\x05");
  const TempFolder folder;
  const auto path = folder.write("x.gguf", file.bytes());
  auto opened = ReadFile::open(path);
  ASSERT_TRUE(opened.ok());
  CollectingLog log;
  const auto header = read_header(*opened, log);
  ASSERT_TRUE(header.ok()) << header.error().to_line();
  ASSERT_EQ(header->find("words")->strings.size(), 30'000u);
  for (size_t i = 0; i < 30'000; ++i)
    ASSERT_EQ(header->find("words")->strings[i], "word" + std::to_string(i));
  EXPECT_EQ(header->find("text")->as_string()->size(), 200'000u);
  for (uint32_t i = 0; i < 50'000; ++i) ASSERT_EQ(header->find("numbers")->as_uint(i), i);
  EXPECT_EQ(header->find("last")->as_uint(), 5u);
}

}  // namespace
}  // namespace imp::gguf
