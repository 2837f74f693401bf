// plain integers and fp8: codes as the source holds them, block scales row by row.
//
// Integers are read as signed numbers. Encodings of a form's codes, and what its zero points are
// then: kRows 0 (offset binary of b bits, 4 bits two a byte), zero points likewise; kSignedBytes 1,
// zero points likewise; kWords 2 (offset binary from the lowest bit of 32-bit words along K), zero
// points so along N.
#pragma once

#include "kernels/readers/block_scales.h"
#include "kernels/readers/plain_rows.h"

namespace imp::kernels::readers {

inline constexpr uint16_t kRows = 0, kSignedBytes = 1, kWords = 2;
inline constexpr uint32_t kWordBits = 32;

IMP_HD inline int32_t signed_of(uint32_t offset_binary, uint32_t bits) {
  return static_cast<int32_t>(offset_binary & ((1u << bits) - 1)) - (1 << (bits - 1));
}

IMP_HD inline uint64_t rows_of_scale(const WeightView& w) {
  return w.group_rows == 0 ? 1 : w.group_rows;
}

/// Element (row, column) of rows of `columns` elements.
IMP_HD inline int32_t row_element(const uint8_t* plane, uint16_t encoding, uint32_t bits,
                                  uint64_t columns, uint64_t row, uint64_t column) {
  if (encoding == kSignedBytes) return static_cast<int8_t>(plane[row * columns + column]);
  if (encoding == kWords) {
    const uint64_t words = quotient_up(columns * bits, kWordBits), bit = column * bits;
    return signed_of(load_u32(plane, 4 * (row * words + bit / kWordBits)) >> (bit % kWordBits),
                     bits);
  }
  const uint64_t of_byte = 8 / bits, pitch = quotient_up(columns, of_byte);
  return signed_of(load_u8(plane, row * pitch + column / of_byte) >> (bits * (column % of_byte)),
                   bits);
}

inline uint64_t row_bytes(uint16_t encoding, uint32_t bits, uint64_t columns) {
  if (encoding == kSignedBytes) return columns;
  if (encoding == kWords) return 4 * quotient_up(columns, kWordBits / bits);
  return quotient_up(columns, 8 / bits);
}

template <uint32_t kBits>
Result<ComponentBytes> plain_code_sizes(const WeightView& w) {
  IMP_TRY(check_scale_dtype(w));
  const uint64_t rows = quotient_up(w.n, rows_of_scale(w)), groups = groups_along_k(w);
  ComponentBytes want;
  if (w.k > UINT64_MAX / kWordBits) return too_many_bytes(w);
  IMP_ASSIGN(want.codes, bytes_of(w, {w.n, row_bytes(w.dialect, kBits, w.k)}));
  IMP_ASSIGN(want.block_scale, bytes_of(w, {rows, groups, scale_bytes(w.scale_dtype)}));
  if (w.dialect == kWords) {
    IMP_ASSIGN(want.zero_point, bytes_of(w, {quotient_up(rows, kWordBits / kBits), groups, 4}));
  } else {
    IMP_ASSIGN(want.zero_point, bytes_of(w, {rows, row_bytes(w.dialect, kBits, groups)}));
  }
  return want;
}

template <uint32_t kBits>
struct PlainIntegers : PlainRows<PlainIntegers<kBits>> {
  static constexpr uint16_t kScheme = 32 + kBits;
  static constexpr Dtype kDtype = Dtype::kU8;
  static constexpr uint32_t kDialects = 1u << kRows | 1u << kSignedBytes | 1u << kWords;

  static IMP_HD float at(const WeightView& w, uint64_t n, uint64_t k) {
    const int32_t code = row_element(w.codes, w.dialect, kBits, w.k, n, k);
    if (!has_block_scales(w)) return static_cast<float>(code);
    const uint64_t row = n / rows_of_scale(w), group = k / w.group_size;
    return static_cast<float>(code - zero_point(w, row, group)) *
           block_scale(w, row * groups_along_k(w) + group);
  }
  static Result<ComponentBytes> sizes(const WeightView& w) { return plain_code_sizes<kBits>(w); }

 private:
  static IMP_HD int32_t zero_point(const WeightView& w, uint64_t row, uint64_t group) {
    if (w.zero_point == nullptr) return 0;
    const uint64_t groups = groups_along_k(w);
    if (w.dialect != kWords) return row_element(w.zero_point, w.dialect, kBits, groups, row, group);
    const uint64_t bit = row * kBits;
    return signed_of(
        load_u32(w.zero_point, 4 * (bit / kWordBits * groups + group)) >> (bit % kWordBits), kBits);
  }
};

struct PlainFp8 : PlainRows<PlainFp8> {
  static constexpr uint16_t kScheme = 20;
  static constexpr Dtype kDtype = Dtype::kU8;
  static constexpr uint32_t kDialects = 1;

  static IMP_HD float at(const WeightView& w, uint64_t n, uint64_t k) {
    const float code = e4m3_bits_to_float(load_u8(w.codes, n * w.k + k));
    if (!has_block_scales(w)) return code;
    const uint64_t row = n / rows_of_scale(w), group = k / w.group_size;
    return code * block_scale(w, row * groups_along_k(w) + group);
  }
  static Result<ComponentBytes> sizes(const WeightView& w) { return plain_code_sizes<8>(w); }
};

}  // namespace imp::kernels::readers
