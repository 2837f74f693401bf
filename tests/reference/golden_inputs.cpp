#include "tests/reference/golden_inputs.h"

namespace imp::reference {

namespace {

ByteMatrix filled(uint32_t seed, size_t columns, uint32_t (*element)(uint32_t)) {
  ByteMatrix matrix{kGoldenRows, columns, {}};
  for (Lcg31 random(seed); matrix.at.size() < kGoldenRows * columns;)
    matrix.at.push_back(static_cast<uint8_t>(element(random.next())));
  return matrix;
}

}  // namespace

ByteMatrix golden_codes() {
  return filled(1, kGoldenColumns, [](uint32_t r) { return r & 15; });
}
ByteMatrix golden_octets() {
  return filled(2, kGoldenColumns, [](uint32_t r) { return r & 255; });
}
ByteMatrix golden_scales() {
  return filled(3, kGoldenGroups, [](uint32_t r) { return r % 127; });
}
ByteMatrix golden_zero_points() {
  return filled(4, kGoldenGroups, [](uint32_t r) { return r & 15; });
}
ByteMatrix golden_e8m0_scales() {
  return filled(5, kGoldenGroups / 2, [](uint32_t r) { return 100 + r % 40; });
}

ByteMatrix corner(const ByteMatrix& from, size_t rows, size_t columns) {
  ByteMatrix part{rows, columns, {}};
  for (size_t row = 0; row < rows; ++row)
    for (size_t column = 0; column < columns; ++column) part.at.push_back(from(row, column));
  return part;
}

}  // namespace imp::reference
