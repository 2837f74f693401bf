// Tiles of weights as the lanes of a GEMM kernel hold them, read out of packed bytes on the CPU.
#pragma once

#include <array>

#include "kernels/cpu/gemm.h"
#include "kernels/readers/table.h"

namespace imp::kernels {

/// value[r][slot]. Places that no lane puts stay NaN.
struct WeightTile {
  std::array<std::array<float, kReaderColumns>, kTileRows> value;
};

/// The pointers of the spans; an empty span is a component that is not there.
WeightView view_of(const PackedWeight& weight);

/// Fills the tile by the reader at `index` of readers::AllReaders. REQUIRES: the components have
/// component_bytes(weight).
void read_tile(uint32_t index, const WeightView& weight, uint64_t row_tile, uint64_t column_tile,
               WeightTile& tile);

}  // namespace imp::kernels
