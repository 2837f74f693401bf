#include "src/quant/encoding_words.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "src/base/checked.h"
#include "src/base/little_endian.h"
#include "src/quant/encoding_bytes.h"

namespace imp::quant {
namespace {

/// Where element i of a run of packed elements lies.
struct Place {
  uint64_t word = 0;
  uint32_t shift = 0;
};

/// Elements of `bits` bits in words, dense or floor(32 / bits) a word.
struct Packing {
  uint32_t bits;
  bool padded;  ///< no element lies in two words

  explicit Packing(const PlaneCoding& plane)
      : bits(plane.bits),
        padded(plane.encoding == Encoding::kPaddedWords ||
               plane.encoding == Encoding::kPaddedWordsAlongN || 32 % plane.bits == 0) {}
  uint32_t per_word() const { return 32 / bits; }
  uint32_t mask() const { return (1u << bits) - 1; }
  Place place(uint64_t i) const {
    if (padded) return {i / per_word(), static_cast<uint32_t>(i % per_word()) * bits};
    return {i * bits / 32, static_cast<uint32_t>(i * bits % 32)};
  }
  uint64_t words(uint64_t count) const {
    return padded ? div_up(count, per_word()) : div_up(count * bits, 32);
  }
  /// Bits of word `word` that elements 0..count-1 fill.
  uint32_t used(uint64_t word, uint64_t count) const {
    const uint64_t filled = padded
                                ? std::min<uint64_t>(count - word * per_word(), per_word()) * bits
                                : std::min<uint64_t>(count * bits - word * 32, 32);
    return filled == 32 ? ~0u : (1u << filled) - 1;
  }
};

Error unused_bits(uint64_t row, uint64_t word) {
  return {ErrorKind::kUnsupportedScheme,
          "unused bits of packed word " + std::to_string(word) + " of row " + std::to_string(row) +
              " are not zero; expected offset binary codes from the lowest bit on",
          {},
          {}};
}

/// 4 and 8 bits fill a word's bytes in canonical order, so a row is a copy.
bool is_copy(uint32_t bits) { return bits == 4 || bits == 8; }

void unpack_row(const Packing& packing, const std::byte* words, uint64_t count, uint8_t* out) {
  const uint32_t mask = packing.mask();
  if (packing.padded) {
    for (uint64_t i = 0; i < count; i += packing.per_word()) {
      uint32_t word = load_le<uint32_t>(words);
      words += 4;
      const uint64_t end = std::min<uint64_t>(i + packing.per_word(), count);
      for (uint64_t j = i; j < end; ++j, word >>= packing.bits)
        out[j] = static_cast<uint8_t>(word & mask);
    }
    return;
  }
  uint64_t window = 0;
  uint32_t held = 0;
  for (uint64_t i = 0; i < count; ++i) {
    if (held < packing.bits) {
      window |= uint64_t{load_le<uint32_t>(words)} << held;
      words += 4;
      held += 32;
    }
    out[i] = static_cast<uint8_t>(window & mask);
    window >>= packing.bits;
    held -= packing.bits;
  }
}

void pack_row(const Packing& packing, const uint8_t* elements, uint64_t count, std::byte* words) {
  if (packing.padded) {
    for (uint64_t i = 0; i < count; i += packing.per_word(), words += 4) {
      const uint64_t end = std::min<uint64_t>(i + packing.per_word(), count);
      uint32_t word = 0;
      for (uint64_t j = i; j < end; ++j)
        word |= uint32_t{elements[j]} << (static_cast<uint32_t>(j - i) * packing.bits);
      store_le(words, word);
    }
    return;
  }
  uint64_t window = 0;
  uint32_t held = 0;
  for (uint64_t i = 0; i < count; ++i) {
    window |= uint64_t{elements[i]} << held;
    held += packing.bits;
    if (held < 32) continue;
    store_le(words, static_cast<uint32_t>(window));
    words += 4;
    window >>= 32;
    held -= 32;
  }
  if (held != 0) store_le(words, static_cast<uint32_t>(window));
}

/// Bits that no element fills: the tail of the last word, or of every word of odd widths padded.
Status check_unused(const Packing& packing, uint64_t row, const std::byte* words, uint64_t count) {
  const uint64_t word_count = packing.words(count);
  if (word_count == 0) return {};
  const bool only_last = !packing.padded || 32 % packing.bits == 0;
  for (uint64_t word = only_last ? word_count - 1 : 0; word < word_count; ++word)
    if ((load_le<uint32_t>(words + 4 * word) & ~packing.used(word, count)) != 0)
      return unused_bits(row, word);
  return {};
}

}  // namespace

Status from_words(const PlaneCoding& plane, Bytes source, MutableBytes out) {
  const Packing packing(plane);
  const uint64_t source_pitch = packing.words(plane.columns) * 4;
  const uint64_t pitch = plane.bits == 4 ? div_up(plane.columns, 2) : plane.columns;
  for (uint64_t row = 0; row < plane.rows; ++row) {
    const std::byte* from = source.data() + row * source_pitch;
    std::byte* to = out.data() + row * pitch;
    IMP_TRY(check_unused(packing, row, from, plane.columns));
    if (is_copy(plane.bits))
      std::memcpy(to, from, pitch);
    else
      unpack_row(packing, from, plane.columns, reinterpret_cast<uint8_t*>(to));
  }
  return {};
}

void to_words(const PlaneCoding& plane, Bytes canonical, MutableBytes out) {
  const Packing packing(plane);
  const uint64_t source_pitch = packing.words(plane.columns) * 4;
  const uint64_t pitch = plane.bits == 4 ? div_up(plane.columns, 2) : plane.columns;
  for (uint64_t row = 0; row < plane.rows; ++row) {
    const std::byte* from = canonical.data() + row * pitch;
    std::byte* to = out.data() + row * source_pitch;
    if (is_copy(plane.bits)) {
      std::memcpy(to, from, pitch);
      std::memset(to + pitch, 0, source_pitch - pitch);
    } else {
      pack_row(packing, reinterpret_cast<const uint8_t*>(from), plane.columns, to);
    }
  }
}

Status from_words_along_n(const PlaneCoding& plane, Bytes source, MutableBytes out) {
  const Packing packing(plane);
  const uint64_t line = plane.columns * 4;
  const uint64_t pitch = plane.bits == 4 ? div_up(plane.columns, 2) : plane.columns;
  std::vector<uint8_t> elements(plane.columns);
  for (uint64_t row = 0; row < plane.rows; ++row) {
    const Place place = packing.place(row);
    const std::byte* from = source.data() + place.word * line;
    const bool straddles = place.shift + plane.bits > 32;
    for (uint64_t column = 0; column < plane.columns; ++column) {
      uint64_t window = load_le<uint32_t>(from + 4 * column);
      if (straddles) window |= uint64_t{load_le<uint32_t>(from + line + 4 * column)} << 32;
      elements[column] = static_cast<uint8_t>(window >> place.shift & packing.mask());
    }
    uint8_t* to = reinterpret_cast<uint8_t*>(out.data()) + row * pitch;
    if (plane.bits == 4)
      pack_nibbles(elements.data(), plane.columns, to);
    else
      std::copy(elements.begin(), elements.end(), to);
  }
  for (uint64_t word = 0; word < packing.words(plane.rows); ++word)
    for (uint64_t column = 0; column < plane.columns; ++column)
      if ((load_le<uint32_t>(source.data() + word * line + 4 * column) &
           ~packing.used(word, plane.rows)) != 0)
        return unused_bits(word, column);
  return {};
}

void to_words_along_n(const PlaneCoding& plane, Bytes canonical, MutableBytes out) {
  const Packing packing(plane);
  const uint64_t line = plane.columns * 4;
  const uint64_t pitch = plane.bits == 4 ? div_up(plane.columns, 2) : plane.columns;
  std::fill(out.begin(), out.end(), std::byte{0});
  std::vector<uint8_t> elements(plane.columns);
  for (uint64_t row = 0; row < plane.rows; ++row) {
    const uint8_t* from = reinterpret_cast<const uint8_t*>(canonical.data()) + row * pitch;
    if (plane.bits == 4)
      spread_nibbles(from, plane.columns, elements.data());
    else
      std::copy(from, from + plane.columns, elements.begin());
    const Place place = packing.place(row);
    std::byte* to = out.data() + place.word * line;
    const bool straddles = place.shift + plane.bits > 32;
    for (uint64_t column = 0; column < plane.columns; ++column) {
      const uint64_t window = uint64_t{elements[column]} << place.shift;
      std::byte* at = to + 4 * column;
      store_le(at, load_le<uint32_t>(at) | static_cast<uint32_t>(window));
      if (straddles)
        store_le(at + line, load_le<uint32_t>(at + line) | static_cast<uint32_t>(window >> 32));
    }
  }
}

}  // namespace imp::quant
