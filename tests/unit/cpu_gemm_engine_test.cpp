// The CPU GEMM on other engines' layouts: weights made by the reference generators, which share
// nothing with readers and packers, give by identity activations what the formats say, with ==.
#include <gtest/gtest.h>

#include "tests/unit/cpu_identity.h"
#include "tests/unit/engine_weights.h"

namespace imp::kernels {
namespace {

using namespace test;

constexpr EngineGlobals kGlobals{1, 0.0123f};

void expect_values(const EngineCase& c, const EngineElements& e, const EngineGlobals& g) {
  SCOPED_TRACE(c.name());
  EngineWeight made = make_engine_weight(c, e, g);
  made.refresh(c.machete());
  const std::vector<float> got = identity(made.weight);
  for (size_t i = 0; i < made.values.size(); ++i)
    ASSERT_EQ(got[i], made.values[i]) << "row " << i / c.k << ", column " << i % c.k;
}

TEST(CpuGemmEngine, IdentityGivesTheValues) {
  uint32_t seed = 1;
  for (const EngineCase& c : engine_cases())
    expect_values(c, random_engine_elements(c, seed++), kGlobals);
}

/// Row n has scale byte n and each code under it.
TEST(CpuGemmEngine, IdentityOfEveryFp4CodeAndScaleByte) {
  for (const uint16_t layout : {kMarlin, kMarlinA0, kMaxSm8x})
    for (const double factor : {1.0, 2.0, 131072.0}) {
      const EngineCase c{layout, kSchemeNvfp4, 128, 128, 16};
      EngineElements e = random_engine_elements(c, 1);
      for (size_t n = 0; n < c.n; ++n) {
        for (size_t k = 0; k < c.k; ++k) e.codes.at[n * c.k + k] = static_cast<uint32_t>(k % 16);
        for (size_t g = 0; g < 8; ++g)
          // A factor goes with scales that it does not carry past 448.
          e.scales.at[n * 8 + g] = static_cast<uint32_t>(factor == 1   ? n % 127
                                                         : factor == 2 ? n % 119
                                                                       : n % 2);
      }
      expect_values(c, e, {factor, static_cast<float>(0.37 * factor)});
    }
  const EngineCase c{kMarlin, kSchemeMxfp4, 255, 128, 32};
  EngineElements e = random_engine_elements(c, 2);
  for (size_t n = 0; n < c.n; ++n) {
    for (size_t k = 0; k < c.k; ++k) e.codes.at[n * c.k + k] = static_cast<uint32_t>(k % 16);
    for (size_t g = 0; g < 4; ++g) e.scales.at[n * 4 + g] = static_cast<uint32_t>(n % 253);
  }
  expect_values(c, e, {});
}

/// Each code of 8 bits once a row, and each zero point.
TEST(CpuGemmEngine, IdentityOfEveryByteCode) {
  for (const uint16_t layout : {kMarlin, kMachete8})
    for (const uint16_t scheme : {kSchemeInt8, kSchemeFp8}) {
      if (layout == kMachete8 && scheme == kSchemeFp8) continue;
      const EngineCase c{layout, scheme, 256, 256, 0, false, scheme == kSchemeInt8};
      EngineElements e = random_engine_elements(c, 3);
      for (size_t n = 0; n < c.n; ++n) {
        for (size_t k = 0; k < c.k; ++k) {
          const bool nan = scheme == kSchemeFp8 && (k & 0x7F) == 0x7F;
          e.codes.at[n * c.k + k] = static_cast<uint32_t>(nan ? k - 1 : k);
        }
        if (layout == kMarlin) e.zeros.at[n] = static_cast<uint32_t>(n);
      }
      expect_values(c, e, {});
    }
}

TEST(CpuGemmEngine, Units) {
  for (const EngineCase& c : engine_cases()) {
    const bool rescaled =
        c.layout == kMarlinA0 || (c.layout == kMarlin && c.scheme == kSchemeNvfp4);
    EXPECT_EQ(accumulator_unit(c.layout, c.scheme), rescaled ? 0x1p-119f : 1.0f) << c.name();
  }
}

TEST(CpuGemmEngine, SupportsDialectsOfIntegersOnly) {
  for (const EngineCase& c : engine_cases()) {
    EXPECT_TRUE(cpu_gemm_supports(c.layout, c.scheme, 0)) << c.name();
    EXPECT_EQ(cpu_gemm_supports(c.layout, c.scheme, 1), c.integer()) << c.name();
    EXPECT_FALSE(cpu_gemm_supports(c.layout, c.scheme, 2)) << c.name();
  }
  EXPECT_FALSE(cpu_gemm_supports(kMachete4, kSchemeInt8));
  EXPECT_FALSE(cpu_gemm_supports(kMaxSm8x, kSchemeMxfp4));
  EXPECT_FALSE(cpu_gemm_supports(kMarlinA0, kSchemeInt4));
}

/// Control: a changed bit in a place that is no padding changes the values.
TEST(CpuGemmEngine, IdentitySeesADamagedByte) {
  for (EngineCase c : engine_cases()) {
    c.n = 128;
    c.k = 256;
    SCOPED_TRACE(c.name());
    EngineElements e = random_engine_elements(c, 7);
    // Scales of one size, so that no min hides a code.
    for (uint32_t& scale : e.scales.at)
      if (c.scheme == kSchemeNvfp4)
        scale |= 0x40;
      else if (c.integer())
        scale = (c.f16 ? 0x3C00 : 0x3F80) + scale % 128;
    if (c.machete())
      for (uint32_t& min : e.zeros.at) min = (c.f16 ? 0xC800 : 0xC200) + min % 128;
    EngineWeight made = make_engine_weight(c, e, {1, 1});
    made.refresh(c.machete());
    const std::vector<float> good = identity(made.weight);
    for (std::vector<std::byte>* component : {&made.codes, &made.scales, &made.zeros})
      for (size_t at = 0; at < component->size(); at += component->size() / 64 + 1) {
        (*component)[at] ^= std::byte{4};
        EXPECT_NE(identity(made.weight), good) << "byte " << at;
        (*component)[at] ^= std::byte{4};
      }
  }
}

/// Two columns far apart in K meet in the order of steps, lanes and slots: 2^24 - 2^24 + 1 is 1 in
/// that order alone.
TEST(CpuGemmEngine, AccumulatesInFragmentOrder) {
  for (const EngineCase& c : {EngineCase{kMarlin, kSchemeInt4, 64, 128, 0},
                              EngineCase{kMachete4, kSchemeInt4, 128, 128, 0}}) {
    EngineElements e = random_engine_elements(c, 1);
    std::fill(e.codes.at.begin(), e.codes.at.end(), 9u);
    std::fill(e.scales.at.begin(), e.scales.at.end(), 0x3F80u);
    EngineWeight made = make_engine_weight(c, e, {});
    made.refresh(c.machete());
    // Lane 0 has k 0, 1, 8, 9, lane 1 begins at 2; step 1 begins at 16.
    const struct {
      uint64_t minus, one;
      float sum;
    } orders[] = {{8, 2, 1.0f}, {2, 8, 0.0f}, {15, 16, 1.0f}, {16, 15, 0.0f}};
    for (const auto& order : orders) {
      std::vector<float> x(c.k, 0.0f), acc(64);
      x[0] = 0x1p24f;
      x[order.minus] = -0x1p24f;
      x[order.one] = 1.0f;
      ASSERT_TRUE(cpu_gemm_accumulate(made.weight, 0, 64, x.data(), 1, acc.data()).ok());
      for (const float sum : acc) ASSERT_EQ(sum, order.sum) << c.name() << " " << order.minus;
    }
  }
}

struct Refusal {
  EngineCase of;
  void (*change)(EngineWeight&);
  ErrorKind kind;
  const char* message;
};

const Refusal kRefusals[] = {
    {{kMarlin, kSchemeNvfp4, 128, 256, 16},
     [](EngineWeight& w) { w.codes.pop_back(); },
     ErrorKind::kBadShape,
     "codes has 16383 bytes, the shape asks for 16384"},
    {{kMarlin, kSchemeNvfp4, 128, 256, 16},
     [](EngineWeight& w) { w.scales.pop_back(); },
     ErrorKind::kBadShape,
     "block_scale has 2047 bytes, the shape asks for 2048"},
    {{kMaxSm8x, kSchemeNvfp4, 128, 256, 16},
     [](EngineWeight& w) { w.codes.pop_back(); },
     ErrorKind::kBadShape,
     "codes has 20479 bytes, the shape asks for 20480"},
    {{kMarlin, kSchemeInt4, 128, 256, 64, true, true},
     [](EngineWeight& w) { w.zeros.pop_back(); },
     ErrorKind::kBadShape,
     "zero_point has 255 bytes, the shape asks for 256"},
    {{kMachete8, kSchemeInt8, 128, 256, 64, true, true},
     [](EngineWeight& w) { w.zeros.pop_back(); },
     ErrorKind::kBadShape,
     "group_min has 1023 bytes, the shape asks for 1024"},
    {{kMarlin, kSchemeInt4, 128, 256, 64},
     [](EngineWeight& w) { w.weight.group_size = 48; },
     ErrorKind::kBadShape,
     "block scales span 48 columns, expected a multiple of 32 or all of them"},
    {{kMachete4, kSchemeInt4, 128, 256, 64},
     [](EngineWeight& w) { w.weight.scale_dtype = Dtype::kF32; },
     ErrorKind::kBadRecord,
     "block_scale has dtype F32, expected F16 or BF16"},
    {{kMachete4, kSchemeInt4, 128, 256, 64},
     [](EngineWeight& w) { w.weight.padded_n = 192; },
     ErrorKind::kBadShape,
     "[128, 256] is padded to [192, 256], expected multiples of 128 and 64"},
    {{kMarlin, kSchemeFp8, 128, 256, 128},
     [](EngineWeight& w) { w.weight.padded_k = 128; },
     ErrorKind::kBadShape,
     "[128, 256] is padded to [128, 128], expected multiples of 64 and 64"},
    {{kMarlin, kSchemeFp8, 128, 256, 128},
     [](EngineWeight& w) { w.weight.padded_n = 1ull << 60; },
     ErrorKind::kBadShape,
     "shape [128, 256] has more bytes than 64 bits can count"},
};

TEST(CpuGemmEngine, RefusesFactsThatContradictTheBytes) {
  for (const Refusal& refusal : kRefusals) {
    SCOPED_TRACE(refusal.message);
    EngineWeight made =
        make_engine_weight(refusal.of, random_engine_elements(refusal.of, 9), kGlobals);
    made.refresh(refusal.of.machete());
    std::vector<float> out(64 * refusal.of.k);
    ASSERT_TRUE(cpu_gemm_identity(made.weight, 0, 64, out.data()).ok());
    refusal.change(made);
    made.refresh(refusal.of.machete());
    const Status status = cpu_gemm_identity(made.weight, 0, 64, out.data());
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, refusal.kind);
    EXPECT_EQ(status.error().message, refusal.message);
  }
}

}  // namespace
}  // namespace imp::kernels
