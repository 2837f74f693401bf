// Packed weights of every scheme and layout beside the first ones, with the values that identity
// activations must give, worked out from the elements in double.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/layouts/sf128x4.h"
#include "tests/reference/scheme_values.h"
#include "tests/unit/layout_variants.h"

namespace imp::test {

inline constexpr uint16_t kPlain = 1, kMma64 = 2, kNative = 3;
inline constexpr uint16_t kNvfp4G32 = 17, kMxfp4 = 18, kMxfp8 = 19, kFp8 = 20, kInt4 = 36,
                          kInt8 = 40;
inline constexpr uint16_t kRowsEncoding = 0, kSignedEncoding = 1, kWordsEncoding = 2;

/// What to make. group_size of int and fp8: 0 is no block scales, `k` or more one a row.
struct VariantCase {
  uint16_t layout;
  uint16_t scheme;
  uint64_t n;
  uint64_t k;
  uint64_t group_size = 0;
  uint64_t group_rows = 0;
  Dtype scale_dtype = Dtype::kU8;
  bool zero_points = false;
  uint16_t encoding = 0;
  std::string name() const {
    return "layout " + std::to_string(layout) + ", scheme " + std::to_string(scheme) + ", " +
           std::to_string(n) + " x " + std::to_string(k) + ", groups of " +
           std::to_string(group_rows) + " x " + std::to_string(group_size) + ", scales " +
           std::string(dtype_name(scale_dtype)) + ", encoding " + std::to_string(encoding) +
           (zero_points ? ", zero points" : "");
  }
};

struct PackedVariant {
  std::vector<std::byte> codes;
  std::vector<std::byte> scales;
  std::vector<std::byte> zero_points;
  kernels::PackedWeight weight;
  std::vector<float> values;  ///< (code - zero point) * scale, one rounding from double
  void refresh() {
    weight.codes = codes;
    weight.block_scale = scales;
    weight.zero_point = zero_points;
  }
};

inline bool is_integer(uint16_t scheme) { return scheme == kInt4 || scheme == kInt8; }
inline uint32_t code_bits(uint16_t scheme) {
  return scheme == kInt8 || scheme == kFp8 || scheme == kMxfp8 ? 8 : 4;
}
/// Groups of the schemes that fix them.
inline uint64_t fixed_group(uint16_t scheme) {
  return scheme == kNvfp4G32 || scheme == kMxfp4 || scheme == kMxfp8 ? 32 : 0;
}
inline uint32_t scale_bits(const VariantCase& c) {
  return fixed_group(c.scheme) != 0 ? 8 : dtype_bits(c.scale_dtype);
}

inline double code_value(uint16_t scheme, uint32_t code) {
  if (is_integer(scheme)) return code;
  return code_bits(scheme) == 4 ? reference::e2m1_value(code) : reference::e4m3_value(code);
}

inline double scale_value(const VariantCase& c, uint32_t bits) {
  if (c.scheme == kNvfp4G32) return reference::e4m3_value(bits);
  if (c.scheme == kMxfp4 || c.scheme == kMxfp8) return reference::e8m0_value(bits);
  switch (c.scale_dtype) {
    case Dtype::kF32:
      return reference::f32_value(bits);
    case Dtype::kF16:
      return reference::f16_value(bits);
    case Dtype::kBF16:
      return reference::bf16_value(bits);
    case Dtype::kF8E4M3:
      return reference::e4m3_value(bits);
    default:
      return reference::e8m0_value(bits);
  }
}

/// Codes that are numbers; not zero, so that each changed bit shows.
inline uint32_t random_code(uint16_t scheme, Random& random) {
  for (;;) {
    const uint32_t code = random() >> (32 - code_bits(scheme));
    const uint32_t magnitude = code & ((1u << (code_bits(scheme) - 1)) - 1);
    if (is_integer(scheme)) return code;
    if (magnitude != 0 && !(code_bits(scheme) == 8 && magnitude == 0x7F)) return code;
  }
}

/// Positive scales around 1, all mantissa bits in use.
inline uint32_t random_scale(const VariantCase& c, Random& random) {
  const uint32_t r = random();
  if (c.scheme == kNvfp4G32 || c.scale_dtype == Dtype::kF8E4M3) return 1 + r % 0x7E;
  switch (fixed_group(c.scheme) != 0 ? Dtype::kU8 : c.scale_dtype) {
    case Dtype::kF32:
      return 0x3C000000 + r % 0x08000000;
    case Dtype::kF16:
      return 1 + r % 0x7BFF;  // every exponent, subnormals too
    case Dtype::kBF16:
      return 0x3C00 + r % 0x0800;
    default:
      return 100 + r % 55;
  }
}

/// The elements of one weight.
struct Elements {
  reference::WordMatrix codes;
  reference::WordMatrix scales;
  reference::WordMatrix zero_points;
};

inline Elements random_elements(const VariantCase& c, uint32_t seed) {
  Random random(seed);
  const uint64_t group = fixed_group(c.scheme) != 0 ? fixed_group(c.scheme) : c.group_size;
  const uint64_t groups = group == 0 ? 0 : (c.k + group - 1) / group;
  const uint64_t per_row = std::max<uint64_t>(1, c.group_rows);
  const uint64_t rows = groups == 0 ? 0 : (c.n + per_row - 1) / per_row;
  Elements e{{c.n, c.k, {}}, {rows, groups, {}}, {rows, groups, {}}};
  for (uint64_t i = 0; i < c.n * c.k; ++i) e.codes.at.push_back(random_code(c.scheme, random));
  for (uint64_t i = 0; i < rows * groups; ++i) {
    e.scales.at.push_back(random_scale(c, random));
    const uint32_t zero = random() >> (32 - code_bits(c.scheme));
    e.zero_points.at.push_back(c.zero_points ? zero : 1u << (code_bits(c.scheme) - 1));
  }
  return e;
}

inline std::vector<float> expected_values(const VariantCase& c, const Elements& e) {
  const uint64_t per_row = std::max<uint64_t>(1, c.group_rows);
  const uint64_t group = fixed_group(c.scheme) != 0 ? fixed_group(c.scheme) : c.group_size;
  std::vector<float> values;
  for (uint64_t n = 0; n < c.n; ++n)
    for (uint64_t k = 0; k < c.k; ++k) {
      const size_t row = n / per_row, at = group == 0 ? 0 : k / group;
      double value = code_value(c.scheme, e.codes(n, k));
      if (is_integer(c.scheme))
        value -= group == 0 ? 1u << (code_bits(c.scheme) - 1) : e.zero_points(row, at);
      if (group != 0) value *= scale_value(c, e.scales(row, at));
      values.push_back(static_cast<float>(value));
    }
  return values;
}

inline std::vector<std::byte> pack_plane(const PlaneLayout& layout,
                                         const reference::WordMatrix& elements) {
  return pack(layout, elements, repack::Path::kWord);
}

inline void pack_mma64(const VariantCase& c, const Elements& e, PackedVariant& out) {
  if (c.scheme == kMxfp4) {
    out.codes = pack_mxfp4({narrow(e.codes), narrow(e.scales)}, repack::Path::kWord);
    return;
  }
  if (c.scheme == kNvfp4G32) {
    const std::vector<std::byte> codes = canonical(4, e.codes), scales = canonical(8, e.scales);
    std::vector<std::byte> doubled(2 * scales.size());
    repack::double_scales(scales, doubled);
    out.codes.resize(repack::mma64_nvfp4_bytes(c.n, c.k));
    std::vector<repack::LostGroup> lost;
    repack::mma64_nvfp4_pack({codes, doubled, c.n, c.k}, 0, repack::Path::kWord, out.codes, lost);
    return;
  }
  out.codes = pack_plane(mma64_codes(code_bits(c.scheme)), e.codes);
  if (c.group_rows > 1)
    out.scales = canonical(scale_bits(c), e.scales);
  else if (c.group_size != 0)
    out.scales = pack_plane(mma64_plane(scale_bits(c)), e.scales);
  if (c.zero_points) out.zero_points = pack_plane(mma64_plane(code_bits(c.scheme)), e.zero_points);
}

inline void pack_native(const VariantCase& c, const Elements& e, PackedVariant& out) {
  const std::vector<std::byte> codes = canonical(code_bits(c.scheme), e.codes);
  if (c.scheme == kMxfp8) {
    out.codes.resize(c.n * repack::native_bytes_pitch(c.k));
    repack::native_bytes_pack(codes, c.n, c.k, repack::Path::kWord, out.codes);
  } else {
    out.codes = to_bytes(reference::native_rows(narrow(e.codes)));
  }
  out.scales.resize(layouts::sf128x4::size_bytes(c.n, e.scales.columns));
  repack::sf128x4_pack(canonical(8, e.scales), c.n, e.scales.columns, repack::Path::kWord,
                       out.scales);
}

inline reference::WordMatrix transposed(const reference::WordMatrix& from) {
  reference::WordMatrix to{from.columns, from.rows, {}};
  for (size_t column = 0; column < from.columns; ++column)
    for (size_t row = 0; row < from.rows; ++row) to.at.push_back(from(row, column));
  return to;
}

/// Elements of `bits` from the lowest bit of 32-bit words on, row by row.
inline reference::WordMatrix in_words(uint32_t bits, const reference::WordMatrix& from) {
  const size_t per_word = 32 / bits;
  reference::WordMatrix words{from.rows, (from.columns + per_word - 1) / per_word, {}};
  words.at.assign(words.rows * words.columns, 0);
  for (size_t row = 0; row < from.rows; ++row)
    for (size_t column = 0; column < from.columns; ++column)
      words.at[row * words.columns + column / per_word] |= from(row, column)
                                                           << (bits * (column % per_word));
  return words;
}

inline std::vector<std::byte> encoded(uint16_t encoding, uint32_t bits, bool along_n,
                                      reference::WordMatrix elements) {
  if (encoding == kSignedEncoding) {
    for (uint32_t& element : elements.at) element = (element - (1u << (bits - 1))) & 0xFF;
    return canonical(8, elements);
  }
  if (encoding == kWordsEncoding)
    return canonical(
        32, along_n ? transposed(in_words(bits, transposed(elements))) : in_words(bits, elements));
  return canonical(bits, elements);
}

inline void pack_plain(const VariantCase& c, const Elements& e, PackedVariant& out) {
  out.codes = encoded(c.encoding, code_bits(c.scheme), false, e.codes);
  out.scales = canonical(scale_bits(c), e.scales);
  if (c.zero_points)
    out.zero_points = encoded(c.encoding, code_bits(c.scheme), true, e.zero_points);
}

inline PackedVariant make_variant(const VariantCase& c, uint32_t seed) {
  const Elements e = random_elements(c, seed);
  PackedVariant out;
  if (c.layout == kPlain) pack_plain(c, e, out);
  if (c.layout == kMma64) pack_mma64(c, e, out);
  if (c.layout == kNative) pack_native(c, e, out);
  out.weight.layout = c.layout;
  out.weight.scheme = c.scheme;
  out.weight.n = c.n;
  out.weight.k = c.k;
  out.weight.group_size = c.group_size;
  out.weight.group_rows = c.group_rows;
  out.weight.scale_dtype = c.scale_dtype;
  out.weight.encoding = c.encoding;
  out.values = expected_values(c, e);
  return out;
}

/// Every variant at ragged and at whole shapes.
inline std::vector<VariantCase> variant_cases() {
  std::vector<VariantCase> cases;
  for (const auto& [n, k] : {std::pair{64u, 64u}, {1u, 32u}, {70u, 96u}, {130u, 288u}}) {
    for (const uint16_t layout : {kPlain, kMma64})
      for (const uint16_t scheme : {kNvfp4G32, kMxfp4}) cases.push_back({layout, scheme, n, k});
    for (const uint16_t scheme : {kMxfp4, kMxfp8}) cases.push_back({kNative, scheme, n, k});
    cases.push_back({kPlain, kMxfp8, n, k});
  }
  for (const auto& [n, k] : {std::pair{64u, 64u}, {1u, 33u}, {70u, 100u}, {130u, 288u}})
    for (const uint16_t layout : {kPlain, kMma64}) {
      for (const uint16_t scheme : {kFp8, kInt8, kInt4}) {
        cases.push_back({layout, scheme, n, k});
        for (const Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kBF16})
          cases.push_back({layout, scheme, n, k, k, 0, dtype});
        for (const uint64_t group : {32, 64, 96, 128})
          cases.push_back({layout, scheme, n, k, group, 0, Dtype::kBF16});
        cases.push_back({layout, scheme, n, k, 128, 128, Dtype::kF32});
      }
      for (const uint16_t scheme : {kInt8, kInt4})
        for (const uint64_t group : {uint64_t{32}, uint64_t{128}, uint64_t{k}})
          cases.push_back({layout, scheme, n, k, group, 1, Dtype::kF16, true});
      cases.push_back({layout, kFp8, n, k, 128, 128, Dtype::kU8});
      cases.push_back({layout, kInt4, n, k, 32, 0, Dtype::kF8E4M3});
    }
  for (const uint16_t encoding : {kSignedEncoding, kWordsEncoding})
    for (const uint16_t scheme : {kInt8, kInt4})
      for (const bool zero_points : {false, true})
        cases.push_back({kPlain, scheme, 70, 100, 32, 0, Dtype::kBF16, zero_points, encoding});
  return cases;
}

}  // namespace imp::test
