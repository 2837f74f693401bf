// Chunk boundaries, their digests, and payload that spans several chunks.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "src/base/digest.h"
#include "tests/unit/artifact_sample.h"
#include "tests/unit/memory_file.h"

namespace imp::testing {
namespace {

using namespace artifact;

constexpr uint64_t kMiB = 1u << 20;
using Ranges = std::vector<std::pair<uint64_t, uint64_t>>;

Ranges ranges_for(std::vector<PayloadExtent> extents) {
  Ranges ranges;
  for (const ChunkRecord& c : chunks_for(extents)) {
    EXPECT_EQ(c.payload_file, 0u);
    EXPECT_TRUE(std::ranges::all_of(c.digest, [](uint8_t b) { return b == 0; }));
    ranges.emplace_back(c.offset_bytes, c.size_bytes);
  }
  return ranges;
}

TEST(ChunksFor, NothingHasNoChunks) {
  EXPECT_EQ(ranges_for({}), Ranges{});
  EXPECT_EQ(ranges_for({{4096, 0}}), Ranges{});
}

TEST(ChunksFor, LargeExtentIsCutEvery4MiB) {
  EXPECT_EQ(ranges_for({{4096, 65536}}), (Ranges{{4096, 65536}}));
  EXPECT_EQ(ranges_for({{4096, 4 * kMiB}}), (Ranges{{4096, 4 * kMiB}}));
  EXPECT_EQ(ranges_for({{4096, 8 * kMiB + 1}}),
            (Ranges{{4096, 4 * kMiB}, {4096 + 4 * kMiB, 4 * kMiB}, {4096 + 8 * kMiB, 1}}));
}

TEST(ChunksFor, StartsAnewAtEachLargeExtent) {
  EXPECT_EQ(ranges_for({{0, 65536}, {65536, 65536}}), (Ranges{{0, 65536}, {65536, 65536}}));
  EXPECT_EQ(ranges_for({{0, 100}, {4096, 65536}, {69632, 5}, {69888, 7}}),
            (Ranges{{0, 100}, {4096, 65536}, {69632, 263}}));
}

TEST(ChunksFor, SmallNeighboursShareUntil4MiB) {
  std::vector<PayloadExtent> extents;
  for (uint64_t i = 0; i < 129; ++i) extents.push_back({i * 32768, 32768});
  EXPECT_EQ(ranges_for(extents), (Ranges{{0, 4 * kMiB}, {4 * kMiB, 32768}}));
  extents[127].size_bytes = 32767;
  EXPECT_EQ(ranges_for(extents), (Ranges{{0, 4 * kMiB - 1}, {4 * kMiB, 32768}}));
}

TEST(ChunksFor, SmallExtentsWithAHoleBetweenDoNotShare) {
  EXPECT_EQ(ranges_for({{0, 1}, {256, 1}}), (Ranges{{0, 257}}));
  EXPECT_EQ(ranges_for({{0, 256}, {512, 1}}), (Ranges{{0, 256}, {512, 1}}));
}

TEST(ChunkTableBound, CountsPayloadAndExceptionsChunks) {
  const std::vector<PayloadExtent> extents = {{4096, 8 * kMiB + 1}};
  EXPECT_EQ(chunk_table_bound_bytes(extents, 0), 3 * 32u);
  EXPECT_EQ(chunk_table_bound_bytes(extents, 1), 4 * 32u);
  EXPECT_EQ(chunk_table_bound_bytes({}, 4 * kMiB), 32u);
  EXPECT_EQ(chunk_table_bound_bytes({}, 4 * kMiB + 1), 64u);
}

/// Counts what is read back.
class ReadCounter : public MemoryFile {
 public:
  Status read_at(uint64_t offset_bytes, MutableBytes out) const override {
    ++reads;
    return MemoryFile::read_at(offset_bytes, out);
  }
  mutable int reads = 0;
};

class Digester : public ::testing::Test {
 protected:
  static constexpr uint64_t kSize = 9 * kMiB;
  Digester() : data_(paint(kSize, 3)), digester_(chunks_for(extents_)) {}

  void write(uint64_t from, uint64_t to) {
    const auto piece = std::as_bytes(std::span(data_)).subspan(from, to - from);
    ASSERT_TRUE(file_.write_at(from, piece).ok());
    digester_.on_write(from, piece);
  }
  /// Digests are those of the data, and so many chunks were read back.
  void expect_right(int reads) {
    const auto chunks = digester_.finish(file_);
    ASSERT_TRUE(chunks.ok());
    ASSERT_EQ(chunks->size(), 3u);
    for (const ChunkRecord& c : *chunks)
      EXPECT_TRUE(std::ranges::equal(
          c.digest,
          xxh3_128(std::as_bytes(std::span(data_)).subspan(c.offset_bytes, c.size_bytes))));
    EXPECT_EQ(file_.reads, reads);
  }

  std::vector<PayloadExtent> extents_ = {{0, kSize}};
  std::string data_;
  ReadCounter file_;
  ChunkDigester digester_;
};

TEST_F(Digester, OneWriteOfEverythingIsNotReadBack) {
  write(0, kSize);
  expect_right(0);
}

TEST_F(Digester, ChunksThatWritesSplitAreReadBack) {
  write(0, 5 * kMiB);
  write(5 * kMiB, kSize);
  expect_right(1);
}

TEST_F(Digester, AChunkThatIsWrittenAgainIsReadBack) {
  write(0, kSize);
  data_[10] = 'x';
  write(10, 11);
  data_[5 * kMiB] = 'y';
  write(4 * kMiB, 8 * kMiB);
  expect_right(2);
}

TEST_F(Digester, TakesWritesFromSeveralThreads) {
  const auto bytes = std::as_bytes(std::span(data_));
  ASSERT_TRUE(file_.write_at(0, bytes).ok());
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 9; ++t)
    threads.emplace_back([&, t] { digester_.on_write(t * kMiB, bytes.subspan(t * kMiB, kMiB)); });
  for (std::thread& thread : threads) thread.join();
  expect_right(2);
}

TEST_F(Digester, PassesAReadErrorOn) {
  digester_.on_write(0, {});
  const auto chunks = digester_.finish(file_);
  ASSERT_FALSE(chunks.ok());
  EXPECT_EQ(chunks.error().kind, ErrorKind::kTruncated);
}

/// A large component of three chunks between two small ones, and exceptions of two chunks.
ArtifactBuilder large_sample() {
  ArtifactBuilder b;
  b.operand("small.a", 4, 4, kOperandGemm);
  b.part("a", 0, 4);
  b.form(2, kTargetAny);
  b.component(ComponentKind::kCodes, Dtype::kU8, {300}, paint(300, 1));
  b.exceptions(paint(5, 2));
  b.operand("the.large", 4, 4, kOperandGemm);
  b.part("b", 0, 4);
  b.form(2, kTargetAny);
  b.component(ComponentKind::kCodes, Dtype::kU8, {9 * kMiB + 3}, paint(9 * kMiB + 3, 3));
  b.exceptions(paint(5 * kMiB, 4));
  b.operand("z.last", 1, 1, 0);
  b.part("c", 0, 1);
  b.form(2, kTargetAny);
  b.component(ComponentKind::kCodes, Dtype::kU8, {7}, paint(7, 5));
  return b;
}

TEST(LargeArtifact, RoundTripsAndVerifies) {
  const TempFolder folder;
  const auto opened = open_bytes(folder, large_sample().bytes());
  ASSERT_TRUE(opened.ok()) << opened.error().to_line();
  EXPECT_EQ(opened->chunks().size(), 1 + 3 + 1 + 2u);
  const Status status = read_everything(*opened);
  EXPECT_TRUE(status.ok()) << status.error().to_line();
  const ComponentRecord& exceptions = opened->components()[3];
  EXPECT_EQ(exceptions.offset_bytes, opened->sections()[10].offset_bytes + 8);
  std::string bytes(exceptions.size_bytes, '?');
  ASSERT_TRUE(opened->read_component(exceptions, 0, std::as_writable_bytes(std::span(bytes))).ok());
  EXPECT_TRUE(bytes == paint(5 * kMiB, 4));
}

TEST(LargeArtifact, DamageNamesOffsetAndOperand) {
  const TempFolder folder;
  Damaged damaged(large_sample().bytes());
  const uint64_t start = damaged.component(2).offset_bytes;
  damaged.bytes[start + 4 * kMiB + 17] ^= 0x40;
  const auto opened = open_bytes(folder, damaged.bytes);
  ASSERT_TRUE(opened.ok());
  std::vector<std::byte> scratch;
  EXPECT_TRUE(opened->verify_chunk(opened->chunks()[1], scratch).ok());
  const Status status = opened->verify_chunk(opened->chunks()[2], scratch);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kDigestMismatch);
  EXPECT_EQ(status.error().tensor, "the.large");
  EXPECT_EQ(status.error().message, "payload bytes " + std::to_string(start + 4 * kMiB) +
                                        " + 4194304 do not match their digest");
}

TEST(LargeArtifact, PaddingBetweenChunksMustBeZero) {
  const TempFolder folder;
  const Damaged whole(large_sample().bytes());
  for (const size_t before : {size_t{2}, size_t{4}}) {
    Damaged damaged = whole;
    const uint64_t at = damaged.component(before).offset_bytes - 1;
    ASSERT_EQ(damaged.bytes[at], '\0');
    damaged.bytes[at] = 1;
    const auto opened = open_bytes(folder, damaged.bytes);
    ASSERT_TRUE(opened.ok());
    const Status status = opened->check_payload_padding();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kNonZeroPadding);
    EXPECT_EQ(status.error().message, "byte " + std::to_string(at) +
                                          " of the payload belongs to no component, expected zero");
  }
}

}  // namespace
}  // namespace imp::testing
