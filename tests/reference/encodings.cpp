#include "tests/reference/encodings.h"

namespace imp::reference {
namespace {

enum Number : uint16_t {
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
};

uint64_t up(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit; }

/// Bits that an element of a row-major plane takes.
uint64_t stored_bits(const HeldPlane& plane) { return plane.bits == 4 ? 4 : up(plane.bits, 8) * 8; }

bool is_padded(const HeldPlane& plane) {
  return plane.encoding == kPaddedWords || plane.encoding == kPaddedWordsAlongN;
}

uint64_t words_for(const HeldPlane& plane, uint64_t count) {
  return is_padded(plane) ? up(count, 32 / plane.bits) : up(count * plane.bits, 32);
}

/// Bit `b` of element `i` of a run of words, counted from the run's first bit.
uint64_t bit_in_run(const HeldPlane& plane, uint64_t i, uint32_t b) {
  const uint64_t per_word = 32 / plane.bits;
  if (is_padded(plane)) return i / per_word * 32 + i % per_word * plane.bits + b;
  return i * plane.bits + b;
}

/// Source row of a canonical row: gate rows first, then up rows.
uint64_t interleaved(const HeldPlane& plane, uint64_t row) {
  const uint64_t gates = up(plane.rows, 2);
  return row < gates ? 2 * row : 2 * (row - gates) + 1;
}

uint64_t rows_bit(const HeldPlane& plane, uint64_t row, uint64_t column) {
  return row * up(plane.columns * stored_bits(plane), 8) * 8 + column * stored_bits(plane);
}

/// 4 bits: byte [column / 2][row]; else element [column][row].
uint64_t in_first_bit(const HeldPlane& plane, uint64_t row, uint64_t column) {
  if (plane.bits == 4) return (column / 2 * plane.rows + row) * 8 + column % 2 * 4;
  return (column * plane.rows + row) * stored_bits(plane);
}

uint64_t bit_of(const HeldPlane& plane, uint64_t row, uint64_t column, uint32_t b) {
  switch (plane.encoding) {
    case kSignedBytes:
      return (row * plane.columns + column) * 8 + b;
    case kWords:
    case kPaddedWords:
      return row * words_for(plane, plane.columns) * 32 + bit_in_run(plane, column, b);
    case kWordsAlongN:
    case kPaddedWordsAlongN: {
      const uint64_t bit = bit_in_run(plane, row, b);
      return (bit / 32 * plane.columns + column) * 32 + bit % 32;
    }
    case kNibblesAlongN:
      return (row / 2 * plane.columns + column) * 8 + row % 2 * 4 + b;
    case kInFirst:
      return in_first_bit(plane, row, column) + b;
    case kInFirstInterleaved:
      return in_first_bit(plane, interleaved(plane, row), column) + b;
    case kRowsInterleaved:
      return rows_bit(plane, interleaved(plane, row), column) + b;
    default:
      return rows_bit(plane, row, column) + b;
  }
}

bool is_twos_complement(const HeldPlane& plane) {
  return plane.encoding == kSignedBytes || plane.encoding == kNibblesAlongN;
}

}  // namespace

uint64_t held_bytes(const HeldPlane& plane) {
  switch (plane.encoding) {
    case kSignedBytes:
      return plane.rows * plane.columns;
    case kWords:
    case kPaddedWords:
      return plane.rows * words_for(plane, plane.columns) * 4;
    case kWordsAlongN:
    case kPaddedWordsAlongN:
      return words_for(plane, plane.rows) * plane.columns * 4;
    case kNibblesAlongN:
      return up(plane.rows, 2) * plane.columns;
    default:
      return plane.rows * up(plane.columns * stored_bits(plane), 8);
  }
}

void put_element(const HeldPlane& plane, uint64_t row, uint64_t column, uint64_t element,
                 std::vector<uint8_t>& source) {
  uint64_t value = element;
  uint32_t width = plane.bits;
  if (is_twos_complement(plane)) {
    value = element - (uint64_t{1} << (plane.bits - 1));
    if (plane.encoding == kSignedBytes) width = 8;  // sign extended
  }
  for (uint32_t b = 0; b < width; ++b) {
    const uint64_t at = bit_of(plane, row, column, b);
    source[at / 8] = static_cast<uint8_t>(source[at / 8] | (value >> b & 1) << (at % 8));
  }
}

uint64_t get_element(const HeldPlane& plane, uint64_t row, uint64_t column, const uint8_t* source) {
  uint64_t value = 0;
  for (uint32_t b = 0; b < plane.bits; ++b) {
    const uint64_t at = bit_of(plane, row, column, b);
    value |= uint64_t{source[at / 8] >> (at % 8) & 1u} << b;
  }
  if (!is_twos_complement(plane)) return value;
  return value ^ uint64_t { 1 } << (plane.bits - 1);
}

}  // namespace imp::reference
