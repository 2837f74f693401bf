// plain integers and fp8: codes as the source holds them (plain_places.h), block scales row by row.
// Integers are read as signed numbers, from offset binary or two's complement.
#pragma once

#include "kernels/readers/block_scales.h"
#include "kernels/readers/plain_places.h"
#include "kernels/readers/plain_rows.h"
#include "kernels/readers/sparse_sizes.h"

namespace imp::kernels::readers {

inline constexpr uint32_t kWordBits = 32;

IMP_HD inline int32_t signed_of(uint32_t offset_binary, uint32_t bits) {
  return static_cast<int32_t>(offset_binary & ((1u << bits) - 1)) - (1 << (bits - 1));
}

IMP_HD inline uint64_t rows_of_scale(const WeightView& w) {
  return w.group_rows == 0 ? 1 : w.group_rows;
}

/// Group of column k. Act-order: the group index says it, unless it is -1 (then everywhere).
/// REQUIRES: a group index names groups that there are.
IMP_HD inline uint64_t plain_group_of(const WeightView& w, uint64_t k) {
  if (w.group_index != nullptr) {
    const auto group = static_cast<int32_t>(load_u32(w.group_index, 4 * k));
    if (group >= 0) return static_cast<uint64_t>(group);
  }
  return k / w.group_size;
}

/// Bits [at, at + bits) of a line of words whose word i lies at byte 4 * i * stride; `at` counts
/// elements.
template <uint32_t kBits, bool kPadded>
IMP_HD int32_t word_element(const uint8_t* line, uint64_t stride, uint64_t at) {
  constexpr uint64_t kPerWord = kWordBits / kBits;
  const uint64_t word = kPadded ? at / kPerWord : at * kBits / kWordBits;
  const auto shift =
      static_cast<uint32_t>(kPadded ? at % kPerWord * kBits : at * kBits % kWordBits);
  uint32_t bits = load_u32(line, 4 * word * stride) >> shift;
  if (shift + kBits > kWordBits)
    bits |= load_u32(line, 4 * (word + 1) * stride) << (kWordBits - shift);
  return signed_of(bits, kBits);
}

IMP_HD constexpr uint64_t words_of(uint64_t elements, uint32_t bits, bool padded) {
  return padded ? quotient_up(elements, kWordBits / bits) : quotient_up(elements * bits, kWordBits);
}

/// Element (row, column) of rows of `columns` integers.
template <uint32_t kBits>
IMP_HD int32_t row_integer(const uint8_t* plane, uint16_t encoding, uint64_t columns, uint64_t row,
                           uint64_t column) {
  switch (encoding) {
    case kSignedBytes:
      return static_cast<int8_t>(plane[row * columns + column]);
    case kWords:
      return word_element<kBits, false>(plane + 4 * row * words_of(columns, kBits, false), 1,
                                        column);
    case kPaddedWords:
      return word_element<kBits, true>(plane + 4 * row * words_of(columns, kBits, true), 1, column);
    case kNibblesAlongN: {
      const uint32_t nibble = load_u8(plane, row / 2 * columns + column) >> (4 * (row % 2)) & 0xF;
      return static_cast<int32_t>(nibble ^ 8) - 8;
    }
    default:
      return signed_of(kBits == 4 ? nibble_of(plane, kRows, 0, columns, row, column)
                                  : load_u8(plane, row * columns + column),
                       kBits);
  }
}

template <uint32_t kBits>
struct PlainIntegers : PlainRows<PlainIntegers<kBits>> {
  static constexpr uint16_t kScheme = 32 + kBits;
  static constexpr Dtype kDtype = Dtype::kU8;
  static constexpr uint32_t kDialects =
      dialects(kRows, kSignedBytes, kWords, kPaddedWords, kBitmask24, kBitmask) |
      (kBits == 4 ? dialects(kNibblesAlongN) : 0);

  static IMP_HD float at(const WeightView& w, uint64_t n, uint64_t k) {
    const int32_t code = code_at(w, n, k);
    if (!has_block_scales(w)) return static_cast<float>(code);
    const uint64_t row = n / rows_of_scale(w), group = plain_group_of(w, k);
    return static_cast<float>(code - zero_point(w, row, group)) *
           block_scale(w, row * groups_along_k(w) + group);
  }

  static Result<ComponentBytes> sizes(const WeightView& w) {
    IMP_TRY(check_scale_dtype(w));
    const uint64_t rows = quotient_up(w.n, rows_of_scale(w)), groups = groups_along_k(w);
    if (w.k > UINT64_MAX / kWordBits || rows > UINT64_MAX / kWordBits) return too_many_bytes(w);
    ComponentBytes want;
    IMP_ASSIGN(want.block_scale, bytes_of(w, {rows, groups, scale_bytes(w.scale_dtype)}));
    if (has_block_scales(w)) want.group_index = 4 * w.k;
    if (is_sparse(w.dialect)) {
      IMP_TRY(sparse_sizes(w, 1, want));
      return want;
    }
    IMP_ASSIGN(want.codes, row_integer_bytes(w, w.n, w.k));
    if (is_words(w.dialect)) {
      IMP_ASSIGN(want.zero_point,
                 bytes_of(w, {words_of(rows, kBits, w.dialect == kPaddedWords), groups, 4}));
    } else {
      IMP_ASSIGN(want.zero_point, row_integer_bytes(w, rows, groups));
    }
    return want;
  }

 private:
  static IMP_HD bool is_words(uint16_t encoding) {
    return encoding == kWords || encoding == kPaddedWords;
  }

  static IMP_HD int32_t code_at(const WeightView& w, uint64_t n, uint64_t k) {
    if (!is_sparse(w.dialect)) return row_integer<kBits>(w.codes, w.dialect, w.k, n, k);
    const StoredElement at = stored_element(w, n, k);
    return at.is_stored ? static_cast<int8_t>(w.codes[at.index]) : 0;
  }

  static IMP_HD int32_t zero_point(const WeightView& w, uint64_t row, uint64_t group) {
    if (w.zero_point == nullptr) return 0;
    const uint64_t groups = groups_along_k(w);
    if (w.dialect == kWords)
      return word_element<kBits, false>(w.zero_point + 4 * group, groups, row);
    if (w.dialect == kPaddedWords)
      return word_element<kBits, true>(w.zero_point + 4 * group, groups, row);
    return row_integer<kBits>(w.zero_point, w.dialect, groups, row, group);
  }

  static Result<uint64_t> row_integer_bytes(const WeightView& w, uint64_t rows, uint64_t columns) {
    switch (w.dialect) {
      case kWords:
      case kPaddedWords:
        return bytes_of(w, {rows, words_of(columns, kBits, w.dialect == kPaddedWords), 4});
      case kNibblesAlongN:
        return bytes_of(w, {quotient_up(rows, 2), columns});
      case kRows:
        return bytes_of(w, {rows, kBits == 4 ? quotient_up(columns, 2) : columns});
      default:
        return bytes_of(w, {rows, columns});
    }
  }
};

struct PlainFp8 : PlainRows<PlainFp8> {
  static constexpr uint16_t kScheme = 20;
  static constexpr Dtype kDtype = Dtype::kU8;
  static constexpr uint32_t kDialects =
      dialects(kRows, kInFirst, kRowsInterleaved, kInFirstInterleaved, kBitmask24, kBitmask);

  static IMP_HD float at(const WeightView& w, uint64_t n, uint64_t k) {
    const float code = e4m3_bits_to_float(code_at(w, n, k));
    if (!has_block_scales(w)) return code;
    const uint64_t rows = quotient_up(w.n, rows_of_scale(w)), groups = groups_along_k(w);
    const uint64_t row = n / rows_of_scale(w), group = k / w.group_size;
    const uint16_t encoding = is_sparse(w.dialect) ? kRows : w.dialect;
    return code * block_scale(w, element_of(encoding, rows, groups, row, group));
  }

  static Result<ComponentBytes> sizes(const WeightView& w) {
    IMP_TRY(check_scale_dtype(w));
    ComponentBytes want;
    IMP_ASSIGN(want.block_scale, bytes_of(w, {quotient_up(w.n, rows_of_scale(w)), groups_along_k(w),
                                              scale_bytes(w.scale_dtype)}));
    if (is_sparse(w.dialect)) {
      IMP_TRY(sparse_sizes(w, 1, want));
      return want;
    }
    IMP_ASSIGN(want.codes, bytes_of(w, {w.n, w.k}));
    return want;
  }

 private:
  static IMP_HD uint32_t code_at(const WeightView& w, uint64_t n, uint64_t k) {
    if (!is_sparse(w.dialect)) return load_u8(w.codes, element_of(w.dialect, w.n, w.k, n, k));
    const StoredElement at = stored_element(w, n, k);
    return at.is_stored ? load_u8(w.codes, at.index) : 0;
  }
};

}  // namespace imp::kernels::readers
