// imp-bench on a card: the floor reads everything, and every row of small runs is right.
#include <functional>
#include <numeric>
#include <random>

#include "kernels/bench/cold_read.h"
#include "src/bench/gemm_bench.h"
#include "src/bench/pool.h"
#include "src/bench/repack_bench.h"
#include "tests/unit/gpu.h"

namespace imp::bench {
namespace {

using testing::GpuTest;

class GpuBench : public GpuTest {};

std::vector<uint32_t> random_words(size_t count) {
  std::mt19937 random(1);
  std::vector<uint32_t> words(count);
  for (uint32_t& word : words) word = static_cast<uint32_t>(random());
  return words;
}

uint32_t xor_of(const std::vector<uint32_t>& words) {
  return std::accumulate(words.begin(), words.end(), 0u, std::bit_xor<>());
}

TEST_F(GpuBench, ColdReadMeetsEveryByteOnce) {
  const auto stream = cuda::Stream::create();
  ASSERT_TRUE(stream.ok());
  // Ends inside every round of the loop: 16 bytes, one round and more, several rounds and a rest.
  for (const size_t words : {size_t{4}, size_t{1} << 20, (size_t{12} << 20) + 4}) {
    const std::vector<uint32_t> host = random_words(words);
    const auto data = to_device(std::as_bytes(std::span(host)), stream->handle());
    ASSERT_TRUE(data.ok());
    std::vector<uint32_t> sink(kernels::cold_read_sink_words(device()));
    const auto out = cuda::DeviceBuffer::allocate(4 * sink.size());
    ASSERT_TRUE(out.ok());
    ASSERT_TRUE(cuda::fill(out->data(), 0xFF, 4 * sink.size(), stream->handle()).ok());
    ASSERT_TRUE(
        kernels::cold_read(data->data(), 4 * words, out->as<uint32_t>(), device(), stream->handle())
            .ok());
    ASSERT_TRUE(
        cuda::copy_to_host(std::as_writable_bytes(std::span(sink)), out->data(), stream->handle())
            .ok());
    ASSERT_TRUE(stream->synchronize().ok());
    EXPECT_EQ(xor_of(sink), xor_of(host)) << words;
  }
  EXPECT_EQ(kernels::cold_read(nullptr, 8, nullptr, device(), nullptr).error().kind,
            ErrorKind::kBadShape);
}

void expect_all_good(const Result<GemmReport>& report, size_t rows) {
  ASSERT_TRUE(report.ok()) << report.error().to_line();
  EXPECT_GE(report->rows.size(), rows);
  for (const GemmRow& row : report->rows) {
    EXPECT_TRUE(row.good) << row.kernel << " m " << row.m << ": " << row.check;
    EXPECT_GT(row.us, 0);
    EXPECT_GT(row.floor_us, 0);
  }
}

TEST_F(GpuBench, SmallShapeIsRightInBothOrdersAndTypes) {
  for (const char* activation : {"bf16", "f16"}) {
    CollectingLog log;
    GemmOptions options;
    options.shapes = {{200, 400}};  // ragged both ways
    options.m = {1, 17, 64, 300};
    options.activation = activation;
    options.x_order = "both";
    options.replays = 2;
    options.pool_bytes = 1 << 20;
    expect_all_good(run_gemm(options, log), 8);
  }
}

TEST_F(GpuBench, OverlapAndExpertsAreRight) {
  CollectingLog log;
  GemmOptions options;
  options.shapes = {{192, 512}};
  options.m = {8};
  options.overlap = true;
  options.replays = 2;
  options.pool_bytes = 1 << 20;
  expect_all_good(run_gemm(options, log), 1);
  options.m.clear();
  options.overlap = false;
  options.experts = 4;
  options.tokens_per_expert = {1, 20};
  expect_all_good(run_gemm(options, log), 2);
}

TEST_F(GpuBench, RepackComesBackOnBothPaths) {
  // A pitch that is no multiple of 16 bytes; one that everything beside NVFP4 takes too.
  const std::pair<uint64_t, size_t> cases[] = {{8208, 6}, {1024, 24}};
  for (const char* path : {"word", "map"})
    for (const auto& [k, rows] : cases) {
      CollectingLog log;
      RepackOptions options;
      options.mib = {4};
      options.k = k;
      options.path = path;
      options.replays = 2;
      options.pool_bytes = 1 << 20;
      const auto report = run_repack(options, log);
      ASSERT_TRUE(report.ok()) << report.error().to_line();
      EXPECT_EQ(report->rows.size(), rows);
      for (const RepackRow& row : report->rows) EXPECT_TRUE(row.good) << row.operation << row.check;
    }
}

}  // namespace
}  // namespace imp::bench
