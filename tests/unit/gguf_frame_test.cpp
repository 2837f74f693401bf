// What of a GGUF file no tensor owns.
#include <gtest/gtest.h>

#include "formats/gguf/frame.h"
#include "tests/unit/gguf_bytes.h"
#include "tests/unit/temp_folder.h"

namespace imp::gguf {
namespace {

using namespace imp::testing;

std::vector<std::pair<uint64_t, uint64_t>> left(const std::vector<ByteRange>& owned,
                                                uint64_t file_bytes) {
  std::vector<std::pair<uint64_t, uint64_t>> pairs;
  for (const ByteRange& range : ranges_left(owned, file_bytes))
    pairs.emplace_back(range.offset_bytes, range.size_bytes);
  return pairs;
}

using Pairs = std::vector<std::pair<uint64_t, uint64_t>>;

TEST(GgufFrame, RangesThatNobodyOwns) {
  EXPECT_EQ(left({}, 10), (Pairs{{0, 10}}));
  EXPECT_EQ(left({{0, 10}}, 10), Pairs{});
  EXPECT_EQ(left({{6, 2}, {2, 3}}, 10), (Pairs{{0, 2}, {5, 1}, {8, 2}}));
  EXPECT_EQ(left({{2, 3}, {2, 3}, {5, 5}}, 10), (Pairs{{0, 2}}));
  EXPECT_EQ(left({}, 0), Pairs{});
}

std::string frame_of(const std::string& bytes) {
  const TempFolder folder;
  const ReadFile file = ReadFile::open(folder.write("m.gguf", bytes)).take();
  CollectingLog log;
  const auto header = read_header(file, log);
  if (!header.ok()) return header.error().to_line();
  const auto frame = read_frame(file, *header, 1 << 20);
  return frame.ok() ? *frame : frame.error().to_line();
}

TEST(GgufFrame, IsHeadPaddingGapsAndTail) {
  GgufFile file = small_gguf();
  file.trailing = "tail";
  std::string bytes = file.bytes();
  const size_t data = bytes.find('\x11');
  bytes[data + 72] = 'p';  // the first byte behind a.weight
  std::string expected = bytes.substr(0, data) + "p" + std::string(23, '\0');  // 72 to 96
  expected += std::string(26, '\0');                                           // 102 to 128
  expected += std::string(12, '\0') + "tail";                                  // 20 to 32
  EXPECT_EQ(frame_of(bytes), expected);
}

TEST(GgufFrame, LargerThanTheCapIsRefused) {
  const TempFolder folder;
  const std::string bytes = small_gguf().bytes();
  const ReadFile file = ReadFile::open(folder.write("m.gguf", bytes)).take();
  CollectingLog log;
  const auto header = read_header(file, log);
  ASSERT_TRUE(header.ok());
  const uint64_t frame_bytes = bytes.size() - 72 - 102 - 20;
  EXPECT_TRUE(read_frame(file, *header, frame_bytes).ok());
  const auto frame = read_frame(file, *header, frame_bytes - 1);
  ASSERT_FALSE(frame.ok());
  EXPECT_EQ(frame.error().kind, ErrorKind::kHeaderSize);
  EXPECT_EQ(frame.error().file, file.path());
}

}  // namespace
}  // namespace imp::gguf
