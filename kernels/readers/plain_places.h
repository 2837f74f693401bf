// Where plain forms hold an element of a plane: FormRecord::dialect is the encoding of the codes
// (formats/imp/SPEC.md, registry "encodings"). Other planes are rows, but that
//   scales under transposed or interleaved codes (7, 8, 9) are stored in the same way,
//   zero points of signed bytes (1) are signed bytes,
//   zero points of words (2, 3) are words along the rows (4, 5).
#pragma once

#include "kernels/readers/weight_view.h"

namespace imp::kernels::readers {

inline constexpr uint16_t kRows = 0, kSignedBytes = 1, kWords = 2, kPaddedWords = 3,
                          kNibblesAlongN = 6, kInFirst = 7, kRowsInterleaved = 8,
                          kInFirstInterleaved = 9, kBitmask24 = 10, kBitmask = 11;

/// Encodings as a set of bits.
template <class... E>
constexpr uint32_t dialects(E... encodings) {
  return (... | (1u << encodings));
}

/// Even source rows are the first half of the rows, odd ones the second.
IMP_HD inline uint64_t source_row(uint16_t encoding, uint64_t rows, uint64_t row) {
  if (encoding != kRowsInterleaved && encoding != kInFirstInterleaved) return row;
  const uint64_t half = quotient_up(rows, 2);
  return row < half ? 2 * row : 2 * (row - half) + 1;
}

IMP_HD inline bool is_in_first(uint16_t encoding) {
  return encoding == kInFirst || encoding == kInFirstInterleaved;
}

/// Element (row, column) of a plane of whole bytes.
IMP_HD inline uint64_t element_of(uint16_t encoding, uint64_t rows, uint64_t columns, uint64_t row,
                                  uint64_t column) {
  const uint64_t from = source_row(encoding, rows, row);
  return is_in_first(encoding) ? column * rows + from : from * columns + column;
}

/// The same of a plane of 4 bits: pairs of columns share a byte, the even one its low nibble.
IMP_HD inline uint32_t nibble_of(const uint8_t* plane, uint16_t encoding, uint64_t rows,
                                 uint64_t columns, uint64_t row, uint64_t column) {
  const uint64_t byte = element_of(encoding, rows, quotient_up(columns, 2), row, column / 2);
  return load_u8(plane, byte) >> (4 * static_cast<uint32_t>(column % 2)) & 0xF;
}

IMP_HD inline uint32_t set_bits(uint64_t bits) {
#if defined(__CUDA_ARCH__)
  return static_cast<uint32_t>(__popcll(bits));
#else
  return static_cast<uint32_t>(__builtin_popcountll(bits));
#endif
}

/// Codes of which a bitmask says which are stored. Encoding 10: half of each row's elements; 11: as
/// many as bits are set, from element row_offsets[row] on.
struct StoredElement {
  bool is_stored;
  uint64_t index;
};
IMP_HD inline StoredElement stored_element(const WeightView& w, uint64_t row, uint64_t column) {
  const uint64_t pitch = quotient_up(w.k, 8);
  const uint8_t* mask = w.bitmask + row * pitch;
  if ((load_u8(mask, column / 8) >> (column % 8) & 1) == 0) return {false, 0};
  uint64_t index = w.dialect == kBitmask24 ? row * (w.k / 2) : load_u64(w.row_offsets, 8 * row);
  uint64_t byte = 0;
  for (; byte + 8 <= column / 8; byte += 8) index += set_bits(load_u64(mask, byte));
  for (; byte < column / 8; ++byte) index += set_bits(load_u8(mask, byte));
  return {true, index + set_bits(load_u8(mask, column / 8) & ((1u << (column % 8)) - 1))};
}

IMP_HD inline bool is_sparse(uint16_t encoding) {
  return encoding == kBitmask24 || encoding == kBitmask;
}

}  // namespace imp::kernels::readers
