// Scales and zero points of the mma64 variants that keep them beside the blocks, version 0: one
// element per row and group, [ceil(N/64), groups, 64], in lane order.
//
//   element (n/64, group, 8*(n%8) + (n%64)/8)
//   | g 0: j = 0..7 | g 1 | ... | g 7 |        n%64 = 8j + g
//
// The lanes 4g .. 4g + 3 of a warp want the eight scales of rows 8j + g of one group: eight
// consecutive elements. N is padded to 64 with zero bits, groups are not padded. A scale has the
// source's own bits; a zero point of 4 or 8 bits takes a byte, offset binary as its codes.
#pragma once

#include <cstdint>

#include "kernels/layouts/hd.h"

namespace imp::layouts::mma64_plane {

inline constexpr uint32_t kTileN = 64;

/// The block scales of a weight of `k` columns that the variants with scales beside the blocks
/// take: none (group_size 0), one per row and group of a multiple of 32 columns or of the whole
/// row, or a grid of at least 64 rows, which keeps its own order.
IMP_HD constexpr bool holds_groups(uint64_t k, uint64_t group_size, uint64_t group_rows) {
  return group_size == 0 ||
         ((group_size >= k || group_size % 32 == 0) && (group_rows <= 1 || group_rows >= kTileN));
}

/// Element of the 64 of a tile and group that row n (0..63) has.
IMP_HD constexpr uint32_t element_of_src(uint32_t n) { return 8 * (n % 8) + n / 8; }
IMP_HD constexpr uint32_t src_of_element(uint32_t element) {
  return 8 * (element % 8) + element / 8;
}

/// Element of the whole plane.
IMP_HD constexpr uint64_t dst_of_src(uint64_t n, uint64_t group, uint64_t groups) {
  return ((n / kTileN) * groups + group) * kTileN +
         element_of_src(static_cast<uint32_t>(n % kTileN));
}

constexpr bool check_elements() {
  for (uint32_t element = 0; element < kTileN; ++element) {
    const uint32_t n = src_of_element(element);
    if (n >= kTileN || element_of_src(n) != element) return false;
  }
  return true;
}
static_assert(check_elements());

}  // namespace imp::layouts::mma64_plane
