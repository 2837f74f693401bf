// The tuned kernels for MXFP4 and int4 on the card: what gpu_gemm_test asks of NVFP4, for each kind
// of group, scale and zero point.
#include <numeric>
#include <ostream>

#include "tests/unit/gpu_gemm_expect.h"

namespace imp::testing {
namespace {

struct Named {
  const char* name;
  WeightFormat format;
  friend std::ostream& operator<<(std::ostream& out, const Named& named) {
    return out << named.name;
  }
};
constexpr uint64_t kWholeRow = uint64_t{1} << 20;
constexpr Named kFormats[] = {
    {"Mxfp4", {.scheme = 18, .group = 32}},
    {"Int4Groups32", {.scheme = 36, .group = 32}},
    {"Int4Groups32Zeros", {.scheme = 36, .group = 32, .zero_points = true}},
    {"Int4Groups32ZerosF32",
     {.scheme = 36, .group = 32, .scale_dtype = Dtype::kF32, .zero_points = true}},
    {"Int4Groups64F16", {.scheme = 36, .group = 64, .scale_dtype = Dtype::kF16}},
    {"Int4Groups64Zeros", {.scheme = 36, .group = 64, .zero_points = true}},
    {"Int4Groups128", {.scheme = 36, .group = 128}},
    {"Int4Groups128ZerosF16",
     {.scheme = 36, .group = 128, .scale_dtype = Dtype::kF16, .zero_points = true}},
    {"Int4Groups128F32", {.scheme = 36, .group = 128, .scale_dtype = Dtype::kF32}},
    {"Int4Groups192Zeros", {.scheme = 36, .group = 192, .zero_points = true}},
    {"Int4Groups256", {.scheme = 36, .group = 256}},
    {"Int4Rows", {.scheme = 36, .group = kWholeRow}},
    {"Int4RowsZerosF32",
     {.scheme = 36, .group = kWholeRow, .scale_dtype = Dtype::kF32, .zero_points = true}},
};

class GpuGemmFormats : public GpuGemm, public ::testing::WithParamInterface<Named> {
 protected:
  static WeightFormat format() { return GetParam().format; }
  bool takes(GemmKernel kernel, uint64_t m) const {
    return kernel != GemmKernel::kMmaDecode || m <= kernels::kMaxDecodeRows;
  }
  void expect_identity(const WeightFormat& f, Float type) {
    constexpr uint64_t kN = 200, kK = 480;
    GemmCase c({.n = kN, .k = kK, .format = f}, device(), 1);
    for (const GemmKernel kernel : kernels()) {
      const uint64_t step = kernel == GemmKernel::kMmaDecode ? 16 : kK;
      for (uint64_t first = 0; first < kK; first += step) {
        Rows x = Rows::zeros(type, step, kK);
        for (uint64_t i = 0; i < step; ++i) x.set(i, first + i, 1.0f);
        const std::vector<float> y = c.run(x, {.kernel = kernel});
        for (uint64_t i = 0; i < step; ++i)
          for (uint64_t n = 0; n < kN; ++n)
            ASSERT_EQ(y[i * kN + n], c.weight(0, n, first + i) * c.multiplier(0, n))
                << where(kernel, step, first + i, n);
      }
    }
  }
};

TEST_P(GpuGemmFormats, IdentityActivationsGiveEachWeight) {
  WeightFormat f = format();
  f.all_mantissas = true;
  for (const Float type : {Float::kBf16, Float::kF16}) {
    if (f.scheme == 18) {
      // All that either type holds (kernels/layouts, mma64_mxfp4.h).
      f.least_scale = type == Float::kBf16 ? 0 : 92;
      f.most_scale = type == Float::kBf16 ? 252 : 128;
    }
    expect_identity(f, type);
  }
}

TEST_P(GpuGemmFormats, SparseActivationsAreExactInEveryRegime) {
  GemmCase c({.n = 328, .k = 1120, .format = format(), .part_end = {64, 192, 328}, .bias = true},
             device(), 2);
  for (const GemmKernel kernel : kernels())
    for (const uint64_t m : rows_for(kernel))
      expect_exact(c, sparse_rows(m % 2 == 0 ? Float::kBf16 : Float::kF16, m, 1120, 7),
                   {.kernel = kernel});
}

TEST_P(GpuGemmFormats, RandomActivationsStayInsideTheBound) {
  GemmCase c({.n = 448, .k = 2080, .format = format(), .part_end = {256, 448}}, device(), 4);
  for (const GemmKernel kernel : kernels())
    for (const uint64_t m : rows_for(kernel))
      expect_close(c, random_rows(m % 3 == 0 ? Float::kF16 : Float::kBf16, m, 2080, 13),
                   {.kernel = kernel,
                    .y_type = m % 2 == 0   ? Float::kF32
                              : m % 3 == 0 ? Float::kF16
                                           : Float::kBf16},
                   m > 64 ? 7 : 1);
}

TEST_P(GpuGemmFormats, OddShapes) {
  for (const auto& [n, k] : std::vector<std::pair<uint64_t, uint64_t>>{
           {1, 32}, {7, 64}, {65, 96}, {127, 128}, {130, 192}, {513, 32}, {3000, 64}, {70, 160}}) {
    GemmCase c({.n = n, .k = k, .format = format()}, device(), static_cast<unsigned>(n + k));
    for (const GemmKernel kernel : kernels())
      for (const uint64_t m : {1, 5, 16, 33, 130})
        if (takes(kernel, m))
          for (const Float y : {Float::kF32, Float::kBf16})
            expect_exact(c, sparse_rows(Float::kBf16, m, k, 17), {.kernel = kernel, .y_type = y});
  }
}

// Int4 alone: a block, and a group of 32, that K ends in. Codes 0 behind K are not the integer 0.
TEST_P(GpuGemmFormats, KInsideAGroup) {
  if (format().scheme != 36) GTEST_SKIP() << "K is a multiple of the group of 32";
  for (const uint64_t k : {16, 48, 80, 112, 144, 272, 400}) {
    GemmCase c({.n = 130, .k = k, .format = format()}, device(), static_cast<unsigned>(k));
    for (const GemmKernel kernel : kernels())
      for (const uint64_t m : {3, 12, 40})
        if (takes(kernel, m))
          expect_exact(c, sparse_rows(Float::kBf16, m, k, 47), {.kernel = kernel});
  }
}

TEST_P(GpuGemmFormats, EveryTileOfTokens) {
  GemmCase c({.n = 700, .k = 1056, .format = format()}, device(), 5);
  for (const GemmKernel kernel : {GemmKernel::kMmaTiled, GemmKernel::kWgmma}) {
    if (kernel == GemmKernel::kWgmma && !has_wgmma()) continue;
    for (const uint32_t tile : {32, 64, 128})
      for (const uint64_t m : {1, 31, 150, 600})
        expect_exact(c, sparse_rows(Float::kBf16, m, 1056, 19),
                     {.kernel = kernel, .y_type = Float::kBf16, .token_tile = tile, .repeats = 3});
  }
}

TEST_P(GpuGemmFormats, ScaleGatherAndOrderOfXActBeforeTheProduct) {
  for (const bool gather : {false, true}) {
    GemmCase c({.n = 192, .k = 352, .format = format(), .k_scale = true, .k_gather = gather},
               device(), 8);
    for (const GemmKernel kernel : kernels())
      for (const bool layout_order : {false, true})
        expect_close(c, random_rows(Float::kBf16, 16, 352, 23),
                     {.kernel = kernel, .layout_order = layout_order});
  }
  GemmCase c({.n = 320, .k = 1056, .format = format()}, device(), 9);
  for (const GemmKernel kernel : kernels())
    for (const uint64_t m : {3, 16, 48, 150})
      if (takes(kernel, m)) {
        const Rows x = random_rows(Float::kBf16, m, 1056, 29);
        EXPECT_EQ(c.run(x, {.kernel = kernel}), c.run(x, {.kernel = kernel, .layout_order = true}));
      }
}

TEST_P(GpuGemmFormats, RepeatedLaunchesAndGraphReplaysGiveTheSameBits) {
  GemmCase c({.n = 1024, .k = 2048, .format = format()}, device(), 10);
  for (const GemmKernel kernel : kernels())
    for (const uint64_t m : {1, 16, 64, 256})
      if (takes(kernel, m)) {
        const Rows x = random_rows(Float::kBf16, m, 2048, 31);
        const std::vector<float> y = c.run(x, {.kernel = kernel, .repeats = 20});
        EXPECT_EQ(y, c.run(x, {.kernel = kernel, .overlap = true, .repeats = 20, .graph = true}));
      }
}

TEST_P(GpuGemmFormats, ConfigurationsOfSmallerCards) {
  GemmCase c({.n = 400, .k = 1056, .format = format()}, device(), 12);
  for (const uint64_t kib : {99, 163})
    for (const GemmKernel kernel : kernels())
      for (const uint64_t m : {1, 16, 32, 64, 128, 300})
        if (takes(kernel, m))
          expect_exact(
              c, sparse_rows(Float::kBf16, m, 1056, 37),
              {.kernel = kernel, .y_type = Float::kBf16, .shared_memory_limit_bytes = kib * 1024});
}

TEST_P(GpuGemmFormats, GroupedExperts) {
  GemmCase c(
      {.n = 192, .k = 288, .format = format(), .experts = 6, .part_end = {128, 192}, .bias = true},
      device(), 14);
  for (const auto& counts : std::vector<std::vector<uint32_t>>{
           {1, 0, 3, 2, 0, 1}, {40, 0, 17, 8, 9, 70}, {0, 0, 300, 0, 0, 5}}) {
    std::vector<uint32_t> ends(counts.size());
    std::partial_sum(counts.begin(), counts.end(), ends.begin());
    const uint64_t m = ends.back() + 3;  // rows that no expert takes
    for (const GemmKernel kernel : kernels())
      expect_close(c, random_rows(Float::kBf16, m, 288, 41),
                   {.kernel = kernel, .rows_end = ends, .repeats = 3});
  }
}

std::string name_of(const ::testing::TestParamInfo<Named>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Each, GpuGemmFormats, ::testing::ValuesIn(kFormats), name_of);

}  // namespace
}  // namespace imp::testing
