// Weights of plain forms in every encoding of every scheme, put together bit by bit, with the
// values that identity activations must give, worked out from the elements in double.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/gemm.h"
#include "src/quant/ggml_blocks.h"
#include "tests/reference/encodings.h"
#include "tests/reference/scheme_values.h"
#include "tests/unit/ggml_cases.h"

namespace imp::test::plain {

enum Encoding : uint16_t {
  kRows = 0,
  kSignedBytes = 1,
  kWords = 2,
  kPaddedWords = 3,
  kWordsAlongN = 4,
  kPaddedWordsAlongN = 5,
  kNibblesAlongN = 6,
  kInFirst = 7,
  kRowsInterleaved = 8,
  kInFirstInterleaved = 9,
  kBitmask24 = 10,
  kBitmask = 11,
};

struct Case {
  uint16_t scheme;  ///< 1..4 floats, 16..19, 20 fp8, 34..40 integers, 64 + id blocks
  uint16_t encoding = kRows;
  uint64_t n = 70;
  uint64_t k = 96;
  uint64_t group_size = 0;  ///< of integers and fp8
  bool zero_points = false;
  bool act_order = false;
  std::string name() const {
    return "scheme " + std::to_string(scheme) + ", encoding " + std::to_string(encoding) + ", " +
           std::to_string(n) + " x " + std::to_string(k) + ", groups of " +
           std::to_string(group_size) + (zero_points ? ", zero points" : "") +
           (act_order ? ", act-order" : "");
  }
};

inline bool is_integer(const Case& c) { return c.scheme >= 34 && c.scheme <= 40; }
inline bool is_sparse(const Case& c) { return c.encoding >= kBitmask24; }
inline uint32_t code_bits(const Case& c) {
  if (is_integer(c)) return c.scheme - 32u;
  if (c.scheme >= 16 && c.scheme <= 18) return 4;
  constexpr uint32_t kFloatBits[] = {0, 32, 16, 16, 64};
  return c.scheme < 16 ? kFloatBits[c.scheme] : 8;
}
inline Dtype code_dtype(const Case& c) {
  constexpr Dtype kFloats[] = {Dtype::kU8, Dtype::kF32, Dtype::kF16, Dtype::kBF16, Dtype::kF64};
  return c.scheme < 16 ? kFloats[c.scheme] : Dtype::kU8;
}
inline uint64_t group_of(const Case& c) {
  if (c.scheme == 16) return 16;
  return c.scheme >= 17 && c.scheme <= 19 ? 32 : c.group_size;
}
/// Integers and fp8: bf16.
inline uint32_t scale_bits(const Case& c) { return c.scheme >= 16 && c.scheme <= 19 ? 8 : 16; }

struct Weight {
  std::vector<uint8_t> codes, scales, zero_points, group_index, bitmask, row_offsets;
  kernels::PackedWeight weight;
  std::vector<float> values;

  void refresh() {
    const auto span = [](const std::vector<uint8_t>& plane) {
      return std::as_bytes(std::span(plane));
    };
    weight.codes = span(codes);
    weight.block_scale = span(scales);
    weight.zero_point = span(zero_points);
    weight.group_index = span(group_index);
    weight.bitmask = span(bitmask);
    weight.row_offsets = span(row_offsets);
  }
};

/// A canonical element: an integer in offset binary, or the bits of a number.
inline uint64_t random_code(const Case& c, std::mt19937_64& random) {
  const uint64_t r = random();
  switch (c.scheme) {
    case 1:
      return 0x3C000000 + r % 0x08000000;
    case 2:
      return r % 0x7C00 | (r >> 63) << 15;
    case 3:
      return 0x3C00 + r % 0x0800;
    case 4:
      return std::bit_cast<uint64_t>(std::ldexp(static_cast<double>(r >> 11), -53) - 0.5);
    case 19:
    case 20:
      return r % 0x7F | (r >> 63) << 7;
    default:
      return r % (1u << code_bits(c));
  }
}

inline double code_value(const Case& c, uint64_t code) {
  switch (c.scheme) {
    case 1:
      return reference::f32_value(static_cast<uint32_t>(code));
    case 2:
      return reference::f16_value(static_cast<uint32_t>(code));
    case 3:
      return reference::bf16_value(static_cast<uint32_t>(code));
    case 4:
      return std::bit_cast<double>(code);
    case 19:
    case 20:
      return reference::e4m3_value(static_cast<uint32_t>(code));
    case 16:
    case 17:
    case 18:
      return reference::e2m1_value(static_cast<uint32_t>(code));
    default:
      return static_cast<double>(code);
  }
}

inline double scale_value(const Case& c, uint32_t bits) {
  if (c.scheme == 16 || c.scheme == 17) return reference::e4m3_value(bits);
  if (c.scheme == 18 || c.scheme == 19) return reference::e8m0_value(bits);
  return reference::bf16_value(bits);
}

inline uint32_t random_scale(const Case& c, std::mt19937_64& random) {
  const auto r = static_cast<uint32_t>(random());
  if (c.scheme == 16 || c.scheme == 17) return 1 + r % 0x7E;
  if (c.scheme == 18 || c.scheme == 19) return 100 + r % 55;
  return 0x3C00 + r % 0x0800;
}

inline uint16_t scale_encoding(const Case& c) {
  return c.encoding >= kInFirst && c.encoding <= kInFirstInterleaved ? c.encoding : uint16_t{kRows};
}
inline uint16_t zero_encoding(const Case& c) {
  if (c.encoding == kWords) return kWordsAlongN;
  return c.encoding == kPaddedWords ? uint16_t{kPaddedWordsAlongN} : c.encoding;
}

inline void put_bytes(uint64_t value, uint32_t bytes, std::vector<uint8_t>& out) {
  for (uint32_t b = 0; b < bytes; ++b) out.push_back(static_cast<uint8_t>(value >> (8 * b)));
}

/// Which elements are stored: two of each four, or about a third.
inline std::vector<bool> random_mask(const Case& c, std::mt19937_64& random) {
  std::vector<bool> mask(c.n * c.k);
  if (c.encoding == kBitmask) {
    for (size_t i = 0; i < mask.size(); ++i) mask[i] = random() % 3 == 0;
    return mask;
  }
  for (size_t i = 0; i < mask.size(); i += 4) {
    const auto first = static_cast<size_t>(random() % 4);
    mask[i + first] = mask[i + (first + 1 + random() % 3) % 4] = true;
  }
  return mask;
}

/// Elements in two's complement, the bitmask, offsets.
inline void store_sparse(const Case& c, const std::vector<bool>& mask,
                         const std::vector<uint64_t>& codes, Weight& out) {
  const uint64_t pitch = (c.k + 7) / 8;
  out.bitmask.assign(c.n * pitch, 0);
  uint64_t stored = 0;
  for (uint64_t n = 0; n < c.n; ++n) {
    if (c.encoding == kBitmask) put_bytes(stored, 8, out.row_offsets);
    for (uint64_t k = 0; k < c.k; ++k) {
      if (!mask[n * c.k + k]) continue;
      out.bitmask[n * pitch + k / 8] |= static_cast<uint8_t>(1u << (k % 8));
      const uint64_t middle = is_integer(c) ? uint64_t{1} << (code_bits(c) - 1) : 0;
      put_bytes(codes[n * c.k + k] - middle, std::max(code_bits(c), 8u) / 8, out.codes);
      ++stored;
    }
  }
}

inline std::vector<uint8_t> held(uint16_t encoding, uint32_t bits, uint64_t rows, uint64_t columns,
                                 const std::vector<uint64_t>& elements) {
  const reference::HeldPlane plane{encoding, bits, rows, columns};
  std::vector<uint8_t> bytes(reference::held_bytes(plane));
  for (uint64_t r = 0; r < rows; ++r)
    for (uint64_t i = 0; i < columns; ++i)
      reference::put_element(plane, r, i, elements[r * columns + i], bytes);
  return bytes;
}

inline Weight make_blocks(const Case& c, uint32_t seed) {
  const GgmlTypeInfo& info = *find_ggml_type(c.scheme - 64u);
  std::mt19937 random(seed);
  const auto blocks = imp::testing::random_blocks(info, c.n * (c.k / info.block_elems), random);
  Weight out;
  for (const std::byte b : blocks) out.codes.push_back(std::to_integer<uint8_t>(b));
  out.values.resize(c.n * c.k);
  quant::decode_blocks(info.type, blocks, out.values);
  return out;
}

inline Weight make_elements(const Case& c, uint32_t seed) {
  std::mt19937_64 random(seed);
  const uint64_t group = group_of(c), groups = group == 0 ? 0 : (c.k + group - 1) / group;
  std::vector<uint64_t> codes(c.n * c.k), scales(c.n * groups), zeros(c.n * groups);
  for (uint64_t& code : codes) code = random_code(c, random);
  for (uint64_t& scale : scales) scale = random_scale(c, random);
  const uint64_t middle = is_integer(c) ? uint64_t{1} << (code_bits(c) - 1) : 0;
  for (uint64_t& zero : zeros) zero = c.zero_points ? random() % (2 * middle) : middle;
  std::vector<uint64_t> group_of_column(c.k);
  for (uint64_t k = 0; k < c.k; ++k) group_of_column[k] = group == 0 ? 0 : k / group;
  if (c.act_order) std::shuffle(group_of_column.begin(), group_of_column.end(), random);

  Weight out;
  if (is_sparse(c)) {
    const std::vector<bool> mask = random_mask(c, random);
    store_sparse(c, mask, codes, out);
    for (size_t i = 0; i < codes.size(); ++i)
      if (!mask[i]) codes[i] = middle;
  } else {
    out.codes = held(c.encoding, code_bits(c), c.n, c.k, codes);
  }
  if (groups != 0) out.scales = held(scale_encoding(c), scale_bits(c), c.n, groups, scales);
  if (c.zero_points) out.zero_points = held(zero_encoding(c), code_bits(c), c.n, groups, zeros);
  if (c.act_order)
    for (const uint64_t g : group_of_column) put_bytes(g, 4, out.group_index);
  for (uint64_t n = 0; n < c.n; ++n)
    for (uint64_t k = 0; k < c.k; ++k) {
      const uint64_t at = n * groups + group_of_column[k];
      double value = code_value(c, codes[n * c.k + k]);
      if (is_integer(c)) value -= static_cast<double>(groups == 0 ? middle : zeros[at]);
      if (groups != 0) value *= scale_value(c, static_cast<uint32_t>(scales[at]));
      out.values.push_back(static_cast<float>(value));
    }
  return out;
}

/// The spans refer to the result's own planes: call refresh() where it came to rest.
inline Weight make(const Case& c, uint32_t seed) {
  Weight out = c.scheme >= 64 ? make_blocks(c, seed) : make_elements(c, seed);
  out.weight.layout = 1;
  out.weight.scheme = c.scheme;
  out.weight.dtype = code_dtype(c);
  out.weight.n = c.n;
  out.weight.k = c.k;
  out.weight.encoding = c.encoding;
  out.weight.scale_dtype = scale_bits(c) == 16 ? Dtype::kBF16 : Dtype::kU8;
  out.weight.group_size = group_of(c);
  return out;
}

inline std::vector<Case> cases() {
  std::vector<Case> all;
  for (uint16_t scheme = 34; scheme <= 40; ++scheme) {
    for (const uint16_t encoding : {kRows, kSignedBytes, kWords, kPaddedWords})
      for (const uint64_t group : {uint64_t{32}, uint64_t{100}})
        for (const bool zero_points : {false, true})
          all.push_back({scheme, encoding, 70, 100, group, zero_points});
    all.push_back({scheme, kWords, 37, 100});
    for (const bool zero_points : {false, true})
      all.push_back({scheme, kPaddedWords, 70, 96, 32, zero_points, true});
    for (const uint16_t encoding : {kBitmask24, kBitmask})
      all.push_back({scheme, encoding, 70, 100, 100});
  }
  for (const uint64_t n : {uint64_t{70}, uint64_t{71}})
    all.push_back({36, kNibblesAlongN, n, 100, 32});
  for (const uint16_t encoding : {kRows, kInFirst, kRowsInterleaved, kInFirstInterleaved})
    for (const uint64_t n : {uint64_t{70}, uint64_t{65}}) {
      for (uint16_t scheme = 16; scheme <= 19; ++scheme) all.push_back({scheme, encoding, n, 96});
      for (uint16_t scheme = 1; scheme <= 4; ++scheme) all.push_back({scheme, encoding, n, 99});
      all.push_back({20, encoding, n, 99});
    }
  for (const uint16_t encoding : {kBitmask24, kBitmask}) {
    for (uint16_t scheme = 1; scheme <= 4; ++scheme) all.push_back({scheme, encoding, 70, 140});
    all.push_back({20, encoding, 70, 140, 140});
    all.push_back({20, encoding, 70, 140});
  }
  for (const int type : {16, 17, 18, 19, 21, 22, 29, 41, 42})
    all.push_back({static_cast<uint16_t>(64 + type), kRows, 70, 512});
  return all;
}

}  // namespace imp::test::plain
