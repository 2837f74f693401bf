// native, one-byte codes (MXFP8): [N, K] bytes as in the checkpoint, each row padded with zeros to
// a multiple of 16 bytes. N is not padded.
//
//   row n:  | k 0 | k 1 | ... | k K-1 | 0 ... 0 |     pitch = 16 * ceil(K/16)
#pragma once

#include <cstdint>

#include "kernels/layouts/hd.h"

namespace imp::layouts::native_bytes {

inline constexpr uint64_t kRowAlignmentBytes = 16;  ///< TMA and tensor-core descriptors want 16

IMP_HD constexpr uint64_t pitch_bytes(uint64_t k) {
  return (k + kRowAlignmentBytes - 1) / kRowAlignmentBytes * kRowAlignmentBytes;
}

IMP_HD constexpr uint64_t dst_of_src(uint64_t n, uint64_t k, uint64_t pitch) {
  return n * pitch + k;
}

struct Source {
  uint64_t n;
  uint64_t k;  ///< may lie in the padding
};

IMP_HD constexpr Source src_of_dst(uint64_t byte, uint64_t pitch) {
  return {byte / pitch, byte % pitch};
}

constexpr bool check_rows() {
  const uint64_t pitch = pitch_bytes(33);
  for (uint64_t byte = 0; byte < 3 * pitch; ++byte) {
    const Source src = src_of_dst(byte, pitch);
    if (dst_of_src(src.n, src.k, pitch) != byte) return false;
  }
  return pitch == 48 && pitch_bytes(32) == 32 && pitch_bytes(1) == 16;
}
static_assert(check_rows());

}  // namespace imp::layouts::native_bytes
