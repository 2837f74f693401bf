// Codes of mma64 blocks that hold codes alone, as the lanes of mma.sync kernels load them.
//
// Lane 4g + c owns k = 16c .. 16c+15 of rows n = 8j + g. Of 4-bit codes it takes, for row j, two
// words at block + 512 * (j/2) + 16 * lane + 8 * (j%2): word h has codes 8h .. 8h+7, and
// (word >> 4r) & 0x000F000F is the pair of codes 8h + 2r, 8h + 2r + 1. Of one-byte codes it takes
// the 16 bytes at block + 512 j + 16 lane, code i in byte i.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/weight_tile.h"
#include "src/base/little_endian.h"

namespace imp::kernels {

inline constexpr uint32_t kLaneCodes = 16;
using LaneCodes = std::array<uint32_t, kLaneCodes>;

struct NibbleLanes {
  static constexpr uint64_t kBlockBytes = 2048;
  static LaneCodes load(const std::byte* block, uint32_t lane, uint32_t j) {
    LaneCodes codes;
    for (uint32_t h = 0; h < 2; ++h) {
      const uint32_t word =
          load_le<uint32_t>(block + 512 * (j / 2) + 16 * lane + 8 * (j % 2) + 4 * h);
      for (uint32_t r = 0; r < 4; ++r) {
        const uint32_t pair = (word >> (4 * r)) & 0x000F000F;
        codes[8 * h + 2 * r] = pair & 0xFFFF;
        codes[8 * h + 2 * r + 1] = pair >> 16;
      }
    }
    return codes;
  }
};

struct ByteLanes {
  static constexpr uint64_t kBlockBytes = 4096;
  static LaneCodes load(const std::byte* block, uint32_t lane, uint32_t j) {
    LaneCodes codes;
    for (uint32_t i = 0; i < kLaneCodes; ++i)
      codes[i] = std::to_integer<uint32_t>(block[512 * j + 16 * lane + i]);
    return codes;
  }
};

/// Slot of the tile's row that code i of lane c of a quad has.
constexpr uint32_t slot_of_lane_code(uint32_t c, uint32_t i) {
  return 16 * (i / 4) + 4 * c + i % 4;
}

/// Element of a plane in lane order: row 8j + g of a row tile.
constexpr uint64_t lane_element(uint64_t row_tile, uint32_t j, uint32_t g, uint64_t group,
                                uint64_t groups) {
  return (row_tile * groups + group) * kTileRows + 8 * g + j;
}

}  // namespace imp::kernels
