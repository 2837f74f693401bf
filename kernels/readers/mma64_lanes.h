// Codes of mma64 blocks that hold codes alone, as the lanes of mma.sync kernels load them.
//
// Lane 4g + c owns k = 16c .. 16c+15 of rows n = 8j + g. Of 4-bit codes it takes, for row j, two
// words at block + 512 * (j/2) + 16 * lane + 8 * (j%2): word h has codes 8h .. 8h+7, and
// (word >> 4r) & 0x000F000F is the pair of codes 8h + 2r, 8h + 2r + 1. Of one-byte codes it takes
// the 16 bytes at block + 512 j + 16 lane, code i in byte i.
#pragma once

#include "kernels/readers/slots.h"
#include "kernels/readers/weight_view.h"

namespace imp::kernels::readers {

inline constexpr uint32_t kLaneCodes = 16;

struct NibbleLanes {
  static constexpr uint64_t kBlockBytes = 2048;
  /// visit(i, code) for the codes of row j.
  template <class Visit>
  static IMP_HD void for_each(const uint8_t* block, uint32_t lane, uint32_t j, Visit visit) {
    for (uint32_t h = 0; h < 2; ++h) {
      const uint32_t word = load_u32(block, 512 * (j / 2) + 16 * lane + 8 * (j % 2) + 4 * h);
      for (uint32_t r = 0; r < 4; ++r) {
        const uint32_t pair = (word >> (4 * r)) & 0x000F000F;
        visit(8 * h + 2 * r, pair & 0xFFFF);
        visit(8 * h + 2 * r + 1, pair >> 16);
      }
    }
  }
};

struct ByteLanes {
  static constexpr uint64_t kBlockBytes = 4096;
  template <class Visit>
  static IMP_HD void for_each(const uint8_t* block, uint32_t lane, uint32_t j, Visit visit) {
    for (uint32_t i = 0; i < kLaneCodes; ++i) visit(i, load_u8(block, 512 * j + 16 * lane + i));
  }
};

/// Element of a plane in lane order: row 8j + g of a row tile.
IMP_HD constexpr uint64_t lane_element(uint64_t row_tile, uint32_t j, uint32_t g, uint64_t group,
                                       uint64_t groups) {
  return (row_tile * groups + group) * kReaderRows + 8 * g + j;
}

}  // namespace imp::kernels::readers
