#include "tests/reference/golden_inputs.h"

namespace imp::reference {

ByteMatrix golden_codes() {
  ByteMatrix codes{kGoldenRows, kGoldenColumns, {}};
  for (Lcg31 random(1); codes.at.size() < kGoldenRows * kGoldenColumns;)
    codes.at.push_back(static_cast<uint8_t>(random.next() & 15));
  return codes;
}

ByteMatrix golden_scales() {
  ByteMatrix scales{kGoldenRows, kGoldenGroups, {}};
  for (Lcg31 random(3); scales.at.size() < kGoldenRows * kGoldenGroups;)
    scales.at.push_back(static_cast<uint8_t>(random.next() % 127));
  return scales;
}

ByteMatrix corner(const ByteMatrix& from, size_t rows, size_t columns) {
  ByteMatrix part{rows, columns, {}};
  for (size_t row = 0; row < rows; ++row)
    for (size_t column = 0; column < columns; ++column) part.at.push_back(from(row, column));
  return part;
}

}  // namespace imp::reference
