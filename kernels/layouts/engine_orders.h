// Names of the orders in which the layouts of other engines keep codes and planes of groups: what a
// plan says and a repacker does. The maps are in marlin.h, max_sm8x.h and machete.h.
#pragma once

#include <cstdint>

namespace imp::layouts {

/// Codes of 4 or 8 bits in tiles.
enum class TileOrder : uint8_t { kMarlin4, kMarlin8, kMaxSm8x, kMachete4, kMachete8 };

/// Planes of groups, transposed to [groups, N].
enum class GroupOrder : uint8_t {
  kNatural,  ///< machete
  kGroup,    ///< kernel-layouts 2.4: scales of groups
  kSingle,   ///< one scale a row
  kBytes,    ///< kGroup with the swap of e4m3 and e8m0 bytes
  kZero4,    ///< 2.7: zero points of 4 bits (canonical plane: two a byte), 16-bit activations
  kZero8,
};

/// A tile of codes, and whether tiles follow each other along N first (k-major) or along K.
struct TileShape {
  uint32_t rows = 0;
  uint32_t columns = 0;
  uint32_t bits = 0;
  bool k_major = true;
};

constexpr TileShape tile_shape(TileOrder order) {
  switch (order) {
    case TileOrder::kMarlin4:
      return {64, 16, 4, true};
    case TileOrder::kMarlin8:
      return {64, 16, 8, true};
    case TileOrder::kMaxSm8x:
      return {64, 16, 4, false};
    case TileOrder::kMachete4:
      return {128, 64, 4, true};
    case TileOrder::kMachete8:
      return {128, 64, 8, true};
  }
  return {};
}

}  // namespace imp::layouts
