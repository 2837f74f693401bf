// Memory of read_header of safetensors, counted at operator new.
#include <gtest/gtest.h>
#include <utility>

#include "formats/safetensors/header.h"
#include "tests/unit/counted_memory.h"
#include "tests/unit/safetensors_bytes.h"
#include "tests/unit/temp_folder.h"

namespace imp::safetensors {
namespace {

using testing::le64;
using testing::TempFolder;

struct Reading {
  Result<Header> header;
  size_t peak_bytes;  ///< held by read_header at its worst, above what was held before
};

Reading read_and_count(const ReadFile& file) {
  const testing::CountedMemory memory;
  auto header = read_header(file);
  return {std::move(header), memory.peak_bytes()};
}

std::string empty_tensor(const std::string& name) {
  return "\"" + name + R"(":{"dtype":"BF16","shape":[0,4096],"data_offsets":[0,0]})";
}

ReadFile write_and_open(const TempFolder& folder, const std::string& json) {
  return ReadFile::open(folder.write("x.safetensors", le64(json.size()) + json)).take();
}

TEST(SafetensorsMemory, HeaderTextIsNotHeld) {
  const TempFolder folder;
  std::string json = "{";
  for (int i = 0; i < 250; ++i)
    json += (i ? "," : "") + std::string(20'000, ' ') + empty_tensor("t" + std::to_string(i));
  json += "}";
  ASSERT_GT(json.size(), 5'000'000u);
  const Reading reading = read_and_count(write_and_open(folder, json));
  ASSERT_TRUE(reading.header.ok()) << reading.header.error().to_line();
  EXPECT_EQ(reading.header->tensors.size(), 250u);
  EXPECT_LT(reading.peak_bytes, 512u << 10);
}

TEST(SafetensorsMemory, GrowsByAFewHundredBytesATensor) {
  const TempFolder folder;
  constexpr size_t kNumTensors = 50'000;
  std::string json = "{";
  for (size_t i = 0; i < kNumTensors; ++i)
    json +=
        (i ? "," : "") + empty_tensor("model.layers.7.mlp.experts." + std::to_string(i) + ".gate");
  json += "}";
  // A record and its name take about 200 bytes; a growing vector and a stable sort hold some of
  // the records twice.
  const Reading reading = read_and_count(write_and_open(folder, json));
  ASSERT_TRUE(reading.header.ok()) << reading.header.error().to_line();
  EXPECT_EQ(reading.header->tensors.size(), kNumTensors);
  EXPECT_LT(reading.peak_bytes, kNumTensors * 600);
}

// The parser holds a token twice, in buffers that double, and twice more in the error it words.
TEST(SafetensorsMemory, OverlongTokenIsRefusedBeforeItIsHeld) {
  const TempFolder folder;
  const ReadFile file =
      write_and_open(folder, R"({"__metadata__":{"k":")" + std::string(16u << 20, 'v') + R"("}})");
  const Reading reading = read_and_count(file);
  ASSERT_FALSE(reading.header.ok());
  EXPECT_EQ(reading.header.error().kind, ErrorKind::kHeaderSize);
  EXPECT_EQ(reading.header.error().file, file.path());
  EXPECT_NE(reading.header.error().message.find("JSON token"), std::string::npos);
  EXPECT_LT(reading.peak_bytes, 80u << 20);
}

}  // namespace
}  // namespace imp::safetensors
