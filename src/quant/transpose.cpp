#include "src/quant/transpose.h"

#include <algorithm>
#include <cstring>

namespace imp::quant {
namespace {

/// Edge of a square tile. A tile's 64 rows and 64 columns touch 64 cache lines each for elements of
/// one byte, which L1 holds.
constexpr uint64_t kTile = 64;

template <class T, bool kToRows>
void move_tiles(const ByteMatrix& m, const std::byte* from, std::byte* out) {
  const uint64_t odd_base = m.rows - m.rows / 2;
  for (uint64_t row0 = 0; row0 < m.rows; row0 += kTile) {
    const uint64_t row1 = std::min(row0 + kTile, m.rows);
    for (uint64_t column0 = 0; column0 < m.columns; column0 += kTile) {
      const uint64_t column1 = std::min(column0 + kTile, m.columns);
      for (uint64_t row = row0; row < row1; ++row) {
        const uint64_t target =
            !m.interleaved ? row : (row % 2 == 0 ? row / 2 : odd_base + row / 2);
        const uint64_t line = target * m.columns;
        for (uint64_t column = column0; column < column1; ++column) {
          const uint64_t rows_first = (line + column) * sizeof(T);
          const uint64_t columns_first = (column * m.rows + row) * sizeof(T);
          std::memcpy(out + (kToRows ? rows_first : columns_first),
                      from + (kToRows ? columns_first : rows_first), sizeof(T));
        }
      }
    }
  }
}

template <bool kToRows>
void move_matrix(const ByteMatrix& m, const std::byte* from, std::byte* out) {
  switch (m.element_bytes) {
    case 1:
      return move_tiles<uint8_t, kToRows>(m, from, out);
    case 2:
      return move_tiles<uint16_t, kToRows>(m, from, out);
    case 4:
      return move_tiles<uint32_t, kToRows>(m, from, out);
    default:
      return move_tiles<uint64_t, kToRows>(m, from, out);
  }
}

}  // namespace

void to_rows(const ByteMatrix& matrix, Bytes columns_first, MutableBytes out) {
  move_matrix<true>(matrix, columns_first.data(), out.data());
}

void from_rows(const ByteMatrix& matrix, Bytes rows_first, MutableBytes out) {
  move_matrix<false>(matrix, rows_first.data(), out.data());
}

}  // namespace imp::quant
