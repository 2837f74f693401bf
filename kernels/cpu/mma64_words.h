// The code words of mma64's 4-bit floats, as mma.sync kernels decode them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/bits.h"
#include "kernels/cpu/weight_tile.h"
#include "src/base/little_endian.h"

namespace imp::kernels {

/// A word of codes to four bf16x2 registers, each value times 2^-126.
struct Bf16x2Words {
  uint32_t r[4];
};
inline Bf16x2Words decode_fp4_word(uint32_t q) {
  constexpr uint32_t kA = 0x81C081C0, kS = 0x80008000, kG = 0x01C001C0;
  return {{q & kA, (q << 3) & kA, ((q << 1) & kS) | ((q << 6) & kG),
           ((q << 2) & kS) | ((q >> 3) & kG)}};
}

/// The 16 codes, times `scale`, that lane c of a quad holds of one n, to their slots of the row.
/// Words h = 0, 1 lie at `words`. Here 2^126 goes to the code, because subnormal floats are slow;
/// a kernel has it in the scale, and the products are the same.
inline void place_fp4_lane(const std::byte* words, float scale, uint32_t c,
                           std::array<float, kTileColumns>& row) {
  for (uint32_t h = 0; h < 2; ++h) {
    const Bf16x2Words w = decode_fp4_word(load_le<uint32_t>(words + 4 * h));
    for (uint32_t half = 0; half < 2; ++half) {
      float* slots = &row[16 * (2 * h + half) + 4 * c];
      for (uint32_t r = 0; r < 2; ++r) {
        const uint32_t pair = w.r[2 * half + r];
        slots[2 * r] = times_2_126(pair << 16) * scale;
        slots[2 * r + 1] = times_2_126(pair & 0xFFFF0000u) * scale;
      }
    }
  }
}

}  // namespace imp::kernels
