// write_header against bytes spelt out here, and against read_header on random headers.
#include <gtest/gtest.h>

#include <random>

#include "formats/safetensors/header.h"
#include "tests/unit/safetensors_bytes.h"

namespace imp::safetensors {
namespace {

using testing::as_bytes;
using testing::le64;

TEST(SafetensorsWriter, WritesMetadataFirstAndTensorsBackToBack) {
  Header header;
  header.has_metadata = true;
  header.metadata = {{"format", "pt"}, {"a", "\"\n"}};
  header.tensors = {{"w", Dtype::kF32, Shape({2, 3}), 99, 24},
                    {"s\"", Dtype::kF8E4M3, Shape({}), 7, 1},
                    {"\xC3\xA9", Dtype::kU8, Shape({0}), 0, 0}};
  const std::string json = R"({"__metadata__":{"format":"pt","a":"\"\n"},)"
                           R"("w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                           R"("s\"":{"dtype":"F8_E4M3","shape":[],"data_offsets":[24,25]},)"
                           "\"\xC3\xA9\""
                           R"(:{"dtype":"U8","shape":[0],"data_offsets":[25,25]}})";
  const std::string padding((8 - json.size() % 8) % 8, ' ');
  EXPECT_EQ(write_header(header), le64(json.size() + padding.size()) + json + padding);
}

TEST(SafetensorsWriter, WritesNoMetadataUnlessThereIsSome) {
  Header header;
  EXPECT_EQ(write_header(header), le64(8) + "{}      ");
  header.has_metadata = true;
  EXPECT_EQ(write_header(header), le64(24) + R"({"__metadata__":{}})" + "     ");
}

struct Random {
  std::mt19937 engine;
  uint32_t below(size_t limit) { return static_cast<uint32_t>(engine() % limit); }
};

std::string random_text(Random& random) {
  static const std::vector<std::string> kParts = {
      "a", "B", ".", "0", "\"", "\\", "/", " ", "{", "}", ":", "\xC3\xA9", "\xF0\x9F\x98\x80"};
  std::string text;
  for (uint32_t n = random.below(12); n > 0; --n) text += kParts[random.below(kParts.size())];
  return text;
}

Header random_header(Random& random) {
  Header header;
  header.has_metadata = random.below(2) == 0;
  if (header.has_metadata)
    for (uint32_t i = random.below(4); i > 0; --i)
      header.metadata.emplace_back(random_text(random) + std::to_string(i), random_text(random));
  for (uint32_t i = random.below(20); i > 0; --i) {
    TensorInfo tensor;
    tensor.name = random_text(random) + std::to_string(i);
    tensor.dtype = static_cast<Dtype>(1 + random.below(22));
    tensor.shape.rank = random.below(kMaxRank + 1);
    for (uint32_t d = 0; d < tensor.shape.rank; ++d) tensor.shape.dims[d] = random.below(4);
    const uint64_t num_bits = *tensor.shape.num_elems() * dtype_bits(tensor.dtype);
    if (num_bits % 8 != 0) continue;
    tensor.size_bytes = num_bits / 8;
    header.tensors.push_back(tensor);
  }
  return header;
}

TEST(SafetensorsWriter, WhatItWritesReadsBackEqual) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    Random random{std::mt19937(seed)};
    const Header header = random_header(random);
    uint64_t data_size = 0;
    for (const TensorInfo& tensor : header.tensors) data_size += tensor.size_bytes;
    const std::string bytes = write_header(header);
    ASSERT_EQ(bytes.size() % 8, 0u);
    const auto reread = read_header(as_bytes(bytes + std::string(data_size, 'x')));
    ASSERT_TRUE(reread.ok()) << "seed " << seed << ": " << reread.error().to_line();
    EXPECT_EQ(reread->data_offset_bytes, bytes.size());
    EXPECT_EQ(reread->has_metadata, header.has_metadata);
    EXPECT_EQ(reread->metadata, header.metadata);
    ASSERT_EQ(reread->tensors.size(), header.tensors.size());
    uint64_t offset = bytes.size();
    for (size_t i = 0; i < header.tensors.size(); ++i) {
      const TensorInfo& wrote = header.tensors[i];
      const TensorInfo& read = reread->tensors[i];
      EXPECT_EQ(read.name, wrote.name) << "seed " << seed;
      EXPECT_EQ(read.dtype, wrote.dtype);
      EXPECT_EQ(read.shape, wrote.shape);
      EXPECT_EQ(read.size_bytes, wrote.size_bytes);
      EXPECT_EQ(read.offset_bytes, offset);
      offset += wrote.size_bytes;
    }
  }
}

}  // namespace
}  // namespace imp::safetensors
