// 128x4 order of block scales as block-scaled MMAs address it.
#pragma once

#include <cstdint>

#include "src/base/checked.h"
#include "src/base/file.h"
#include "src/base/little_endian.h"

namespace imp::kernels {

inline constexpr uint64_t kSfRows = 128;  ///< rows of a tile
inline constexpr uint64_t kSfTileBytes = 512;

/// The scales of row n in groups 4 * word .. 4 * word + 3, the first in the low byte.
inline uint32_t sf128x4_word(Bytes scales, uint64_t n, uint64_t word, uint64_t groups) {
  return load_le<uint32_t>(scales.data() +
                           ((n / kSfRows) * div_up(groups, 4) + word) * kSfTileBytes +
                           (n % 32) * 16 + ((n % kSfRows) / 32) * 4);
}

}  // namespace imp::kernels
