// GEMM kernels on the card. Three kinds of activations (identity, sparse +-1, random) at every
// regime of M, for every kernel that the device has.
#include <limits>
#include <numeric>

#include "kernels/gemm/k_order.h"
#include "tests/unit/gpu_gemm_expect.h"

namespace imp::testing {
namespace {

TEST_F(GpuGemm, IdentityActivationsGiveEachWeight) {
  GemmCase c({.n = 200, .k = 272}, device(), 1);
  for (const Float type : {Float::kBf16, Float::kF16})
    for (const GemmKernel kernel : kernels()) {
      const uint64_t step = kernel == GemmKernel::kMmaDecode ? 16 : 272;
      for (uint64_t first = 0; first < 272; first += step) {
        Rows x = Rows::zeros(type, step, 272);
        for (uint64_t i = 0; i < step; ++i) x.set(i, first + i, 1.0f);
        const std::vector<float> y = c.run(x, {.kernel = kernel});
        for (uint64_t i = 0; i < step; ++i)
          for (uint64_t n = 0; n < 200; ++n)
            ASSERT_EQ(y[i * 200 + n], c.weight(0, n, first + i) * c.multiplier(0, n))
                << where(kernel, step, first + i, n);
      }
    }
}

TEST_F(GpuGemm, SparseActivationsAreExactInEveryRegime) {
  GemmCase c({.n = 328, .k = 1104, .part_end = {64, 192, 328}, .bias = true}, device(), 2);
  for (const GemmKernel kernel : kernels())
    for (const uint64_t m : rows_for(kernel))
      expect_exact(c, sparse_rows(m % 2 == 0 ? Float::kBf16 : Float::kF16, m, 1104, 7),
                   {.kernel = kernel});
}

TEST_F(GpuGemm, OutputInTheActivationTypeIsRoundedOnce) {
  GemmCase c({.n = 328, .k = 592, .bias = true, .bias_type = Float::kBf16}, device(), 3);
  for (const GemmKernel kernel : kernels())
    for (const Float type : {Float::kBf16, Float::kF16})
      for (const uint64_t m : rows_for(kernel))
        expect_exact(c, sparse_rows(type, m, 592, 11), {.kernel = kernel, .y_type = type});
}

TEST_F(GpuGemm, RandomActivationsStayInsideTheBound) {
  GemmCase c({.n = 448, .k = 2064, .part_end = {256, 448}}, device(), 4);
  for (const GemmKernel kernel : kernels())
    for (const uint64_t m : rows_for(kernel))
      expect_close(c, random_rows(m % 3 == 0 ? Float::kF16 : Float::kBf16, m, 2064, 13),
                   {.kernel = kernel}, m > 64 ? 7 : 1);
}

TEST_F(GpuGemm, OddShapes) {
  for (const auto& [n, k] : std::vector<std::pair<uint64_t, uint64_t>>{
           {1, 16}, {7, 48}, {64, 64}, {65, 80}, {127, 128}, {130, 192}, {513, 16}, {3000, 64}}) {
    GemmCase c({.n = n, .k = k}, device(), static_cast<unsigned>(n + k));
    for (const GemmKernel kernel : kernels())
      for (const uint64_t m : {1, 5, 16, 33, 130}) {
        if (m > 16 && kernel == GemmKernel::kMmaDecode) continue;
        for (const Float y : {Float::kF32, Float::kBf16})
          expect_exact(c, sparse_rows(Float::kBf16, m, k, 17), {.kernel = kernel, .y_type = y});
      }
  }
}

TEST_F(GpuGemm, ManyTilesOfTokensAndRows) {
  GemmCase c({.n = 1536, .k = 256}, device(), 6);
  for (const GemmKernel kernel : {GemmKernel::kMmaTiled, GemmKernel::kWgmma}) {
    if (kernel == GemmKernel::kWgmma && device().sm != 90) continue;
    expect_exact(c, sparse_rows(Float::kBf16, 3000, 256, 19),
                 {.kernel = kernel, .y_type = Float::kBf16});
  }
}

TEST_F(GpuGemm, EveryTileOfTokens) {
  GemmCase c({.n = 700, .k = 1040}, device(), 5);
  for (const GemmKernel kernel : {GemmKernel::kMmaTiled, GemmKernel::kWgmma}) {
    if (kernel == GemmKernel::kWgmma && device().sm != 90) continue;
    for (const uint32_t tile : {32, 64, 128, 256})
      for (const uint64_t m : {1, 31, 150, 600})
        if (tile < 256 || kernel == GemmKernel::kWgmma)
          expect_exact(
              c, sparse_rows(Float::kBf16, m, 1040, 19),
              {.kernel = kernel, .y_type = Float::kBf16, .token_tile = tile, .repeats = 3});
  }
}

TEST_F(GpuGemm, ScaleAndGatherActOnXBeforeTheProduct) {
  for (const bool gather : {false, true}) {
    GemmCase c({.n = 192, .k = 336, .k_scale = true, .k_gather = gather}, device(), 8);
    for (const GemmKernel kernel : kernels())
      for (const Float type : {Float::kBf16, Float::kF16})
        for (const bool layout_order : {false, true})
          expect_close(c, random_rows(type, 16, 336, 23),
                       {.kernel = kernel, .layout_order = layout_order});
  }
}

TEST_F(GpuGemm, XInTheOrderOfTheLayoutGivesTheSameBits) {
  GemmCase c({.n = 320, .k = 1040}, device(), 9);
  for (const GemmKernel kernel : kernels())
    for (const uint64_t m : {3, 16, 48, 150}) {
      if (m > 16 && kernel == GemmKernel::kMmaDecode) continue;
      const Rows x = random_rows(Float::kBf16, m, 1040, 29);
      EXPECT_EQ(c.run(x, {.kernel = kernel}), c.run(x, {.kernel = kernel, .layout_order = true}));
    }
}

TEST_F(GpuGemm, TheKOrderIsTheDocumentedMap) {
  constexpr uint64_t kK = 144;
  std::vector<uint16_t> x(kK);
  std::iota(x.begin(), x.end(), uint16_t{1});
  auto in = cuda::DeviceBuffer::allocate(kK * 2);
  auto out = cuda::DeviceBuffer::allocate(192 * 2);
  ASSERT_TRUE(in.ok() && out.ok());
  ASSERT_TRUE(cuda::copy_to_device(in->data(), std::as_bytes(std::span(x)), nullptr).ok());
  ASSERT_TRUE(
      kernels::to_mma64_k_order(in->data(), Float::kBf16, 1, kK, kK, out->data(), 192, nullptr)
          .ok());
  std::vector<uint16_t> got(192, 0xFFFF);
  ASSERT_TRUE(
      cuda::copy_to_host(std::as_writable_bytes(std::span(got)), out->data(), nullptr).ok());
  ASSERT_TRUE(cuda::synchronize().ok());
  for (uint64_t slot = 0; slot < 192; ++slot) {
    const uint64_t column = kernels::mma64_column_of_slot(slot);
    EXPECT_EQ(kernels::mma64_slot_of_column(column), slot);
    EXPECT_EQ(got[slot], column < kK ? column + 1 : 0) << "slot " << slot;
  }
}

TEST_F(GpuGemm, RepeatedLaunchesAndGraphReplaysGiveTheSameBits) {
  GemmCase c({.n = 1024, .k = 4096}, device(), 10);
  for (const GemmKernel kernel : kernels())
    for (const uint64_t m : {1, 16, 64, 256}) {
      if (m > 16 && kernel == GemmKernel::kMmaDecode) continue;
      const Rows x = random_rows(Float::kBf16, m, 4096, 31);
      const std::vector<float> y = c.run(x, {.kernel = kernel, .repeats = 50});
      EXPECT_EQ(y, c.run(x, {.kernel = kernel, .overlap = true, .repeats = 50}));
      EXPECT_EQ(y, c.run(x, {.kernel = kernel, .repeats = 50, .graph = true}));
      EXPECT_EQ(y, c.run(x, {.kernel = kernel, .overlap = true, .repeats = 50, .graph = true}));
    }
}

// A partial sum that is NaN must not look like one that is not there yet.
TEST_F(GpuGemm, InfinityAndNanStayInTheirRow) {
  GemmCase c({.n = 1024, .k = 4096}, device(), 15);
  for (const GemmKernel kernel : kernels())
    for (const Float type : {Float::kBf16, Float::kF16})
      for (const uint64_t m : {3, 16, 64, 256}) {
        if (m > 16 && kernel == GemmKernel::kMmaDecode) continue;
        Rows x = random_rows(type, m, 4096, 43);
        const std::vector<float> without = c.run(x, {.kernel = kernel});
        const float infinity = std::numeric_limits<float>::infinity();
        for (uint64_t k = 0; k < 4096; k += 64) x.set(1, k, k % 128 == 0 ? infinity : -infinity);
        x.bits[2 * 4096 + 5] = 0xFFFF;  // a NaN with every bit set
        const std::vector<float> with = c.run(x, {.kernel = kernel});
        for (uint64_t i = 0; i < m; ++i)
          for (uint64_t n = 0; n < 1024; ++n) {
            const float y = with[i * 1024 + n];
            if (i == 1)
              ASSERT_FALSE(std::isfinite(y)) << where(kernel, m, i, n);
            else if (i == 2)
              ASSERT_TRUE(std::isnan(y)) << where(kernel, m, i, n);
            else
              ASSERT_EQ(y, without[i * 1024 + n]) << where(kernel, m, i, n);
          }
      }
}

TEST_F(GpuGemm, ConfigurationsOfSmallerCards) {
  GemmCase c({.n = 400, .k = 1040}, device(), 12);
  for (const uint64_t kib : {99, 163})
    for (const GemmKernel kernel : kernels())
      for (const uint64_t m : {1, 16, 32, 64, 128, 300}) {
        if (m > 16 && kernel == GemmKernel::kMmaDecode) continue;
        expect_exact(
            c, sparse_rows(Float::kBf16, m, 1040, 37),
            {.kernel = kernel, .y_type = Float::kBf16, .shared_memory_limit_bytes = kib * 1024});
      }
}

TEST_F(GpuGemm, GroupedExperts) {
  GemmCase c({.n = 192, .k = 272, .experts = 6, .part_end = {128, 192}, .bias = true}, device(),
             14);
  for (const auto& counts : std::vector<std::vector<uint32_t>>{
           {1, 0, 3, 2, 0, 1}, {0, 0, 0, 0, 0, 0}, {40, 0, 17, 8, 9, 70}, {0, 0, 300, 0, 0, 5}}) {
    std::vector<uint32_t> ends(counts.size());
    std::partial_sum(counts.begin(), counts.end(), ends.begin());
    const uint64_t m = ends.back() + 3;  // rows that no expert takes
    for (const GemmKernel kernel : kernels())
      for (const Float y : {Float::kF32, Float::kBf16})
        expect_close(c, random_rows(Float::kBf16, m, 272, 41),
                     {.kernel = kernel, .y_type = y, .rows_end = ends, .repeats = 3});
  }
}

}  // namespace
}  // namespace imp::testing
