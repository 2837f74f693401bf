#include "src/plan/engine_forms.h"

#include <algorithm>

#include "src/base/checked.h"
#include "src/base/dtype.h"
#include "src/model/group_planes.h"
#include "src/plan/planes.h"

namespace imp::plan {
namespace {

using layouts::GroupOrder;
using layouts::Intermediate;
using layouts::PaddedShape;
using layouts::TileOrder;
using model::Model;
using model::Role;
using model::Scheme;
using model::Weight;

bool is_marlin(LayoutId layout) {
  return layout == LayoutId::kMarlin || layout == LayoutId::kMarlinA0;
}
bool is_machete(LayoutId layout) {
  return layout == LayoutId::kMachete4 || layout == LayoutId::kMachete8;
}

/// Gate and up in one tensor are two parts to the engines.
uint32_t equal_parts(Role role, size_t parts) {
  return static_cast<uint32_t>(role == Role::kExpertGateUp ? std::max<size_t>(parts, 2) : parts);
}

layouts::MatrixShape matrix_of(Role role, uint64_t n, uint64_t k, uint64_t group, size_t parts) {
  return {n, k, group, intermediate_of(role), equal_parts(role, parts)};
}

bool one_scale_a_row(uint64_t group_size, uint64_t k) { return group_size == 0 || group_size >= k; }

/// [runs of rows along N] of a plane of groups.
Pieces group_pieces(GroupOrder order, GroupValues values, uint32_t bits, uint64_t padded_groups,
                    uint64_t padded_n) {
  Pieces pieces;
  pieces.groups = order;
  pieces.values = values;
  pieces.bits = bits;
  pieces.count = padded_groups;
  pieces.stride_bytes = padded_n * bits / 8;
  pieces.row_bits = bits;
  pieces.padded_columns = padded_groups;
  return pieces;
}

class Planes {
 public:
  Planes(LayoutId layout, const Operand& operand, const Model& model)
      : layout_(layout),
        operand_(operand),
        model_(model),
        first_(model.weights[operand.parts[0].weight]),
        padded_(engine_shape(layout, operand)) {}

  std::vector<EnginePlane> build() {
    add_codes();
    if (operand_.scheme == Scheme::kNvfp4)
      add_nvfp4_scales();
    else if (operand_.scheme == Scheme::kMxfp4)
      add_groups(ComponentKind::kBlockScale, GroupOrder::kBytes, GroupValues::kAsIs, Dtype::kU8, 8);
    else if (operand_.scheme == Scheme::kFp8)
      add_fp8_scales();
    else if (is_machete(layout_))
      add_machete_scales();
    else
      add_integer_scales();
    return std::move(out_);
  }

 private:
  /// Of a format that fixes the group, one group is a group all the same.
  bool one_a_row() const {
    return model::group_size_of(operand_.scheme) == 0 &&
           one_scale_a_row(operand_.group_size, operand_.k);
  }
  uint64_t padded_groups() const {
    return one_a_row() ? 1 : padded_.k / std::max<uint64_t>(operand_.group_size, 1);
  }
  Dtype scale_dtype() const {
    return first_tensor(model_, *first_.find(ComponentKind::kBlockScale)).dtype;
  }
  bool has(ComponentKind kind) const { return first_.find(kind) != nullptr; }

  TileOrder tile_order() const {
    if (layout_ == LayoutId::kMaxSm8x) return TileOrder::kMaxSm8x;
    if (layout_ == LayoutId::kMachete4) return TileOrder::kMachete4;
    if (layout_ == LayoutId::kMachete8) return TileOrder::kMachete8;
    return model::code_bits(operand_.scheme) == 4 ? TileOrder::kMarlin4 : TileOrder::kMarlin8;
  }

  /// nvfp4: what the stored scales are, on which the exceptions depend.
  GroupValues scale_values() const {
    if (operand_.scheme != Scheme::kNvfp4) return GroupValues::kAsIs;
    if (layout_ == LayoutId::kMaxSm8x) return GroupValues::kMaxScale;
    return layout_ == LayoutId::kMarlin ? GroupValues::kMarlinScale : GroupValues::kMarlinA0Scale;
  }

  void add_codes() {
    const TileOrder order = tile_order();
    const layouts::TileShape tile = layouts::tile_shape(order);
    EnginePlane plane;
    plane.from = ComponentKind::kCodes;
    plane.pieces.tiles = order;
    plane.pieces.values = scale_values();
    plane.pieces.bits = tile.bits;
    plane.pieces.padded_columns = padded_.k;
    if (tile.k_major) {
      const uint64_t column_bits = uint64_t{tile.columns} * tile.bits;
      plane.pieces.count = padded_.k / tile.columns;
      plane.pieces.row_bits = column_bits;
      plane.pieces.stride_bytes = padded_.n * column_bits / 8;
      plane.shape = {padded_.k / tile.columns, padded_.n / tile.rows, tile.rows * column_bits / 8};
    } else {
      plane.pieces.row_bits = padded_.k * tile.bits;
      plane.shape = {codes_bytes() + padded_.n * (padded_.k / operand_.group_size) * 2};
    }
    out_.push_back(plane);
  }
  uint64_t codes_bytes() const { return padded_.n * padded_.k / 2; }  // of max_sm8x

  /// `bits` of an element; the shape is [groups, N] of `dtype`.
  EnginePlane& add_groups(ComponentKind kind, GroupOrder order, GroupValues values, Dtype dtype,
                          uint32_t bits) {
    EnginePlane plane;
    plane.component = kind;
    plane.from = kind;
    plane.action = Action::kEngineGroups;
    plane.dtype = dtype;
    plane.shape = {padded_groups(), padded_.n * bits / dtype_bits(dtype)};
    plane.pieces = group_pieces(order, values, bits, padded_groups(), padded_.n);
    out_.push_back(plane);
    return out_.back();
  }

  void add_nvfp4_scales() {
    if (layout_ != LayoutId::kMaxSm8x) {
      add_groups(ComponentKind::kBlockScale, GroupOrder::kBytes, scale_values(), Dtype::kU8, 8);
      return;
    }
    EnginePlane& plane = add_groups(ComponentKind::kBlocks, GroupOrder::kGroup,
                                    GroupValues::kMaxScale, Dtype::kBF16, 16);
    plane.from = ComponentKind::kBlockScale;
    plane.offset_bytes = codes_bytes();
  }

  void add_fp8_scales() {
    const GroupOrder order = one_a_row() ? GroupOrder::kSingle : GroupOrder::kGroup;
    EnginePlane& plane =
        add_groups(ComponentKind::kBlockScale, order, GroupValues::kFp8Scale, Dtype::kBF16, 16);
    plane.pieces.group_rows = operand_.group_rows;
    if (!has(ComponentKind::kBlockScale))
      plane.from = std::nullopt;
    else
      add_as_in_source(ComponentKind::kSourceScale, ComponentKind::kBlockScale);
  }

  void add_as_in_source(ComponentKind kind, ComponentKind from) {
    EnginePlane plane;
    plane.component = kind;
    plane.from = from;
    plane.action = Action::kCopy;
    plane.required = false;
    out_.push_back(plane);
  }

  void add_integer_scales() {
    add_groups(ComponentKind::kBlockScale, one_a_row() ? GroupOrder::kSingle : GroupOrder::kGroup,
               GroupValues::kAsIs, scale_dtype(), 16);
    if (!has(ComponentKind::kZeroPoint)) return;
    const uint32_t bits = model::code_bits(operand_.scheme);
    add_groups(ComponentKind::kZeroPoint, bits == 4 ? GroupOrder::kZero4 : GroupOrder::kZero8,
               GroupValues::kAsIs, Dtype::kU8, bits);
  }

  void add_machete_scales() {
    add_groups(ComponentKind::kBlockScale, GroupOrder::kNatural, GroupValues::kAsIs, scale_dtype(),
               16);
    if (!has(ComponentKind::kZeroPoint)) return;
    EnginePlane& folded = add_groups(ComponentKind::kGroupMin, GroupOrder::kNatural,
                                     GroupValues::kFoldedZero, scale_dtype(), 16);
    folded.from = ComponentKind::kZeroPoint;
    add_as_in_source(ComponentKind::kZeroPoint, ComponentKind::kZeroPoint);
  }

  const LayoutId layout_;
  const Operand& operand_;
  const Model& model_;
  const Weight& first_;
  const PaddedShape padded_;
  std::vector<EnginePlane> out_;
};

}  // namespace

Intermediate intermediate_of(Role role) {
  switch (role) {
    case Role::kExpertGateUp:
    case Role::kExpertGate:
    case Role::kExpertUp:
      return Intermediate::kRows;
    case Role::kExpertDown:
      return Intermediate::kColumns;
    default:
      return Intermediate::kNone;
  }
}

bool is_engine_layout(LayoutId layout) {
  return is_marlin(layout) || is_machete(layout) || layout == LayoutId::kMaxSm8x;
}

PaddedShape engine_shape(LayoutId layout, const Operand& operand) {
  return layouts::padded_shape(layout, matrix_of(operand.role, operand.n, operand.k,
                                                 operand.group_size, operand.parts.size()));
}

bool pads_parts(LayoutId layout, Role role) {
  return is_marlin(layout) && intermediate_of(role) == Intermediate::kRows;
}

uint16_t engine_dialect(LayoutId, const Operand& operand, const Model& model) {
  if (!model::is_integer(operand.scheme)) return 0;
  const Weight& weight = model.weights[operand.parts[0].weight];
  return first_tensor(model, *weight.find(ComponentKind::kBlockScale)).dtype == Dtype::kF16;
}

bool has_joint_multiplier(LayoutId layout, Scheme scheme) {
  return is_marlin(layout) && scheme == Scheme::kNvfp4;
}

bool folds_multiplier(LayoutId layout, Scheme scheme) {
  return layout == LayoutId::kMaxSm8x || (is_marlin(layout) && scheme == Scheme::kFp8);
}

std::vector<EnginePlane> engine_planes(LayoutId layout, const Operand& operand,
                                       const Model& model) {
  return Planes(layout, operand, model).build();
}

std::vector<PackedRun> packed_runs(LayoutId layout, const Operand& operand, uint32_t part) {
  const PaddedShape padded = engine_shape(layout, operand);
  const Part& p = operand.parts[part];
  if (padded.part_rows != 0 && operand.parts.size() == 1 && operand.role == Role::kExpertGateUp) {
    const uint64_t half = p.n_count / 2;
    return {{0, half, 0, padded.part_rows}, {half, half, padded.part_rows, padded.part_rows}};
  }
  if (padded.part_rows != 0) return {{0, p.n_count, part * padded.part_rows, padded.part_rows}};
  const bool last = part + 1 == operand.parts.size();
  return {{0, p.n_count, p.n0, (last ? padded.n : p.n0 + p.n_count) - p.n0}};
}

}  // namespace imp::plan
