// What other engines' layouts pad a matrix to (kernel-layouts 2.8, 2.9, 4, 5.1), and whether they
// take it at all. Shapes are known before a plane is read, so both are facts of planning.
#pragma once

#include <cstdint>

#include "kernels/layouts/registry.h"

namespace imp::layouts {

/// Which side of an expert's matrix is the MoE block's intermediate size: its padding is that of
/// both matrices, w13 [2I, hidden] and w2 [hidden, I].
enum class Intermediate : uint8_t { kNone, kRows, kColumns };

struct MatrixShape {
  uint64_t n = 0;  ///< all parts together
  uint64_t k = 0;
  uint64_t group_size = 0;  ///< codes under a scale; 0 or at least k: one scale a row
  Intermediate intermediate = Intermediate::kNone;
  uint32_t parts = 1;  ///< equal ones, where the rows are the intermediate size
};

struct PaddedShape {
  uint64_t n = 0;
  uint64_t k = 0;
  /// Where parts are padded one by one: row of part p in the packed matrix is p * part_rows. 0:
  /// parts follow each other and the matrix is padded at its end.
  uint64_t part_rows = 0;
};

constexpr uint64_t round_up_to(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}
constexpr uint64_t common_multiple(uint64_t a, uint64_t b) {
  uint64_t x = a, y = b;
  while (y != 0) {
    const uint64_t rest = x % y;
    x = y;
    y = rest;
  }
  return a / x * b;
}

/// Marlin's GEMM takes (N % 64, K % 128) or (N % 128, K % 64); the smaller of both paddings.
constexpr PaddedShape marlin_padded_dense(uint64_t n, uint64_t k, uint64_t group) {
  const PaddedShape narrow{round_up_to(n, 64), round_up_to(k, common_multiple(128, group)), 0};
  const PaddedShape wide{round_up_to(n, 128), round_up_to(k, common_multiple(64, group)), 0};
  return wide.n * wide.k < narrow.n * narrow.k ? wide : narrow;
}

/// Experts: only the intermediate size is padded, per part; `hidden` must be a multiple of 64, and
/// where it is none of 128 the intermediate side makes up for it.
constexpr PaddedShape marlin_padded_expert(const MatrixShape& shape, uint64_t group) {
  const bool rows = shape.intermediate == Intermediate::kRows;
  const uint64_t hidden = rows ? shape.k : shape.n;
  const uint64_t unit = common_multiple(hidden % 128 == 0 ? 64 : 128, group);
  if (!rows) return {shape.n, round_up_to(shape.k, unit), 0};
  const uint64_t part = round_up_to(shape.n / shape.parts, unit);
  return {part * shape.parts, shape.k, part};
}

/// REQUIRES: refusal() is nullptr.
constexpr PaddedShape padded_shape(LayoutId layout, const MatrixShape& shape) {
  const uint64_t group =
      shape.group_size == 0 || shape.group_size >= shape.k ? 1 : shape.group_size;
  if (layout == LayoutId::kMarlin || layout == LayoutId::kMarlinA0)
    return shape.intermediate == Intermediate::kNone ? marlin_padded_dense(shape.n, shape.k, group)
                                                     : marlin_padded_expert(shape, group);
  const LayoutInfo& info = *find_layout(static_cast<uint16_t>(layout));
  return {round_up_to(shape.n, info.pad_n), round_up_to(shape.k, info.pad_k), 0};
}

/// Why the layout does not take a matrix of this shape; nullptr if it does. One sentence's end:
/// "N must be a multiple of 64".
constexpr const char* refusal(LayoutId layout, const MatrixShape& shape) {
  const bool one_scale_a_row = shape.group_size == 0 || shape.group_size >= shape.k;
  const bool whole_groups = one_scale_a_row || shape.k % shape.group_size == 0;
  switch (layout) {
    case LayoutId::kMarlin:
    case LayoutId::kMarlinA0:
      if (shape.intermediate == Intermediate::kNone) return nullptr;
      if ((shape.intermediate == Intermediate::kRows ? shape.k : shape.n) % 64 != 0)
        return "the hidden size of experts must be a multiple of 64";
      // K of the matrix that is padded in N stays as it is.
      return shape.intermediate == Intermediate::kColumns || whole_groups
                 ? nullptr
                 : "the hidden size of experts must be a multiple of the group";
    case LayoutId::kMaxSm8x:
      if (shape.n % 64 != 0) return "N must be a multiple of 64";
      return shape.k % 128 == 0 ? nullptr : "K must be a multiple of 128";
    case LayoutId::kMachete4:
    case LayoutId::kMachete8:
      if (shape.n % 128 != 0) return "N must be a multiple of 128";
      if (shape.k % 64 != 0) return "K must be a multiple of 64";
      return whole_groups ? nullptr : "K must be a multiple of the group";
    default:
      return nullptr;
  }
}

}  // namespace imp::layouts
