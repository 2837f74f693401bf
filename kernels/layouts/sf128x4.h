// sf128x4: block scales as Blackwell's block-scaled MMA takes them (cuBLAS VEC16_UE4M3 /
// VEC32_UE8M0, CUTLASS Sm1xxBlockScaledConfig, PyTorch SWIZZLE_32_4_4).
//
// Scales are [N, G] bytes, G = K / group. Tiles of 128 rows x 4 groups (512 bytes) lie row-tile
// major, group-tile fastest; inside a tile byte = (r%32)*16 + (r/32)*4 + s, r = row in tile, s =
// group in tile:
//
//   bytes 0..3    row 0,  groups 0..3        bytes 16..19   row 1, ...
//   bytes 4..7    row 32, groups 0..3
//   bytes 8..11   row 64, groups 0..3        N is padded to 128 and G to 4, with zeros.
//   bytes 12..15  row 96, groups 0..3
#pragma once

#include <cstdint>

#include "kernels/layouts/hd.h"

namespace imp::layouts::sf128x4 {

inline constexpr uint32_t kTileRows = 128;
inline constexpr uint32_t kTileGroups = 4;
inline constexpr uint32_t kTileBytes = kTileRows * kTileGroups;

IMP_HD constexpr uint32_t byte_of_src(uint32_t row, uint32_t group) {
  return (row % 32) * 16 + (row / 32) * 4 + group;
}

struct Source {
  uint32_t row;    ///< 0..127
  uint32_t group;  ///< 0..3
};

IMP_HD constexpr Source src_of_byte(uint32_t byte) {
  return {byte / 16 + 32 * (byte % 16 / 4), byte % 4};
}

IMP_HD constexpr uint64_t group_tiles(uint64_t groups) {
  return (groups + kTileGroups - 1) / kTileGroups;
}

/// Offset of the scale of (row, group) in a matrix with `groups` scales a row.
IMP_HD constexpr uint64_t dst_of_src(uint64_t row, uint64_t group, uint64_t groups) {
  return ((row / kTileRows) * group_tiles(groups) + group / kTileGroups) * kTileBytes +
         byte_of_src(static_cast<uint32_t>(row % kTileRows),
                     static_cast<uint32_t>(group % kTileGroups));
}

/// Bytes of a [rows, groups] matrix, padding included.
IMP_HD constexpr uint64_t size_bytes(uint64_t rows, uint64_t groups) {
  return (rows + kTileRows - 1) / kTileRows * group_tiles(groups) * kTileBytes;
}

constexpr bool check_tile() {
  for (uint32_t byte = 0; byte < kTileBytes; ++byte) {
    const Source src = src_of_byte(byte);
    if (src.row >= kTileRows || src.group >= kTileGroups || byte_of_src(src.row, src.group) != byte)
      return false;
  }
  return true;
}
static_assert(check_tile());

}  // namespace imp::layouts::sf128x4
