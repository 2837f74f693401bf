// The CPU GEMM on codes taken out of GGUF's blocks: identity activations give the values of the
// elements with ==, each plane matters, and facts that contradict each other are named.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "tests/reference/scheme_values.h"
#include "tests/unit/cpu_identity.h"
#include "tests/unit/layout_variants.h"

namespace imp::kernels {
namespace {

using namespace test;
using reference::WordMatrix;

constexpr uint16_t kPlain = 1, kMma64 = 2;
constexpr uint64_t kSuper = 256;

/// Scheme numbers and what they mean (SPEC.md, registry "schemes").
struct SchemeFacts {
  uint16_t scheme;
  uint32_t bits;
  bool min, super, lut;
};
constexpr SchemeFacts kFacts[] = {{48, 4, true, false, false}, {49, 8, true, false, false},
                                  {50, 4, false, false, true}, {52, 4, false, true, false},
                                  {53, 8, false, true, false}, {54, 4, true, true, false},
                                  {55, 8, true, true, false},  {56, 4, false, true, true}};

struct Case {
  SchemeFacts facts;
  uint16_t layout;
  uint64_t n, k, group_size;
  std::string name() const {
    return "layout " + std::to_string(layout) + ", scheme " + std::to_string(facts.scheme) + ", " +
           std::to_string(n) + " x " + std::to_string(k) + " in groups of " +
           std::to_string(group_size);
  }
};

/// Also K that ends inside a block of 64 and, of one level, is no multiple of 256.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const SchemeFacts& facts : kFacts)
    for (const uint16_t layout : {kPlain, kMma64})
      for (const uint64_t group : {uint64_t{16}, uint64_t{32}})
        for (const uint64_t n : {uint64_t{1}, uint64_t{64}, uint64_t{77}})
          for (const uint64_t k : {uint64_t{96}, uint64_t{256}, uint64_t{768}})
            if (!facts.super || k % kSuper == 0) all.push_back({facts, layout, n, k, group});
  return all;
}

struct Weight {
  WordMatrix codes, scales, mins, supers, super_mins;
};

WordMatrix matrix(uint64_t rows, uint64_t columns, auto draw) {
  WordMatrix m{rows, columns, {}};
  for (uint64_t i = 0; i < rows * columns; ++i) m.at.push_back(draw());
  return m;
}

/// Scales and mins of either sign, subnormal ones too. Bits of codes and integers as blocks have
/// them: Q5_1 and Q5_K 5 bits of 8, Q6_K 6.
Weight random_weight(const Case& c, uint32_t seed) {
  Random random(seed);
  const SchemeFacts& f = c.facts;
  const auto half = [&] { return (random() % 0x7C00) | (random() % 2) << 15; };
  const auto code = [&]() -> uint32_t {
    if (f.bits == 4) return random() % 16;
    return f.min ? random() % 32 : 96 + random() % 64;
  };
  const auto scale = [&]() -> uint32_t {
    if (!f.super) return half();
    return f.min ? random() % 64 : random() % 256;
  };
  const uint64_t groups = c.k / c.group_size, supers = f.super ? c.k / kSuper : 0;
  return {matrix(c.n, c.k, code), matrix(c.n, groups, scale),
          matrix(c.n, f.min ? groups : 0, scale), matrix(c.n, supers, half),
          matrix(c.n, f.min ? supers : 0, half)};
}

double number_of(const SchemeFacts& f, uint32_t code) {
  if (f.lut) return reference::lut4_value(code);
  return f.min ? code : static_cast<double>(code) - (f.bits == 4 ? 8 : 128);
}

double integer_of(const SchemeFacts& f, uint32_t byte) {
  return f.min || byte < 128 ? byte : static_cast<double>(byte) - 256;
}

std::vector<float> expected(const Case& c, const Weight& w) {
  const SchemeFacts& f = c.facts;
  std::vector<float> values;
  for (uint64_t n = 0; n < c.n; ++n)
    for (uint64_t k = 0; k < c.k; ++k) {
      const uint64_t g = k / c.group_size, s = k / kSuper;
      double scale = 0, min = 0;
      if (f.super) {
        scale = integer_of(f, w.scales(n, g)) * reference::f16_value(w.supers(n, s));
        if (f.min) min = -(integer_of(f, w.mins(n, g)) * reference::f16_value(w.super_mins(n, s)));
      } else {
        scale = reference::f16_value(w.scales(n, g));
        if (f.min) min = reference::f16_value(w.mins(n, g));
      }
      values.push_back(static_cast<float>(number_of(f, w.codes(n, k)) * scale + min));
    }
  return values;
}

/// Component bytes of a weight in a layout, and the weight that refers to them.
struct Packed {
  std::vector<std::byte> codes, scales, mins, supers, super_mins, lut;
  PackedWeight weight;

  Packed(const Case& c, const Weight& w) {
    const SchemeFacts& f = c.facts;
    const auto put = [&](const PlaneLayout& lanes, uint32_t bits, const WordMatrix& m) {
      if (m.columns == 0) return std::vector<std::byte>();
      return c.layout == kPlain ? canonical(bits, m) : pack(lanes, m, repack::Path::kWord);
    };
    codes = put(mma64_codes(f.bits), f.bits, w.codes);
    scales = put(mma64_plane(f.super ? 8 : 16), f.super ? 8 : 16, w.scales);
    mins = put(mma64_plane(f.super ? 8 : 16), f.super ? 8 : 16, w.mins);
    supers = put(mma64_plane(16), 16, w.supers);
    super_mins = put(mma64_plane(16), 16, w.super_mins);
    for (uint32_t code = 0; f.lut && code < 16; ++code)
      lut.push_back(static_cast<std::byte>(static_cast<int>(reference::lut4_value(code))));
    weight.layout = c.layout;
    weight.scheme = f.scheme;
    weight.n = c.n;
    weight.k = c.k;
    weight.group_size = c.group_size;
    refresh();
  }
  void refresh() {
    weight.codes = codes;
    weight.block_scale = scales;
    weight.group_min = mins;
    weight.super_scale = supers;
    weight.super_min = super_mins;
    weight.lut = lut;
  }
};

TEST(CpuGemmGgml, IdentityGivesTheValues) {
  uint32_t seed = 0;
  for (const Case& c : cases()) {
    ASSERT_TRUE(cpu_gemm_supports(c.layout, c.facts.scheme)) << c.name();
    const Weight w = random_weight(c, ++seed);
    const Packed packed(c, w);
    const std::vector<float> got = identity(packed.weight), want = expected(c, w);
    size_t differing = 0;
    for (size_t i = 0; i < want.size(); ++i) differing += got[i] == want[i] ? 0 : 1;
    EXPECT_EQ(differing, 0u) << c.name();
    EXPECT_EQ(accumulator_unit(c.layout, c.facts.scheme), 1.0f);
  }
}

TEST(CpuGemmGgml, EachPlaneMatters) {
  for (const Case& c : cases()) {
    if (c.n != 77 || c.k != 256) continue;
    Packed packed(c, random_weight(c, 7));
    const std::vector<float> before = identity(packed.weight);
    for (std::vector<std::byte>* plane : {&packed.codes, &packed.scales, &packed.mins,
                                          &packed.supers, &packed.super_mins, &packed.lut}) {
      // Elements in the middle: not the padding of the last row tile.
      for (size_t i = plane->size() / 4; i < plane->size() / 4 + 8 && i < plane->size(); ++i)
        (*plane)[i] ^= std::byte{0x05};
      if (!plane->empty()) {
        EXPECT_NE(identity(packed.weight), before) << c.name();
      }
      for (size_t i = plane->size() / 4; i < plane->size() / 4 + 8 && i < plane->size(); ++i)
        (*plane)[i] ^= std::byte{0x05};
    }
    EXPECT_EQ(identity(packed.weight), before) << c.name();
  }
}

TEST(CpuGemmGgml, ShortPlanesAndGroupsAreRefused) {
  for (const Case& c : cases()) {
    if (c.n != 64 || c.k != 256 || c.group_size != 32) continue;
    const Weight w = random_weight(c, 3);
    std::vector<float> out(c.n * c.k);
    const auto refused = [&](const PackedWeight& weight, const char* what) {
      const Status status = cpu_gemm_identity(weight, 0, c.n, out.data());
      ASSERT_FALSE(status.ok()) << c.name() << ": " << what;
      EXPECT_EQ(status.error().kind, ErrorKind::kBadShape);
      EXPECT_NE(status.error().message.find(what), std::string::npos) << status.error().message;
    };
    const Packed whole(c, w);
    ASSERT_TRUE(cpu_gemm_identity(whole.weight, 0, c.n, out.data()).ok());
    const auto shorter = [](Bytes plane) { return plane.first(plane.size() - 1); };
    PackedWeight weight = whole.weight;
    weight.codes = shorter(weight.codes);
    refused(weight, "codes has");
    weight = whole.weight;
    weight.block_scale = shorter(weight.block_scale);
    refused(weight, "block_scale has");
    if (c.facts.min) {
      weight = whole.weight;
      weight.group_min = shorter(weight.group_min);
      refused(weight, "group_min has");
    }
    if (c.facts.super) {
      weight = whole.weight;
      weight.super_scale = shorter(weight.super_scale);
      refused(weight, "super_scale has");
    }
    if (c.facts.super && c.facts.min) {
      weight = whole.weight;
      weight.super_min = shorter(weight.super_min);
      refused(weight, "super_min has");
    }
    if (c.facts.lut) {
      weight = whole.weight;
      weight.lut = shorter(weight.lut);
      refused(weight, "lut has");
    }
    weight = whole.weight;
    weight.group_size = 24;
    refused(weight, "24 columns");
    weight = whole.weight;
    weight.group_rows = 2;
    refused(weight, "2 rows");
  }
}

}  // namespace
}  // namespace imp::kernels
