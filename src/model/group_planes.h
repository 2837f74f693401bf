// Planes with one element for some columns of a row: block scales and what belongs to them.
#pragma once

#include <cstdint>

#include "formats/imp/ondisk.h"
#include "src/quant/ggml_blocks.h"

namespace imp::model {

/// Block scales, group mins, and the super scales and super mins over them: numbers of their own
/// dtype.
constexpr bool is_scale_plane(artifact::ComponentKind kind) {
  return kind == artifact::ComponentKind::kBlockScale ||
         kind == artifact::ComponentKind::kGroupMin ||
         kind == artifact::ComponentKind::kSuperScale || kind == artifact::ComponentKind::kSuperMin;
}

/// Those and zero points, which have the width of the codes.
constexpr bool is_group_plane(artifact::ComponentKind kind) {
  return is_scale_plane(kind) || kind == artifact::ComponentKind::kZeroPoint;
}

/// Columns of W under one element of such a plane.
constexpr uint64_t columns_under(artifact::ComponentKind kind, uint64_t group_size) {
  const bool is_super =
      kind == artifact::ComponentKind::kSuperScale || kind == artifact::ComponentKind::kSuperMin;
  return is_super ? quant::kSuperGroup : group_size;
}

/// Elements of a row of such a plane; the last may be of fewer columns. 1 where the weight has no
/// groups.
constexpr uint64_t groups_of(artifact::ComponentKind kind, uint64_t group_size, uint64_t k) {
  if (group_size == 0) return 1;
  const uint64_t columns = columns_under(kind, group_size);
  return k / columns + (k % columns != 0 ? 1 : 0);
}

}  // namespace imp::model
