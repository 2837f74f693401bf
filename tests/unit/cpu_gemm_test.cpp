// The CPU GEMM finds every weight in packed bytes without the index map: identity activations
// against the canonical planes with ==, sparse ones with ==, random ones within a derived bound,
// and damage is seen.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/quant/bf16.h"
#include "src/quant/f16.h"
#include "src/quant/nvfp4.h"
#include "tests/unit/layout_planes.h"

namespace imp::kernels {
namespace {

using repack::Path;
using test::Nvfp4Matrix;
using test::Planes;

constexpr uint16_t kPlain = 1, kMma64 = 2, kNative = 3;
constexpr uint16_t kF32 = 1, kF16 = 2, kBf16 = 3, kNvfp4 = 16;
constexpr uint16_t kNvfp4Layouts[] = {kPlain, kMma64, kNative};

/// Packed bytes of one matrix and the view of them.
struct Packed {
  std::vector<std::byte> codes;
  std::vector<std::byte> scales;
  PackedWeight weight;
  void refresh() {
    weight.codes = codes;
    weight.block_scale = scales;
  }
};

Packed pack(const Nvfp4Matrix& matrix, uint16_t layout) {
  const Planes planes(matrix);
  Packed packed;
  if (layout == kPlain) {
    packed.codes = planes.codes;
    packed.scales = planes.scales;
  } else if (layout == kMma64) {
    packed.codes = test::pack_mma64(planes, Path::kWord);
  } else {
    const uint64_t groups = planes.k / 16;
    packed.codes.resize(planes.rows * layouts::native_rows::pitch_bytes(planes.k));
    repack::native_rows_pack(planes.codes, planes.rows, planes.k, Path::kWord, packed.codes);
    packed.scales.resize(layouts::sf128x4::size_bytes(planes.rows, groups));
    repack::sf128x4_pack(planes.scales, planes.rows, groups, Path::kWord, packed.scales);
  }
  packed.weight.layout = layout;
  packed.weight.scheme = kNvfp4;
  packed.weight.n = planes.rows;
  packed.weight.k = planes.k;
  return packed;
}

/// Identity activations over the whole matrix, [N, K]; NaN where no lane came. Nothing past the end
/// is touched.
std::vector<float> identity(const PackedWeight& weight) {
  constexpr size_t kGuard = 64;
  std::vector<float> out(weight.n * weight.k + kGuard, std::numeric_limits<float>::quiet_NaN());
  for (uint64_t n0 = 0; n0 < weight.n; n0 += kTileRows) {
    const uint64_t rows = std::min(kTileRows, weight.n - n0);
    const Status status = cpu_gemm_identity(weight, n0, rows, &out[n0 * weight.k]);
    EXPECT_TRUE(status.ok());
  }
  for (size_t i = weight.n * weight.k; i < out.size(); ++i) EXPECT_TRUE(std::isnan(out[i]));
  out.resize(weight.n * weight.k);
  return out;
}

/// What the accumulator must hold: the canonical weight without its multiplier, by the codecs of
/// src/quant.
std::vector<float> expected_accumulators(const Nvfp4Matrix& matrix, float unit) {
  std::vector<float> out;
  for (size_t n = 0; n < matrix.codes.rows; ++n)
    for (size_t k = 0; k < matrix.codes.columns; ++k)
      out.push_back(quant::nvfp4_unscaled(matrix.codes(n, k), matrix.scales(n, k / 16)) / unit);
  return out;
}

size_t count_differing(const std::vector<float>& a, const std::vector<float>& b) {
  size_t differing = 0;
  for (size_t i = 0; i < a.size(); ++i) differing += a[i] == b[i] ? 0 : 1;
  return differing;
}

/// A matrix without zero codes and zero scales, so that any changed bit changes a value.
Nvfp4Matrix dense_matrix(size_t rows, size_t k, uint32_t seed) {
  Nvfp4Matrix matrix = test::random_matrix(rows, k, seed);
  for (uint8_t& code : matrix.codes.at)
    if (code % 8 == 0) ++code;
  for (uint8_t& scale : matrix.scales.at) scale = static_cast<uint8_t>(0x20 + scale % 64);
  return matrix;
}

TEST(CpuGemm, SupportsWhatItHasReadersFor) {
  for (const uint16_t layout : kNvfp4Layouts) EXPECT_TRUE(cpu_gemm_supports(layout, kNvfp4));
  for (const uint16_t scheme : {kF32, kF16, kBf16}) {
    EXPECT_TRUE(cpu_gemm_supports(kPlain, scheme));
    EXPECT_FALSE(cpu_gemm_supports(kMma64, scheme));
    EXPECT_FALSE(cpu_gemm_supports(kNative, scheme));
  }
  EXPECT_FALSE(cpu_gemm_supports(9, kNvfp4));
  EXPECT_FALSE(cpu_gemm_supports(kPlain, 0));
  EXPECT_EQ(accumulator_unit(kMma64, kNvfp4), 16384.0f);
  EXPECT_EQ(accumulator_unit(kNative, kNvfp4), 1.0f);
  EXPECT_EQ(accumulator_unit(kPlain, kBf16), 1.0f);
}

TEST(CpuGemm, IdentityIsTheCanonicalMatrix) {
  const std::pair<size_t, size_t> shapes[] = {{64, 64},  {1, 16},    {65, 80},
                                              {130, 48}, {100, 208}, {200, 320}};
  for (const auto& [rows, k] : shapes)
    for (const uint16_t layout : kNvfp4Layouts) {
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(k) + ", layout " +
                   std::to_string(layout));
      const Nvfp4Matrix matrix = test::random_matrix(rows, k, static_cast<uint32_t>(rows * k));
      const Packed packed = pack(matrix, layout);
      PackedWeight weight = packed.weight;
      weight.codes = packed.codes;
      weight.block_scale = packed.scales;
      const std::vector<float> got = identity(weight);
      const auto expected = expected_accumulators(matrix, accumulator_unit(layout, kNvfp4));
      EXPECT_EQ(count_differing(got, expected), 0u);
    }
}

/// Every finite scale with every code, through the decode of each layout.
TEST(CpuGemm, IdentityOfEveryCodeAndScale) {
  Nvfp4Matrix matrix{{128, 16, {}}, {128, 1, {}}};
  for (uint32_t n = 0; n < 128; ++n) {
    matrix.scales.at.push_back(static_cast<uint8_t>(n == 127 ? 0x80 : n));
    for (uint32_t code = 0; code < 16; ++code)
      matrix.codes.at.push_back(static_cast<uint8_t>(code));
  }
  for (const uint16_t layout : kNvfp4Layouts) {
    Packed packed = pack(matrix, layout);
    packed.refresh();
    const auto expected = expected_accumulators(matrix, accumulator_unit(layout, kNvfp4));
    EXPECT_EQ(count_differing(identity(packed.weight), expected), 0u) << "layout " << layout;
  }
}

TEST(CpuGemm, EpilogueGivesTheKernelValue) {
  const Nvfp4Matrix matrix = test::random_matrix(64, 64, 5);
  const float multiplier = 0x1.9a3b57p-11f, bias = 0.3f;
  for (const uint16_t layout : kNvfp4Layouts) {
    Packed packed = pack(matrix, layout);
    packed.refresh();
    const std::vector<float> acc = identity(packed.weight);
    const float unit = accumulator_unit(layout, kNvfp4);
    for (size_t i = 0; i < acc.size(); ++i) {
      const float value =
          quant::nvfp4_kernel_value(matrix.codes.at[i], matrix.scales.at[i / 16], multiplier);
      ASSERT_EQ(cpu_gemm_epilogue(acc[i], multiplier, unit, nullptr), value) << i;
      ASSERT_EQ(cpu_gemm_epilogue(acc[i], multiplier, unit, &bias), value + bias) << i;
    }
  }
}

/// Control: one changed bit anywhere in codes or scales changes the result of identity activations.
TEST(CpuGemm, IdentitySeesADamagedByte) {
  const Nvfp4Matrix matrix = dense_matrix(64, 64, 9);
  for (const uint16_t layout : kNvfp4Layouts) {
    SCOPED_TRACE("layout " + std::to_string(layout));
    Packed packed = pack(matrix, layout);
    packed.refresh();
    const std::vector<float> good = identity(packed.weight);
    std::vector<std::byte>* const components[] = {&packed.codes, &packed.scales};
    for (std::vector<std::byte>* component : components)
      for (size_t byte = 0; byte < component->size(); byte += 23) {
        // Half of a 128x4 tile of 64 rows is padding, which no lane reads.
        if (layout == kNative && component == &packed.scales && byte % 16 >= 8) continue;
        const std::byte bit{static_cast<uint8_t>(1u << (byte % 7))};
        (*component)[byte] ^= bit;
        EXPECT_GT(count_differing(identity(packed.weight), good), 0u) << "byte " << byte;
        (*component)[byte] ^= bit;
      }
    EXPECT_EQ(count_differing(identity(packed.weight), good), 0u);
  }
}

/// acc of all rows, [m, N].
std::vector<float> accumulate(const PackedWeight& weight, const std::vector<float>& x, uint64_t m) {
  std::vector<float> out(m * weight.n);
  for (uint64_t n0 = 0; n0 < weight.n; n0 += kTileRows) {
    const uint64_t rows = std::min(kTileRows, weight.n - n0);
    std::vector<float> acc(m * rows, std::numeric_limits<float>::quiet_NaN());
    EXPECT_TRUE(cpu_gemm_accumulate(weight, n0, rows, x.data(), m, acc.data()).ok());
    for (uint64_t i = 0; i < m; ++i)
      for (uint64_t r = 0; r < rows; ++r) out[i * weight.n + n0 + r] = acc[i * rows + r];
  }
  return out;
}

struct Sum {
  double value = 0;
  double magnitude = 0;  ///< sum of |x| |w|
};

/// One element in double. Products have at most 14 significant bits; `value` rounds far below a
/// float's u.
Sum exact_sum(const std::vector<float>& w, const std::vector<float>& x, uint64_t k, uint64_t i,
              uint64_t n) {
  Sum sum;
  for (uint64_t column = 0; column < k; ++column) {
    const double product = double{x[i * k + column]} * w[n * k + column];
    sum.value += product;
    sum.magnitude += std::abs(product);
  }
  return sum;
}

/// At most four activations of a row are +-1. Every w is a multiple of 2^-10 below 2^12 (times the
/// unit), so sums of four are integers below 2^24 in units of 2^-10: exact in f32, in any order.
TEST(CpuGemm, SparseActivationsAreExact) {
  constexpr uint64_t kM = 24, kN = 100, kK = 208;
  const Nvfp4Matrix matrix = test::random_matrix(kN, kK, 11);
  test::Random random(12);
  std::vector<float> x(kM * kK, 0.0f);
  for (uint64_t i = 0; i < kM; ++i)
    for (int j = 0; j < 4; ++j) x[i * kK + random() % kK] = random() % 2 == 0 ? 1.0f : -1.0f;
  for (const uint16_t layout : kNvfp4Layouts) {
    SCOPED_TRACE("layout " + std::to_string(layout));
    Packed packed = pack(matrix, layout);
    packed.refresh();
    const auto w = expected_accumulators(matrix, accumulator_unit(layout, kNvfp4));
    const std::vector<float> got = accumulate(packed.weight, x, kM);
    for (uint64_t i = 0; i < kM; ++i)
      for (uint64_t n = 0; n < kN; ++n)
        ASSERT_EQ(got[i * kN + n], exact_sum(w, x, kK, i, n).value) << i << ", " << n;
  }
}

/// Bound: x has 8 significant bits and w at most 6, so each product is exact and only the K sums
/// round, each by u = 2^-24 of a partial sum. The first adds to zero, exactly; K-1 roundings give
/// |error| <= ((1+u)^(K-1) - 1) * sum|x||w| <= (K-1)u/(1-(K-1)u) * sum|x||w|, below K*u*sum|x||w|
/// for K <= 4096.
TEST(CpuGemm, RandomActivationsWithinTheBound) {
  constexpr uint64_t kM = 5, kN = 70, kK = 720;
  const Nvfp4Matrix matrix = test::random_matrix(kN, kK, 21);
  test::Random random(22);
  std::normal_distribution<float> normal;
  std::vector<float> x(kM * kK);
  for (float& value : x) value = quant::bf16_to_float(quant::bf16_from_float(normal(random)));
  for (const uint16_t layout : kNvfp4Layouts) {
    SCOPED_TRACE("layout " + std::to_string(layout));
    Packed packed = pack(matrix, layout);
    packed.refresh();
    const auto w = expected_accumulators(matrix, accumulator_unit(layout, kNvfp4));
    const std::vector<float> got = accumulate(packed.weight, x, kM);
    double worst = 0;
    for (uint64_t i = 0; i < kM; ++i)
      for (uint64_t n = 0; n < kN; ++n) {
        const Sum sum = exact_sum(w, x, kK, i, n);
        const double bound = kK * 0x1p-24 * sum.magnitude;
        const double error = std::abs(got[i * kN + n] - sum.value);
        ASSERT_LE(error, bound) << i << ", " << n;
        worst = std::max(worst, error / bound);
      }
    RecordProperty("worst_share_of_bound", std::to_string(worst));
  }
}

/// 2^24 + 1 - 2^24 is 0 in f32 and 2^24 - 2^24 + 1 is 1, so a sum tells its order. The places of
/// the three come in this order in a lane's slots and steps, and in another along K.
TEST(CpuGemm, AccumulatesInFragmentOrder) {
  Nvfp4Matrix ones{{64, 64, std::vector<uint8_t>(64 * 64, 2)},
                   {64, 4, std::vector<uint8_t>(64 * 4, 0x38)}};
  const struct {
    uint16_t layout;
    uint64_t plus, minus, one;
    float sum;
  } cases[] = {
      {kPlain, 0, 32, 8, 0.0f},  {kPlain, 0, 8, 32, 1.0f},  // along K
      {kMma64, 0, 16, 4, 1.0f},  {kMma64, 0, 4, 16, 0.0f},  // step 0: k 0, 16; step 1: k 4
      {kNative, 0, 32, 8, 1.0f}, {kNative, 0, 8, 32, 0.0f}  // lane 0: k 0, 32; lane 1: k 8
  };
  for (const auto& c : cases) {
    Packed packed = pack(ones, c.layout);
    packed.refresh();
    std::vector<float> x(64, 0.0f);
    x[c.plus] = 0x1p24f;
    x[c.minus] = -0x1p24f;
    x[c.one] = 1.0f;
    const float unit = accumulator_unit(c.layout, kNvfp4);
    for (const float acc : accumulate(packed.weight, x, 1))
      ASSERT_EQ(acc * unit, c.sum) << "layout " << c.layout << ", k " << c.minus << ", " << c.one;
  }
}

TEST(CpuGemm, PlainFloatsAreExact) {
  constexpr uint64_t kN = 67, kK = 70;
  test::Random random(31);
  for (const uint16_t scheme : {kF32, kF16, kBf16}) {
    SCOPED_TRACE("scheme " + std::to_string(scheme));
    Packed packed;
    std::vector<float> expected;
    for (uint64_t i = 0; i < kN * kK; ++i) {
      // Every exponent but that of infinity, so subnormals too.
      const uint32_t half = random() % 0xFFFF & (scheme == kF16 ? 0xBBFFu : 0xBFFFu);
      const uint16_t stored = static_cast<uint16_t>(half);
      const float value = scheme == kF16    ? quant::f16_to_float(stored)
                          : scheme == kBf16 ? quant::bf16_to_float(stored)
                                            : std::bit_cast<float>(half << 16 | 0x1234);
      const uint32_t bits = scheme == kF32 ? std::bit_cast<uint32_t>(value) : stored;
      for (uint32_t byte = 0; byte < (scheme == kF32 ? 4 : 2); ++byte)
        packed.codes.push_back(static_cast<std::byte>(bits >> (8 * byte)));
      expected.push_back(value);
    }
    packed.weight = {
        kPlain, scheme, scheme == kF32 ? Dtype::kF32 : scheme == kF16 ? Dtype::kF16 : Dtype::kBF16,
        {},     {},     kN,
        kK};
    packed.refresh();
    EXPECT_EQ(count_differing(identity(packed.weight), expected), 0u);
  }
}

TEST(CpuGemm, RefusesSpansThatAreTooShort) {
  const Nvfp4Matrix matrix = test::random_matrix(70, 48, 41);
  const char* const messages[3][2] = {{"codes has 1679 bytes, the shape asks for 1680",
                                       "block_scale has 209 bytes, the shape asks for 210"},
                                      {"codes has 4607 bytes, the shape asks for 4608", nullptr},
                                      {"codes has 2239 bytes, the shape asks for 2240",
                                       "block_scale has 511 bytes, the shape asks for 512"}};
  std::vector<float> out(64 * 48);
  for (const uint16_t layout : kNvfp4Layouts)
    for (int component = 0; component < 2; ++component) {
      const char* const message = messages[layout - 1][component];
      if (message == nullptr) continue;
      SCOPED_TRACE(message);
      Packed packed = pack(matrix, layout);
      packed.refresh();
      ASSERT_TRUE(cpu_gemm_identity(packed.weight, 0, 64, out.data()).ok());
      (component == 0 ? packed.codes : packed.scales).pop_back();
      packed.refresh();
      const Status status = cpu_gemm_identity(packed.weight, 0, 64, out.data());
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().kind, ErrorKind::kBadShape);
      EXPECT_EQ(status.error().message, message);
    }
}

TEST(CpuGemm, RefusesShapesThatOverflow) {
  std::vector<float> out(64 * 64);
  for (const uint16_t layout : kNvfp4Layouts) {
    Packed packed = pack(dense_matrix(64, 64, 1), layout);
    packed.refresh();
    packed.weight.n = UINT64_MAX;
    const Status status = cpu_gemm_identity(packed.weight, 0, 64, out.data());
    ASSERT_FALSE(status.ok()) << layout;
    EXPECT_EQ(status.error().kind, ErrorKind::kBadShape);
    EXPECT_EQ(status.error().message,
              "shape [18446744073709551615, 64] has more bytes than 64 bits can count");
  }
}

TEST(CpuGemm, RefusesADtypeThatContradictsTheScheme) {
  std::vector<std::byte> codes(4 * 4);
  std::vector<float> out(16);
  PackedWeight weight{kPlain, kBf16, Dtype::kBF16, codes, {}, 2, 2};
  ASSERT_TRUE(cpu_gemm_identity(weight, 0, 2, out.data()).ok());
  weight.dtype = Dtype::kF32;
  const Status status = cpu_gemm_identity(weight, 0, 2, out.data());
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kBadRecord);
  EXPECT_EQ(status.error().message, "codes of scheme 3 have dtype F32, expected BF16");
}

}  // namespace
}  // namespace imp::kernels
