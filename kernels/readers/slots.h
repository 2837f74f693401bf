// Orders of a tile's 64 columns: slot -> column, in the order in which an accumulator meets the
// products: MMA step, lane of the quad, slot of the lane.
#pragma once

#include <cstdint>

#include "kernels/readers/hd.h"

namespace imp::kernels {

/// Layouts that keep the order of the source's columns.
struct NaturalSlots {
  static IMP_HD constexpr uint32_t column(uint32_t slot) { return slot; }
};

/// Lanes of mma.sync m16n8k16 with W as the B operand over blocks of 64 x 64 in which lane 4g + c
/// owns k = 16c .. 16c+15 of rows 8j + g: step t takes 4t .. 4t+3 of each lane.
struct Mma64Slots {
  static IMP_HD constexpr uint32_t column(uint32_t slot) {
    const uint32_t t = slot / 16, c = slot % 16 / 4, v = slot % 4;
    return 16 * c + 4 * t + v;
  }
  /// Slot of the tile's row that code i of lane c of a quad has.
  static IMP_HD constexpr uint32_t of_lane_code(uint32_t c, uint32_t i) {
    return 16 * (i / 4) + 4 * c + i % 4;
  }
};

/// Lanes of mma.sync m16n8k64 with 4-bit codes, W as the B operand: lane c has k = 8c .. 8c+7 and
/// 32 + 8c .. 32 + 8c+7.
struct NativeFp4Slots {
  static IMP_HD constexpr uint32_t column(uint32_t slot) {
    const uint32_t c = slot / 16, v = slot % 16;
    return 8 * c + v % 8 + 32 * (v / 8);
  }
};

/// Lanes of mma.sync m16n8k32 with one-byte codes, W as the B operand: lane c has k = 4c .. 4c+3
/// and 16 + 4c .. 16 + 4c+3 of each step of 32 columns.
struct NativeMxfp8Slots {
  static IMP_HD constexpr uint32_t column(uint32_t slot) {
    const uint32_t step = slot / 32, c = slot % 32 / 8, v = slot % 8;
    return 32 * step + 4 * c + v % 4 + 16 * (v / 4);
  }
};

/// Lanes of mma.sync m16n8k16 over columns in their order, as other engines' layouts keep them: in
/// step t lane c has k = 2c, 2c + 1, 2c + 8 and 2c + 9 of 16, with W on either side.
struct FragmentSlots {
  static IMP_HD constexpr uint32_t column(uint32_t slot) {
    const uint32_t t = slot / 16, c = slot % 16 / 4, v = slot % 4;
    return 16 * t + 2 * c + v % 2 + 8 * (v / 2);
  }
};

}  // namespace imp::kernels
