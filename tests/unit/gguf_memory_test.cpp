// Memory of read_header of GGUF, counted at operator new.
#include <gtest/gtest.h>

#include <utility>

#include "formats/gguf/file.h"
#include "tests/unit/counted_memory.h"
#include "tests/unit/gguf_bytes.h"
#include "tests/unit/temp_folder.h"

namespace imp::gguf {
namespace {

using namespace imp::testing;

struct Reading {
  Result<Header> header;
  size_t peak_bytes;
};

/// Of a file in which 4 MiB follow `head`, as the data of an honest file would.
Reading read_and_count(std::string head) {
  head.resize(head.size() + (4u << 20));
  const TempFolder folder;
  const ReadFile file = ReadFile::open(folder.write("x.gguf", head)).take();
  CollectingLog log;
  const CountedMemory memory;
  auto header = read_header(file, log);
  return {std::move(header), memory.peak_bytes()};
}

const GgufEncoder kLe;

// The bytes behind the header back each of these counts by its smallest elements; what is held
// grows with what was read all the same, and the second element ends it.
TEST(GgufMemory, CountsThatTheFileCouldBackTakeNoneInAdvance) {
  const uint64_t quarter_million = 1u << 18;
  GgufFile strings = small_gguf();
  strings.add(
      "k", kGgufArray,
      kLe.array_head(kGgufString, quarter_million) + kLe.str("a") + kLe.num<uint64_t>(1ull << 60));
  GgufFile keys = small_gguf();
  keys.num_keys = quarter_million;
  GgufFile infos = small_gguf();
  infos.num_tensors = 100'000;
  for (const GgufFile& file : {strings, keys, infos}) {
    const Reading reading = read_and_count(file.head());
    ASSERT_FALSE(reading.header.ok());
    EXPECT_LT(reading.peak_bytes, 256u << 10) << reading.header.error().to_line();
  }
}

TEST(GgufMemory, HeadersAreNotHeldBesideWhatIsKeptOfThem) {
  GgufFile file = small_gguf();
  constexpr uint32_t kNumbers = 2'000'000;
  std::string numbers;
  for (uint32_t i = 0; i < kNumbers; ++i) numbers += kLe.num(i);
  file.add("numbers", kGgufArray, kLe.array_head(kGgufU32, kNumbers) + numbers);
  file.add("text", kGgufString, kLe.str(std::string(4u << 20, 'x')));
  const Reading reading = read_and_count(file.head());
  ASSERT_TRUE(reading.header.ok()) << reading.header.error().to_line();
  EXPECT_EQ(reading.header->find("numbers")->as_uint(kNumbers - 1), kNumbers - 1);
  EXPECT_LT(reading.peak_bytes, kNumbers * 4 + (4u << 20) + (256u << 10));
}

}  // namespace
}  // namespace imp::gguf
