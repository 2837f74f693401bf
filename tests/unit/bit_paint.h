// Bit paint: number every bit of a source, pack once per bit of those numbers, and read the whole
// permutation out of the packed buffers.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "tests/reference/layout_variants.h"

namespace imp::test {

/// For each packed bit the number, from 1, of the source bit that it holds; 0 where it holds none.
/// `pack_pass(pass)` packs a source whose bit i is bit `pass` of i + 1.
inline std::vector<uint32_t> permutation(
    size_t bits, const std::function<std::vector<std::byte>(uint32_t)>& pack_pass) {
  std::vector<uint32_t> numbers;
  for (uint32_t pass = 0; pass < static_cast<uint32_t>(std::bit_width(bits)); ++pass) {
    const std::vector<std::byte> packed = pack_pass(pass);
    numbers.resize(8 * packed.size());
    for (size_t at = 0; at < numbers.size(); ++at)
      numbers[at] |= (std::to_integer<uint32_t>(packed[at / 8]) >> (at % 8) & 1u) << pass;
  }
  return numbers;
}

/// Elements whose bits are bit `pass` of their numbers; numbers begin at `first`.
inline reference::WordMatrix painted(uint32_t bits, size_t rows, size_t columns, uint32_t pass,
                                     size_t first = 0) {
  reference::WordMatrix matrix{rows, columns, std::vector<uint32_t>(rows * columns)};
  for (size_t i = 0; i < matrix.at.size(); ++i)
    for (uint32_t bit = 0; bit < bits; ++bit)
      matrix.at[i] |= static_cast<uint32_t>((first + bits * i + bit + 1) >> pass & 1) << bit;
  return matrix;
}

/// Constant bits of 0 come out as number 0.
inline void expect_every_bit_once(const std::vector<uint32_t>& numbers, size_t bits) {
  std::vector<int> seen(bits + 1, 0);
  for (const uint32_t number : numbers) {
    ASSERT_LE(number, bits);
    ++seen[number];
  }
  for (size_t number = 1; number <= bits; ++number)
    ASSERT_EQ(seen[number], 1) << "source bit " << number;
}

}  // namespace imp::test
