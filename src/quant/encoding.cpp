#include "src/quant/encoding.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "src/base/checked.h"
#include "src/quant/encoding_bytes.h"
#include "src/quant/encoding_words.h"
#include "src/quant/transpose.h"

namespace imp::quant {
namespace {

constexpr uint64_t kSaturated = std::numeric_limits<uint64_t>::max();

uint64_t times(uint64_t a, uint64_t b) { return checked_mul(a, b).value_or(kSaturated); }

/// Bytes of `count` elements of `bits` bits in a canonical row.
uint64_t pitch_of(uint64_t count, uint32_t bits) {
  if (bits == 4) return count / 2 + count % 2;
  return times(count, std::max(bits, 8u) / 8);
}

/// Words that hold `count` elements.
uint64_t words_of(uint64_t count, uint32_t bits, bool padded) {
  const uint32_t per_word = 32 / bits;
  if (padded || 32 % bits == 0) return div_up(count, per_word);
  const uint64_t total = times(count, bits);
  return total == kSaturated ? kSaturated : total / 32 + (total % 32 != 0 ? 1 : 0);
}

bool is_padded(Encoding encoding) {
  return encoding == Encoding::kPaddedWords || encoding == Encoding::kPaddedWordsAlongN;
}

/// Canonical row that source row `row` is, where rows are interleaved.
uint64_t deinterleaved(uint64_t row, uint64_t rows) {
  return row % 2 == 0 ? row / 2 : rows - rows / 2 + row / 2;
}

/// Copy rows of `pitch` bytes in or out of the interleaved order.
void move_rows(const PlaneCoding& plane, bool to_source, Bytes from, MutableBytes out) {
  const uint64_t pitch = pitch_of(plane.columns, plane.bits);
  for (uint64_t row = 0; row < plane.rows; ++row) {
    const uint64_t canonical = deinterleaved(row, plane.rows);
    const Bytes piece = from.subspan((to_source ? canonical : row) * pitch, pitch);
    std::copy(piece.begin(), piece.end(), &out[0] + (to_source ? row : canonical) * pitch);
  }
}

/// A 4-bit plane packed along its columns is a plane of bytes, each a pair of columns, in both
/// orders.
ByteMatrix in_first_matrix(const PlaneCoding& plane) {
  const bool nibbles = plane.bits == 4;
  return {plane.rows, nibbles ? div_up(plane.columns, 2) : plane.columns,
          nibbles ? 1 : std::max(plane.bits, 8u) / 8,
          plane.encoding == Encoding::kInFirstInterleaved};
}

}  // namespace

std::string_view encoding_name(Encoding encoding) {
  constexpr std::string_view kNames[] = {"rows",
                                         "signed_bytes",
                                         "words",
                                         "padded_words",
                                         "words_along_n",
                                         "padded_words_along_n",
                                         "nibbles_along_n",
                                         "in_first",
                                         "rows_interleaved",
                                         "in_first_interleaved",
                                         "bitmask24",
                                         "bitmask"};
  const auto number = static_cast<uint16_t>(encoding);
  return number < std::size(kNames) ? kNames[number] : "?";
}

uint64_t canonical_bytes(const PlaneCoding& plane) {
  return times(plane.rows, pitch_of(plane.columns, plane.bits));
}

uint64_t source_bytes(const PlaneCoding& plane) {
  switch (plane.encoding) {
    case Encoding::kRows:
    case Encoding::kRowsInterleaved:
    case Encoding::kInFirst:
    case Encoding::kInFirstInterleaved:
      return canonical_bytes(plane);
    case Encoding::kSignedBytes:
      return times(plane.rows, plane.columns);
    case Encoding::kWords:
    case Encoding::kPaddedWords:
      return times(plane.rows,
                   times(4, words_of(plane.columns, plane.bits, is_padded(plane.encoding))));
    case Encoding::kWordsAlongN:
    case Encoding::kPaddedWordsAlongN:
      return times(times(4, words_of(plane.rows, plane.bits, is_padded(plane.encoding))),
                   plane.columns);
    case Encoding::kNibblesAlongN:
      return times(plane.rows / 2 + plane.rows % 2, plane.columns);
    case Encoding::kBitmask24:
    case Encoding::kBitmask:
      return 0;
  }
  return 0;
}

uint64_t cut_rows(const PlaneCoding& plane) {
  switch (plane.encoding) {
    case Encoding::kRows:
    case Encoding::kSignedBytes:
    case Encoding::kWords:
    case Encoding::kPaddedWords:
      return 1;
    case Encoding::kWordsAlongN:
      return 32 / std::gcd(plane.bits, 32u);
    case Encoding::kPaddedWordsAlongN:
      return 32 / plane.bits;
    case Encoding::kNibblesAlongN:
      return 2;
    default:
      return 0;
  }
}

bool has_canonical(Encoding encoding) { return encoding < Encoding::kBitmask24; }

Status to_canonical(const PlaneCoding& plane, Bytes source, MutableBytes out) {
  if (out.empty()) return {};
  switch (plane.encoding) {
    case Encoding::kSignedBytes:
      return from_signed_bytes(plane, source, out);
    case Encoding::kNibblesAlongN:
      return from_nibbles_along_n(plane, source, out);
    case Encoding::kWords:
    case Encoding::kPaddedWords:
      return from_words(plane, source, out);
    case Encoding::kWordsAlongN:
    case Encoding::kPaddedWordsAlongN:
      return from_words_along_n(plane, source, out);
    case Encoding::kInFirst:
    case Encoding::kInFirstInterleaved:
      to_rows(in_first_matrix(plane), source, out);
      return {};
    case Encoding::kRowsInterleaved:
      move_rows(plane, false, source, out);
      return {};
    default:
      std::copy(source.begin(), source.end(), out.begin());
      return {};
  }
}

void from_canonical(const PlaneCoding& plane, Bytes canonical, MutableBytes out) {
  if (out.empty()) return;
  switch (plane.encoding) {
    case Encoding::kSignedBytes:
      return to_signed_bytes(plane, canonical, out);
    case Encoding::kNibblesAlongN:
      return to_nibbles_along_n(plane, canonical, out);
    case Encoding::kWords:
    case Encoding::kPaddedWords:
      return to_words(plane, canonical, out);
    case Encoding::kWordsAlongN:
    case Encoding::kPaddedWordsAlongN:
      return to_words_along_n(plane, canonical, out);
    case Encoding::kInFirst:
    case Encoding::kInFirstInterleaved:
      return from_rows(in_first_matrix(plane), canonical, out);
    case Encoding::kRowsInterleaved:
      return move_rows(plane, true, canonical, out);
    default:
      std::copy(canonical.begin(), canonical.end(), out.begin());
  }
}

}  // namespace imp::quant
