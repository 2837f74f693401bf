// The CPU GEMM on the schemes beside NVFP4: identity activations give the values of the elements
// with ==, sparse ones their sums, damage is seen, and facts that contradict each other are named.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/cpu_identity.h"
#include "tests/unit/gemm_variants.h"

namespace imp::kernels {
namespace {

using namespace test;

float unit_of(const VariantCase& c) { return accumulator_unit(c.layout, c.scheme); }

size_t count_differing(const std::vector<float>& a, const std::vector<float>& b) {
  size_t differing = 0;
  for (size_t i = 0; i < a.size(); ++i) differing += a[i] == b[i] ? 0 : 1;
  return differing;
}

std::vector<float> times(std::vector<float> values, float factor) {
  for (float& value : values) value *= factor;
  return values;
}

TEST(CpuGemmVariants, Units) {
  for (const VariantCase& c : variant_cases())
    EXPECT_EQ(unit_of(c), c.layout == kMma64 && c.scheme == kNvfp4G32 ? 16384.0f : 1.0f)
        << c.name();
}

TEST(CpuGemmVariants, SupportsTheseEncodingsOnly) {
  for (const VariantCase& c : variant_cases())
    EXPECT_TRUE(cpu_gemm_supports(c.layout, c.scheme, c.encoding)) << c.name();
  // Registry "encodings": 4 and 5 are of zero points alone; 6 is of 4-bit integers, 7 to 9 are of
  // floats, 10 and 11 of elements of whole bytes.
  for (const uint16_t scheme : {kNvfp4G32, kMxfp4, kMxfp8})
    for (uint16_t encoding = 0; encoding < 40; ++encoding)
      EXPECT_EQ(cpu_gemm_supports(kPlain, scheme, encoding),
                encoding == 0 || (encoding >= 7 && encoding <= 9));
  for (uint16_t encoding = 0; encoding < 40; ++encoding)
    EXPECT_EQ(cpu_gemm_supports(kPlain, kFp8, encoding),
              encoding == 0 || (encoding >= 7 && encoding <= 11));
  for (const uint16_t scheme : {kInt4, kInt8}) {
    for (uint16_t encoding = 0; encoding < 40; ++encoding)
      EXPECT_EQ(
          cpu_gemm_supports(kPlain, scheme, encoding),
          encoding <= 3 || encoding == 10 || encoding == 11 || (encoding == 6 && scheme == kInt4));
    EXPECT_FALSE(cpu_gemm_supports(kMma64, scheme, kSignedEncoding));
    EXPECT_FALSE(cpu_gemm_supports(kNative, scheme));
  }
  EXPECT_FALSE(cpu_gemm_supports(kMma64, kMxfp8));
  EXPECT_FALSE(cpu_gemm_supports(kNative, kNvfp4G32));
  EXPECT_FALSE(cpu_gemm_supports(kNative, kFp8));
}

TEST(CpuGemmVariants, IdentityGivesTheValues) {
  uint32_t seed = 1;
  for (const VariantCase& c : variant_cases()) {
    PackedVariant packed = make_variant(c, seed++);
    packed.refresh();
    EXPECT_EQ(count_differing(times(identity(packed.weight), unit_of(c)), packed.values), 0u)
        << c.name();
  }
}

/// Every e2m1 code under every scale byte that bf16 holds it with, and every e4m3 code.
TEST(CpuGemmVariants, IdentityOfEveryCodeAndScaleByte) {
  for (const uint16_t layout : {kPlain, kMma64, kNative})
    for (const uint16_t scheme : {kMxfp4, kMxfp8}) {
      if (layout == kMma64 && scheme == kMxfp8) continue;
      const VariantCase c{layout, scheme, 253, 256};
      Elements e = random_elements(c, 3);
      for (size_t n = 0; n < c.n; ++n) {
        for (size_t k = 0; k < c.k; ++k)
          e.codes.at[n * c.k + k] = static_cast<uint32_t>(scheme == kMxfp4 ? k % 16 : k);
        for (size_t group = 0; group < 8; ++group) {
          const size_t b = scheme == kMxfp4 ? n : n * 246 / 252;
          e.scales.at[n * 8 + group] = static_cast<uint32_t>(b);
        }
      }
      PackedVariant packed;
      if (layout == kPlain) pack_plain(c, e, packed);
      if (layout == kMma64) pack_mma64(c, e, packed);
      if (layout == kNative) pack_native(c, e, packed);
      packed.weight = {layout, scheme, Dtype::kU8, {}, {}, c.n, c.k};
      packed.refresh();
      const std::vector<float> got = identity(packed.weight), want = expected_values(c, e);
      for (size_t i = 0; i < want.size(); ++i) {
        if (std::isnan(want[i])) {
          ASSERT_TRUE(std::isnan(got[i])) << i;
        } else {
          ASSERT_EQ(got[i], want[i]) << c.name() << " " << i;
          ASSERT_TRUE(std::isfinite(got[i]));
        }
      }
    }
}

/// Control: a changed bit in any component changes the result of identity activations.
TEST(CpuGemmVariants, IdentitySeesADamagedByte) {
  for (const VariantCase& c : variant_cases()) {
    if (c.n != 64 || c.k != 64) continue;
    SCOPED_TRACE(c.name());
    PackedVariant packed = make_variant(c, 77);
    packed.refresh();
    const std::vector<float> good = identity(packed.weight);
    for (std::vector<std::byte>* component : {&packed.codes, &packed.scales, &packed.zero_points})
      for (size_t byte = 0; byte < component->size(); byte += 7) {
        // 128x4 tiles of 64 rows and two groups are padding for the rest.
        if (c.layout == kNative && component == &packed.scales && (byte % 16 >= 8 || byte % 4 >= 2))
          continue;
        // Of zero points of 4 bits the upper half of a stored byte is none.
        const bool nibble = c.layout == kMma64 && component == &packed.zero_points;
        const std::byte bit{static_cast<uint8_t>(1u << (byte % (nibble ? 4 : 7)))};
        (*component)[byte] ^= bit;
        EXPECT_GT(count_differing(identity(packed.weight), good), 0u) << "byte " << byte;
        (*component)[byte] ^= bit;
      }
  }
}

/// Four activations of a row are +-1. Integers below 2^9 times a bf16 scale in [2^-7, 2^9) are
/// multiples of 2^-14 below 2^18: sums of four do not fit f32, so scales here are powers of two in
/// [2^-3, 2^3], and sums multiples of 2^-3 below 2^14.
TEST(CpuGemmVariants, SparseActivationsAreExact) {
  constexpr uint64_t kM = 16;
  for (const uint16_t scheme : {kInt4, kInt8}) {
    const VariantCase c{kMma64, scheme, 70, 100, 32, 0, Dtype::kBF16, true};
    Elements e = random_elements(c, 4);
    Random random(5);
    for (uint32_t& scale : e.scales.at) scale = (124 + random() % 7) << 7;
    PackedVariant packed;
    pack_mma64(c, e, packed);
    packed.weight = make_variant(c, 4).weight;
    packed.refresh();
    const std::vector<float> w = expected_values(c, e);
    std::vector<float> x(kM * c.k, 0.0f);
    for (uint64_t i = 0; i < kM; ++i)
      for (int j = 0; j < 4; ++j) x[i * c.k + random() % c.k] = random() % 2 == 0 ? 1.0f : -1.0f;
    for (uint64_t n0 = 0; n0 < c.n; n0 += kTileRows) {
      const uint64_t rows = std::min(kTileRows, c.n - n0);
      std::vector<float> acc(kM * rows);
      ASSERT_TRUE(cpu_gemm_accumulate(packed.weight, n0, rows, x.data(), kM, acc.data()).ok());
      for (uint64_t i = 0; i < kM; ++i)
        for (uint64_t r = 0; r < rows; ++r) {
          double sum = 0;
          for (uint64_t k = 0; k < c.k; ++k) sum += double{x[i * c.k + k]} * w[(n0 + r) * c.k + k];
          ASSERT_EQ(acc[i * rows + r], sum) << scheme << ", " << i << ", " << n0 + r;
        }
    }
  }
}

/// As CpuGemm.AccumulatesInFragmentOrder: the order of three places tells the order of the lanes.
TEST(CpuGemmVariants, AccumulatesInFragmentOrder) {
  const struct {
    uint16_t layout, scheme;
    uint64_t plus, minus, one;
    float sum;
  } cases[] = {
      // Lane c has k 16c .. 16c+15; step 0 takes its first four.
      {kMma64, kInt4, 0, 16, 4, 1.0f},
      {kMma64, kInt4, 0, 4, 16, 0.0f},
      {kMma64, kInt8, 0, 16, 4, 1.0f},
      {kMma64, kInt8, 0, 4, 16, 0.0f},
      {kMma64, kMxfp4, 0, 16, 4, 1.0f},
      {kMma64, kMxfp4, 0, 4, 16, 0.0f},
      // Lane 0: k 0..7 and 32..39; lane 1 begins at 8.
      {kNative, kMxfp4, 0, 32, 8, 1.0f},
      {kNative, kMxfp4, 0, 8, 32, 0.0f},
      // Step 0, lane 0: k 0..3 and 16..19; lane 1 begins at 4.
      {kNative, kMxfp8, 0, 16, 4, 1.0f},
      {kNative, kMxfp8, 0, 4, 16, 0.0f},
      // Step 1 begins at k 32.
      {kNative, kMxfp8, 0, 28, 32, 1.0f},
      {kNative, kMxfp8, 0, 32, 28, 0.0f},
  };
  for (const auto& c : cases) {
    const VariantCase of{c.layout, c.scheme, 64, 64};
    Elements e = random_elements(of, 1);
    const uint32_t one = c.scheme == kInt4    ? 9
                         : c.scheme == kInt8  ? 129
                         : c.scheme == kMxfp4 ? 2
                                              : 0x38;
    std::fill(e.codes.at.begin(), e.codes.at.end(), one);
    std::fill(e.scales.at.begin(), e.scales.at.end(), 127u);
    PackedVariant packed;
    if (c.layout == kMma64) pack_mma64(of, e, packed);
    if (c.layout == kNative) pack_native(of, e, packed);
    packed.weight = {c.layout, c.scheme, Dtype::kU8, {}, {}, 64, 64};
    packed.refresh();
    std::vector<float> x(64, 0.0f), acc(64);
    x[c.plus] = 0x1p24f;
    x[c.minus] = -0x1p24f;
    x[c.one] = 1.0f;
    ASSERT_TRUE(cpu_gemm_accumulate(packed.weight, 0, 64, x.data(), 1, acc.data()).ok());
    for (const float sum : acc)
      ASSERT_EQ(sum, c.sum) << of.name() << ", k " << c.minus << ", " << c.one;
  }
}

struct Refusal {
  VariantCase of;
  void (*change)(PackedVariant&);
  ErrorKind kind;
  const char* message;
};

const Refusal kRefusals[] = {
    {{kMma64, kMxfp4, 70, 96},
     [](PackedVariant& p) { p.codes.pop_back(); },
     ErrorKind::kBadShape,
     "codes has 8703 bytes, the shape asks for 8704"},
    {{kMma64, kInt4, 70, 96, 32, 0, Dtype::kBF16},
     [](PackedVariant& p) { p.scales.pop_back(); },
     ErrorKind::kBadShape,
     "block_scale has 767 bytes, the shape asks for 768"},
    {{kMma64, kInt4, 70, 96, 32, 0, Dtype::kBF16, true},
     [](PackedVariant& p) { p.zero_points.pop_back(); },
     ErrorKind::kBadShape,
     "zero_point has 383 bytes, the shape asks for 384"},
    {{kMma64, kInt4, 70, 96, 32, 0, Dtype::kBF16},
     [](PackedVariant& p) { p.weight.group_size = 48; },
     ErrorKind::kBadShape,
     "block scales span 0 rows and 48 columns, expected one row and a multiple of 32 columns or "
     "all "
     "of them"},
    {{kMma64, kFp8, 70, 96, 128, 128, Dtype::kF32},
     [](PackedVariant& p) { p.weight.group_rows = 32; },
     ErrorKind::kBadShape,
     "block scales span 32 rows and 128 columns, expected multiples of 64"},
    {{kMma64, kInt8, 70, 96, 128, 128, Dtype::kF32},
     [](PackedVariant& p) { p.zero_points = p.codes; },
     ErrorKind::kBadShape,
     "block scales span 128 rows and 128 columns, but zero points need scales of one row"},
    {{kMma64, kInt8, 70, 96, 32, 0, Dtype::kBF16},
     [](PackedVariant& p) { p.weight.scale_dtype = Dtype::kI32; },
     ErrorKind::kBadRecord,
     "block_scale has dtype I32, expected F32, F16, BF16, F8_E4M3, F8_E8M0 or U8"},
    {{kNative, kMxfp8, 70, 96},
     [](PackedVariant& p) { p.scales.pop_back(); },
     ErrorKind::kBadShape,
     "block_scale has 511 bytes, the shape asks for 512"},
    {{kPlain, kInt4, 70, 97, 32, 0, Dtype::kF16, true, kWordsEncoding},
     [](PackedVariant& p) { p.codes.pop_back(); },
     ErrorKind::kBadShape,
     "codes has 3639 bytes, the shape asks for 3640"},
    {{kPlain, kInt4, 70, 97, 32, 0, Dtype::kF16, true, kWordsEncoding},
     [](PackedVariant& p) { p.zero_points.pop_back(); },
     ErrorKind::kBadShape,
     "zero_point has 143 bytes, the shape asks for 144"},
    {{kPlain, kFp8, 70, 97, 128, 128, Dtype::kF32},
     [](PackedVariant& p) { p.weight.n = 1ull << 63; },
     ErrorKind::kBadShape,
     "shape [9223372036854775808, 97] has more bytes than 64 bits can count"},
};

TEST(CpuGemmVariants, RefusesFactsThatContradictTheBytes) {
  for (const Refusal& refusal : kRefusals) {
    SCOPED_TRACE(refusal.message);
    PackedVariant packed = make_variant(refusal.of, 9);
    packed.refresh();
    std::vector<float> out(64 * refusal.of.k);
    ASSERT_TRUE(cpu_gemm_identity(packed.weight, 0, 64, out.data()).ok());
    refusal.change(packed);
    packed.refresh();
    const Status status = cpu_gemm_identity(packed.weight, 0, 64, out.data());
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, refusal.kind);
    EXPECT_EQ(status.error().message, refusal.message);
  }
}

}  // namespace
}  // namespace imp::kernels
