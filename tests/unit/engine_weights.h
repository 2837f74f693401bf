// Weights in other engines' layouts, made by the reference generators, with the values that
// identity activations must give, worked out from the elements in double.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "tests/reference/engine_layouts.h"
#include "tests/reference/scheme_values.h"
#include "tests/unit/layout_planes.h"

namespace imp::test {

inline constexpr uint16_t kMarlin = 4, kMarlinA0 = 5, kMaxSm8x = 6, kMachete4 = 7, kMachete8 = 8;
inline constexpr uint16_t kSchemeNvfp4 = 16, kSchemeMxfp4 = 18, kSchemeFp8 = 20, kSchemeInt4 = 36,
                          kSchemeInt8 = 40;

/// What to make. group_size: 0 or at least k is one scale a row.
struct EngineCase {
  uint16_t layout;
  uint16_t scheme;
  uint64_t n;
  uint64_t k;
  uint64_t group_size;
  bool f16 = false;    ///< scales and mins; else bf16
  bool zeros = false;  ///< zero points, of machete mins

  uint32_t bits() const { return scheme == kSchemeFp8 || scheme == kSchemeInt8 ? 8 : 4; }
  bool machete() const { return layout == kMachete4 || layout == kMachete8; }
  bool integer() const { return scheme == kSchemeInt4 || scheme == kSchemeInt8; }
  bool row_scales() const { return group_size == 0 || group_size >= k; }
  uint64_t padded_n() const { return up(n, machete() ? 128 : 64); }
  uint64_t padded_k() const {
    return up(k, row_scales() ? 128 : std::max<uint64_t>(group_size, 128));
  }
  uint64_t groups() const { return row_scales() ? 1 : up(k, group_size) / group_size; }
  uint64_t padded_groups() const { return row_scales() ? 1 : padded_k() / group_size; }
  uint64_t group_of(uint64_t column) const { return row_scales() ? 0 : column / group_size; }
  std::string name() const {
    return "layout " + std::to_string(layout) + ", scheme " + std::to_string(scheme) + ", " +
           std::to_string(n) + " x " + std::to_string(k) + ", groups of " +
           std::to_string(group_size) + (f16 ? ", f16" : "") + (zeros ? ", zeros" : "");
  }
  static uint64_t up(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }
};

/// Elements as the layout stores them, one a place: codes [n, k], the rest [n, groups].
struct EngineElements {
  reference::WordMatrix codes;
  reference::WordMatrix scales;  ///< bytes or 16 bits, as stored; of NVFP4 the source's e4m3
  reference::WordMatrix zeros;   ///< zero points, or 16 bits of mins
};

struct EngineWeight {
  std::vector<std::byte> codes, scales, zeros;
  kernels::PackedWeight weight;
  std::vector<float> values;  ///< accumulators of identity activations
  void refresh(bool mins) {
    weight.codes = codes;
    weight.block_scale = scales;
    (mins ? weight.group_min : weight.zero_point) = zeros;
  }
};

inline EngineElements random_engine_elements(const EngineCase& c, uint32_t seed) {
  Random random(seed);
  EngineElements e{{c.n, c.k, {}}, {c.n, c.groups(), {}}, {c.n, c.groups(), {}}};
  for (size_t i = 0; i < c.n * c.k; ++i) {
    uint32_t code = random() >> (32 - c.bits());
    if (c.scheme == kSchemeFp8 && (code & 0x7F) == 0x7F) code ^= 1;
    e.codes.at.push_back(code);
  }
  for (size_t i = 0; i < c.n * c.groups(); ++i) {
    const uint32_t r = random();
    if (c.scheme == kSchemeNvfp4)
      e.scales.at.push_back(r % 0x7F);
    else if (c.scheme == kSchemeMxfp4)
      e.scales.at.push_back(r % 250);
    else if (c.scheme == kSchemeFp8)
      e.scales.at.push_back((0x3C00 + r % 0x0700) + (120u << 7));  // a scale below 4, times 2^120
    else
      e.scales.at.push_back(c.f16 ? 1 + r % 0x5BFF : 0x3C00 + r % 0x0800);
    if (c.machete())
      e.zeros.at.push_back(c.f16 ? 0x8001 + r / 7 % 0x6FFF : 0xBC00 + r / 7 % 0x0800);
    else
      e.zeros.at.push_back(r / 7 >> 8 & ((1u << c.bits()) - 1));
  }
  return e;
}

/// Which power of two NVFP4 scales are multiplied by, and the global scale of max_sm8x.
struct EngineGlobals {
  double factor = 1;
  float global = 1;
};

inline double engine_half(const EngineCase& c, uint32_t bits) {
  return c.f16 ? reference::f16_value(bits) : reference::bf16_value(bits);
}

/// What a kernel of the engine takes the scale of an NVFP4 group for.
inline double engine_nvfp4_scale(const EngineCase& c, uint32_t e4m3, const EngineGlobals& g) {
  const double scale = reference::e4m3_value(e4m3);
  if (c.layout == kMaxSm8x)
    return reference::bf16_value(reference::max_scale_bits(static_cast<uint8_t>(e4m3), g.global));
  if (c.layout == kMarlin) return scale * g.factor * 128 < 2 ? 0 : scale * g.factor;
  // Byte (b & 0x7F) << 4 read as bf16: three bits of mantissa below an exponent.
  const uint32_t b = reference::marlin_a0_scale_byte(static_cast<uint8_t>(e4m3));
  if (b >= 0x80 || b == 0) return scale;
  return std::ldexp(1 + (b & 7) / 8.0, static_cast<int>(b >> 3) - 127 - 7);
}

inline double engine_value(const EngineCase& c, const EngineElements& e, const EngineGlobals& g,
                           uint64_t n, uint64_t k) {
  const uint32_t code = e.codes(n, k), stored = e.scales(n, c.group_of(k));
  if (c.scheme == kSchemeNvfp4)
    return reference::e2m1_value(code) * engine_nvfp4_scale(c, stored, g);
  if (c.scheme == kSchemeMxfp4)
    return stored == 0 ? 0 : reference::e2m1_value(code) * reference::e8m0_value(stored);
  if (c.scheme == kSchemeFp8)
    return reference::e4m3_value(code) * std::ldexp(reference::bf16_value(stored), -120);
  const double scale = engine_half(c, stored);
  const double zero = c.zeros && !c.machete() ? e.zeros(n, c.group_of(k))
                      : c.zeros               ? 0
                                              : (c.bits() == 4 ? 8 : 128);
  const double min = c.zeros && c.machete() ? engine_half(c, e.zeros(n, c.group_of(k))) : 0;
  return (code - zero) * scale + min;
}

inline reference::Buffer engine_codes(const EngineCase& c, const reference::WordMatrix& codes) {
  switch (c.layout) {
    case kMaxSm8x:
      return reference::max_sm8x_codes(codes);
    case kMachete4:
      return reference::machete4(codes);
    case kMachete8:
      return reference::machete8(codes);
    default:
      return c.bits() == 4 ? reference::marlin_w4a16(codes) : reference::marlin_w8a16(codes);
  }
}

/// Scales as stored, from those of the elements.
inline reference::WordMatrix engine_stored_scales(const EngineCase& c, const EngineElements& e,
                                                  const EngineGlobals& g) {
  reference::WordMatrix stored = e.scales;
  if (c.scheme != kSchemeNvfp4) return stored;
  for (uint32_t& scale : stored.at) {
    const auto byte = static_cast<uint8_t>(scale);
    scale = c.layout == kMaxSm8x    ? reference::max_scale_bits(byte, g.global)
            : c.layout == kMarlinA0 ? reference::marlin_a0_scale_byte(byte)
                                    : reference::marlin_scale_byte(byte, g.factor);
  }
  return stored;
}

inline EngineWeight make_engine_weight(const EngineCase& c, const EngineElements& e,
                                       const EngineGlobals& g) {
  using reference::Channels;
  EngineWeight made;
  const auto plane = [&](const reference::WordMatrix& m) {
    return reference::padded(m, c.padded_n(), c.padded_groups());
  };
  const bool bytes = c.layout != kMaxSm8x && (c.scheme == kSchemeNvfp4 || c.scheme == kSchemeMxfp4);
  const Channels order = c.machete()      ? Channels::kNatural
                         : bytes          ? Channels::kBytes
                         : c.row_scales() ? Channels::kSingle
                                          : Channels::kGroup;
  made.codes = to_bytes(engine_codes(c, reference::padded(e.codes, c.padded_n(), c.padded_k())));
  made.scales =
      to_bytes(reference::group_plane(order, bytes ? 8 : 16, plane(engine_stored_scales(c, e, g))));
  if (c.layout == kMaxSm8x) {
    made.codes.insert(made.codes.end(), made.scales.begin(), made.scales.end());
    made.scales.clear();
  }
  if (c.zeros)
    made.zeros = to_bytes(
        c.machete() ? reference::group_plane(Channels::kNatural, 16, plane(e.zeros))
                    : reference::group_plane(c.bits() == 4 ? Channels::kZero4 : Channels::kZero8,
                                             c.bits(), plane(e.zeros)));
  made.weight.layout = c.layout;
  made.weight.scheme = c.scheme;
  made.weight.encoding = c.f16 ? 1 : 0;
  made.weight.scale_dtype = bytes ? Dtype::kU8 : c.f16 ? Dtype::kF16 : Dtype::kBF16;
  made.weight.n = c.n;
  made.weight.k = c.k;
  made.weight.padded_n = c.padded_n();
  made.weight.padded_k = c.padded_k();
  made.weight.group_size = c.group_size;
  for (uint64_t n = 0; n < c.n; ++n)
    for (uint64_t k = 0; k < c.k; ++k)
      made.values.push_back(static_cast<float>(engine_value(c, e, g, n, k)));
  return made;
}

/// Every layout with every scheme, kind of group, type of scales and of zero points; with padding
/// where the layout has it.
inline std::vector<EngineCase> engine_cases() {
  std::vector<EngineCase> cases = {
      {kMarlin, kSchemeNvfp4, 70, 80, 16},   {kMarlin, kSchemeMxfp4, 70, 96, 32},
      {kMarlin, kSchemeFp8, 70, 100, 0},     {kMarlin, kSchemeFp8, 136, 300, 128},
      {kMarlinA0, kSchemeNvfp4, 70, 80, 16}, {kMaxSm8x, kSchemeNvfp4, 128, 256, 16},
  };
  for (const uint16_t scheme : {kSchemeInt4, kSchemeInt8})
    for (const bool f16 : {false, true})
      for (const bool zeros : {false, true}) {
        for (const uint64_t group : {32, 64, 128, 1000})
          cases.push_back({kMarlin, scheme, 70, 290, group, f16, zeros});
        const uint16_t machete = scheme == kSchemeInt4 ? kMachete4 : kMachete8;
        for (const uint64_t group : {64, 128, 1000})
          cases.push_back({machete, scheme, 256, 256, group, f16, zeros});
      }
  return cases;
}

}  // namespace imp::test
