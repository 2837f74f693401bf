// CPU repack into the layouts of other engines (kernels/layouts/README.md: marlin, max_sm8x,
// machete4, machete8): pure functions on memory. As in nvfp4.h callers cut a tensor into row slabs,
// kMap is the definition and kWord must give the same bytes.
//
// These layouts keep their tiles k-major: rows [n0, n1) of W are `runs` pieces of the component,
// one for each step along K, each `run_bytes(n1 - n0)` long; piece i lies at i * run_bytes(padded
// N) + run_bytes(n0). A packed slab holds the pieces one after the other. max_sm8x's codes are
// n-major: one run.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/layouts/engine_orders.h"
#include "src/base/file.h"
#include "src/base/result.h"
#include "src/repack/nvfp4.h"

namespace imp::repack {

using layouts::GroupOrder;
using layouts::TileOrder;

/// How a packed plane of `padded_rows` x `padded_columns` lies in pieces.
struct Runs {
  uint64_t count = 1;
  uint64_t bytes = 0;  ///< of one, for these rows
};

/// Rows that a slab is a multiple of, but for the last of a part: 64, or 128 for machete.
uint64_t tile_rows(TileOrder order);
/// REQUIRES: padded_rows a multiple of tile_rows, padded_k of the tile's columns (16; machete 64).
Runs tile_runs(TileOrder order, uint64_t padded_rows, uint64_t padded_k);

/// A plane and what it is padded to.
struct PaddedBox {
  uint64_t rows = 0;
  uint64_t columns = 0;  ///< K, or groups
  uint64_t padded_rows = 0;
  uint64_t padded_columns = 0;
};

/// Canonical codes [rows, K] (src/quant/encoding.h) to tiles, zeros in the padding. `out`: count *
/// bytes of tile_runs; every byte is written.
void tiles_pack(TileOrder order, Bytes codes, const PaddedBox& box, Path path, MutableBytes out);
/// Errors: kInverseMismatch if padding is not zero; the message names row and column.
Status tiles_unpack(TileOrder order, Bytes packed, const PaddedBox& box, Path path,
                    MutableBytes codes);

/// REQUIRES: padded_rows a multiple of 64. `bits` of an element: 8, 16; 4 for kZero4.
Runs group_runs(GroupOrder order, uint32_t bits, uint64_t padded_rows, uint64_t padded_groups);
/// Canonical plane [rows, groups] to [padded_groups, padded_rows], zeros in the padding.
void groups_pack(GroupOrder order, uint32_t bits, Bytes plane, const PaddedBox& box, Path path,
                 MutableBytes out);
Status groups_unpack(GroupOrder order, uint32_t bits, Bytes packed, const PaddedBox& box, Path path,
                     MutableBytes plane);

// Values of NVFP4 scales, element by element on canonical planes; their order comes after, by
// groups_pack. e4m3: 0x00 to 0x7E or 0x80. An inverse gives 0xFF for what encodes no scale.

/// marlin, dialect A2 (2.5): the power of two by which all scales of an operand are multiplied;
/// `largest`: the largest e4m3 byte among them, parts and experts together.
float marlin_rescale(uint8_t largest);
/// S0E5M3 of scale * rescale, 0 for what falls below.
uint8_t marlin_scale(uint8_t e4m3, float rescale);
uint8_t marlin_scale_inverse(uint8_t stored, float rescale);
/// marlin_a0, dialect A0' (2.5): invertible but for -0, which becomes 0.
uint8_t marlin_a0_scale(uint8_t e4m3);
uint8_t marlin_a0_scale_inverse(uint8_t stored);
/// max_sm8x: bf16 bits of scale * global, rounded to nearest even.
uint16_t max_scale(uint8_t e4m3, float global);
/// The smallest e4m3 byte that gives each bf16 pattern under one global scale; a scale that this
/// does not bring back is lost (its group goes to the exceptions).
class MaxScaleInverse {
 public:
  explicit MaxScaleInverse(float global);
  uint8_t operator()(uint16_t bf16) const;

 private:
  std::vector<std::pair<uint16_t, uint8_t>> scales_;  ///< by pattern
};

}  // namespace imp::repack
