// Codes taken out of GGUF's block types and the numbers of their groups, in mma64 (blocks of codes,
// planes of groups in lane order beside them) and in plain (rows).
//
// Schemes 48 uint4_min, 49 uint8_min, 50 lut4, 52 int4_k, 53 int8_k, 54 uint4_min_k, 55
// uint8_min_k, 56 lut4_k (formats/imp/SPEC.md, registry "schemes"). The number of a code is the
// code itself where there is a min, entry "code" of the table of lut4, else the code less
// 2^(bits-1). Group numbers are F16, and with "_k" bytes under F16 numbers of 256 columns.
#pragma once

#include <string>
#include <type_traits>

#include "kernels/readers/bits.h"
#include "kernels/readers/component_bytes.h"
#include "kernels/readers/mma64_lanes.h"
#include "kernels/readers/plain_rows.h"

namespace imp::kernels::readers {

inline constexpr uint64_t kSuperColumns = 256;

template <uint16_t kNumber>
struct GgmlScheme {
  static constexpr uint16_t kScheme = kNumber;
  static constexpr bool kBytes = kNumber == 49 || kNumber == 53 || kNumber == 55;
  static constexpr bool kMin = kNumber == 48 || kNumber == 49 || kNumber == 54 || kNumber == 55;
  static constexpr bool kLut = kNumber == 50 || kNumber == 56;
  static constexpr bool kSuper = kNumber >= 52;
  static constexpr uint64_t kScaleBytes = kSuper ? 1 : 2;
};

/// weight = number * scale + min. Doubles: the products are exact in them, so that a weight is
/// rounded once, as it is by f32 operations on the codes and scales that blocks can hold.
struct GroupTerms {
  double scale = 0;
  double min = 0;
};

IMP_HD inline double f16_at(const uint8_t* plane, uint64_t element) {
  return f16_bits_to_float(load_u16(plane, 2 * element));
}
IMP_HD inline int32_t s8_at(const uint8_t* plane, uint64_t element) {
  return static_cast<int8_t>(plane[element]);
}

/// Of element `group` of the group planes and element `super` of the super planes.
template <class S>
IMP_HD inline GroupTerms group_terms(const WeightView& w, uint64_t group, uint64_t super) {
  GroupTerms terms;
  if constexpr (!S::kSuper) {
    terms.scale = f16_at(w.block_scale, group);
    if constexpr (S::kMin) terms.min = f16_at(w.group_min, group);
  } else {
    const double scale = S::kMin ? static_cast<double>(load_u8(w.block_scale, group))
                                 : static_cast<double>(s8_at(w.block_scale, group));
    terms.scale = scale * f16_at(w.super_scale, super);
    if constexpr (S::kMin)
      terms.min = -(static_cast<double>(load_u8(w.group_min, group)) * f16_at(w.super_min, super));
  }
  return terms;
}

template <class S>
IMP_HD inline float ggml_weight(const WeightView& w, uint32_t code, const GroupTerms& terms) {
  int32_t number = static_cast<int32_t>(code);
  if constexpr (S::kLut)
    number = s8_at(w.lut, code);
  else if constexpr (!S::kMin)
    number -= S::kBytes ? 128 : 8;
  return static_cast<float>(number * terms.scale + terms.min);
}

IMP_HD inline uint64_t ggml_groups(const WeightView& w) { return quotient_up(w.k, w.group_size); }
IMP_HD inline uint64_t ggml_supers(const WeightView& w) { return quotient_up(w.k, kSuperColumns); }

/// Bytes of the planes beside the codes, of `rows` rows.
template <class S>
Result<ComponentBytes> ggml_plane_sizes(const WeightView& w, uint64_t rows) {
  if (w.group_rows > 1 || w.group_size == 0 || w.group_size % kLaneCodes != 0 ||
      (S::kSuper && kSuperColumns % w.group_size != 0))
    return shape_error("block scales span " + std::to_string(w.group_rows) + " rows and " +
                       std::to_string(w.group_size) +
                       " columns, expected one row and a multiple of 16 columns" +
                       (S::kSuper ? " that divides 256" : ""));
  ComponentBytes want;
  if (S::kLut) want.lut = 16;
  IMP_ASSIGN(want.block_scale, bytes_of(w, {rows, ggml_groups(w), S::kScaleBytes}));
  if (S::kMin) want.group_min = want.block_scale;
  if (!S::kSuper) return want;
  IMP_ASSIGN(want.super_scale, bytes_of(w, {rows, ggml_supers(w), 2}));
  if (S::kMin) want.super_min = want.super_scale;
  return want;
}

template <uint16_t kNumber>
struct Mma64Ggml {
  using S = GgmlScheme<kNumber>;
  using Lanes = std::conditional_t<S::kBytes, ByteLanes, NibbleLanes>;
  static constexpr uint16_t kLayout = 2;
  static constexpr uint16_t kScheme = kNumber;
  static constexpr Dtype kDtype = Dtype::kU8;
  static constexpr float kUnit = 1.0f;
  static constexpr uint32_t kDialects = 1;
  using Slots = Mma64Slots;

  template <class Put>
  static IMP_HD void read_lane(const WeightView& w, uint64_t row_tile, uint64_t column_tile,
                               uint32_t lane, Put put) {
    const uint8_t* block =
        w.codes + (row_tile * quotient_up(w.k, kReaderColumns) + column_tile) * Lanes::kBlockBytes;
    const uint32_t g = lane / 4, c = lane % 4;
    const uint64_t k = column_tile * kReaderColumns + kLaneCodes * c;
    for (uint32_t j = 0; j < 8; ++j) {
      GroupTerms terms;
      // Past K there is no scale to load; the kernel's activations are zeros there.
      if (k < w.k)
        terms = group_terms<S>(w, lane_element(row_tile, j, g, k / w.group_size, ggml_groups(w)),
                               lane_element(row_tile, j, g, k / kSuperColumns, ggml_supers(w)));
      Lanes::for_each(block, lane, j, [&](uint32_t i, uint32_t code) {
        put(8 * j + g, Slots::of_lane_code(c, i), ggml_weight<S>(w, code, terms));
      });
    }
  }

  static Result<ComponentBytes> sizes(const WeightView& w) {
    const uint64_t row_tiles = quotient_up(w.n, kReaderRows);
    IMP_ASSIGN(ComponentBytes want, ggml_plane_sizes<S>(w, row_tiles * kReaderRows));
    IMP_ASSIGN(want.codes,
               bytes_of(w, {row_tiles, quotient_up(w.k, kReaderColumns), Lanes::kBlockBytes}));
    return want;
  }
};

template <uint16_t kNumber>
struct PlainGgml : PlainRows<PlainGgml<kNumber>> {
  using S = GgmlScheme<kNumber>;
  static constexpr uint16_t kScheme = kNumber;
  static constexpr Dtype kDtype = Dtype::kU8;
  static constexpr uint32_t kDialects = 1;

  static IMP_HD float at(const WeightView& w, uint64_t n, uint64_t k) {
    const uint32_t byte = load_u8(w.codes, n * pitch_bytes(w.k) + (S::kBytes ? k : k / 2));
    const uint32_t code = S::kBytes ? byte : byte >> (4 * (k % 2)) & 0xF;
    return ggml_weight<S>(w, code,
                          group_terms<S>(w, n * ggml_groups(w) + k / w.group_size,
                                         n * ggml_supers(w) + k / kSuperColumns));
  }
  static Result<ComponentBytes> sizes(const WeightView& w) {
    IMP_ASSIGN(ComponentBytes want, ggml_plane_sizes<S>(w, w.n));
    IMP_ASSIGN(want.codes, bytes_of(w, {w.n, pitch_bytes(w.k)}));
    return want;
  }

 private:
  static IMP_HD uint64_t pitch_bytes(uint64_t k) { return S::kBytes ? k : quotient_up(k, 2); }
};

}  // namespace imp::kernels::readers
