// A tile of 64 rows x 64 columns of weights as the lanes of a GEMM kernel hold it, and the
// functions that read one from packed bytes. Written from the fragment orders of the PTX
// instructions and the layouts' specification (kernels/layouts/README.md), never from a layout
// header: what the packer got wrong must come out wrong here.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/cpu/gemm.h"

namespace imp::kernels {

inline constexpr uint32_t kTileColumns = 64;

/// slot -> column of the tile, in the order in which an accumulator meets the products: MMA step,
/// lane of the quad, slot of the lane.
using SlotColumns = std::array<uint8_t, kTileColumns>;

/// value[r][slot]. Places that no lane holds stay NaN.
struct WeightTile {
  std::array<std::array<float, kTileColumns>, kTileRows> value;
};

/// One way of storing weights. Spans were checked against `sizes` before `read` is called.
struct WeightReader {
  uint16_t layout;
  uint16_t scheme;
  Dtype dtype;               ///< that PackedWeight::dtype must be; kU8 for quantised schemes
  float unit;                ///< accumulator_unit()
  const SlotColumns* slots;  ///< order inside a tile
  /// Bytes that `codes` and `block_scale` must have; false if that is no number of 64 bits.
  bool (*sizes)(const PackedWeight& weight, uint64_t& code_bytes, uint64_t& scale_bytes);
  /// Rows at or past n and columns at or past k are the layout's padding, or zero where it has
  /// none.
  void (*read)(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile,
               WeightTile& tile);
};

extern const WeightReader kPlainF32;
extern const WeightReader kPlainF16;
extern const WeightReader kPlainBf16;
extern const WeightReader kPlainNvfp4;
extern const WeightReader kMma64Nvfp4;
extern const WeightReader kNativeNvfp4;

}  // namespace imp::kernels
