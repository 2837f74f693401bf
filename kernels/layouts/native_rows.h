// native, 4-bit codes: [N, K/2] bytes as in the checkpoint (even k in the low nibble), each row
// padded with zeros to a multiple of 16 bytes. N is not padded.
//
//   row n:  | k 0,1 | k 2,3 | ... | k K-2,K-1 | 0 ... 0 |     pitch = 16 * ceil(K/32)
#pragma once

#include <cstdint>

#include "kernels/layouts/hd.h"

namespace imp::layouts::native_rows {

inline constexpr uint64_t kRowAlignmentBytes = 16;  ///< TMA and tensor-core descriptors want 16

IMP_HD constexpr uint64_t pitch_bytes(uint64_t k) {
  return (k / 2 + k % 2 + kRowAlignmentBytes - 1) / kRowAlignmentBytes * kRowAlignmentBytes;
}

struct Position {
  uint64_t byte;
  uint32_t shift;  ///< 0 or 4
};

IMP_HD constexpr Position dst_of_src(uint64_t n, uint64_t k, uint64_t pitch) {
  return {n * pitch + k / 2, static_cast<uint32_t>(4 * (k % 2))};
}

struct Source {
  uint64_t n;
  uint64_t k;  ///< may lie in the padding
};

IMP_HD constexpr Source src_of_dst(Position at, uint64_t pitch) {
  return {at.byte / pitch, 2 * (at.byte % pitch) + at.shift / 4};
}

constexpr bool check_rows() {
  const uint64_t pitch = pitch_bytes(48);
  for (uint64_t byte = 0; byte < 3 * pitch; ++byte)
    for (uint32_t shift = 0; shift < 8; shift += 4) {
      const Source src = src_of_dst({byte, shift}, pitch);
      const Position back = dst_of_src(src.n, src.k, pitch);
      if (back.byte != byte || back.shift != shift) return false;
    }
  return pitch == 32 && pitch_bytes(32) == 16 && pitch_bytes(34) == 32;
}
static_assert(check_rows());

}  // namespace imp::layouts::native_rows
