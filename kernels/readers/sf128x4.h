// 128x4 order of block scales as block-scaled MMAs address it.
#pragma once

#include "kernels/readers/weight_view.h"

namespace imp::kernels::readers {

inline constexpr uint64_t kSfRows = 128;  ///< rows of a tile
inline constexpr uint64_t kSfTileBytes = 512;

/// The scales of row n in groups 4 * word .. 4 * word + 3, the first in the low byte.
IMP_HD inline uint32_t sf128x4_word(const uint8_t* scales, uint64_t n, uint64_t word,
                                    uint64_t groups) {
  return load_u32(scales, ((n / kSfRows) * quotient_up(groups, 4) + word) * kSfTileBytes +
                              (n % 32) * 16 + ((n % kSfRows) / 32) * 4);
}

}  // namespace imp::kernels::readers
