// Weights of GGUF's codes in mma64 and plain, with the values that identity activations must give,
// worked out from the elements in double.
#pragma once

#include <string>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "tests/reference/scheme_values.h"
#include "tests/unit/layout_variants.h"

namespace imp::test::ggml {

using reference::WordMatrix;

inline constexpr uint16_t kPlain = 1, kMma64 = 2;
inline constexpr uint64_t kSuper = 256;

/// Scheme numbers and what they mean (SPEC.md, registry "schemes").
struct SchemeFacts {
  uint16_t scheme;
  uint32_t bits;
  bool min, super, lut;
};
inline constexpr SchemeFacts kFacts[] = {{48, 4, true, false, false}, {49, 8, true, false, false},
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
inline std::vector<Case> cases() {
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

inline WordMatrix matrix(uint64_t rows, uint64_t columns, auto draw) {
  WordMatrix m{rows, columns, {}};
  for (uint64_t i = 0; i < rows * columns; ++i) m.at.push_back(draw());
  return m;
}

/// Scales and mins of either sign, subnormal ones too. Bits of codes and integers as blocks have
/// them: Q5_1 and Q5_K 5 bits of 8, Q6_K 6.
inline Weight random_weight(const Case& c, uint32_t seed) {
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

inline double number_of(const SchemeFacts& f, uint32_t code) {
  if (f.lut) return reference::lut4_value(code);
  return f.min ? code : static_cast<double>(code) - (f.bits == 4 ? 8 : 128);
}

inline double integer_of(const SchemeFacts& f, uint32_t byte) {
  return f.min || byte < 128 ? byte : static_cast<double>(byte) - 256;
}

inline std::vector<float> expected(const Case& c, const Weight& w) {
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
  kernels::PackedWeight weight;

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

}  // namespace imp::test::ggml
