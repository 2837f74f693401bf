// Tiles of layouts that keep the source's rows: columns in natural order.
#pragma once

#include "kernels/cpu/weight_tile.h"

namespace imp::kernels {

constexpr SlotColumns natural_slots() {
  SlotColumns columns{};
  for (uint32_t k = 0; k < kTileColumns; ++k) columns[k] = static_cast<uint8_t>(k);
  return columns;
}
inline constexpr SlotColumns kNaturalSlots = natural_slots();

/// at(n, k) for every place of the tile inside the matrix, 0 outside.
template <class At>
void fill_tile(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile,
               WeightTile& tile, At at) {
  for (uint32_t r = 0; r < kTileRows; ++r)
    for (uint32_t column = 0; column < kTileColumns; ++column) {
      const uint64_t n = row_tile * kTileRows + r, k = column_tile * kTileColumns + column;
      tile.value[r][column] = n < weight.n && k < weight.k ? at(n, k) : 0.0f;
    }
}

}  // namespace imp::kernels
