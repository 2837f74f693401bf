// The components of a device weight against what its reader asks for.
#pragma once

#include <string>

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/refusals.h"
#include "kernels/readers/component_bytes.h"

namespace imp::kernels {

/// What a component must have, and what there is of it.
struct PlaneFact {
  const char* name;
  DevicePlane plane;
  uint64_t want_bytes;
  bool optional;
};

/// Every component beside the codes. Which are there is known to a call with pointers alone.
inline Status check_planes(const DeviceWeight& w, const ComponentBytes& want, bool pointers) {
  const PlaneFact facts[] = {
      {"block_scale", w.block_scale, want.block_scale, false},
      {"zero_point", w.zero_point, want.zero_point, true},
      {"group_min", w.group_min, want.group_min, false},
      {"super_scale", w.super_scale, want.super_scale, false},
      {"super_min", w.super_min, want.super_min, false},
      {"bitmask", w.bitmask, want.bitmask, false},
      {"row_offsets", w.row_offsets, want.row_offsets, false},
      {"group_index", w.group_index, want.group_index, true},
      {"lut", w.lut, want.lut, false},
  };
  for (const PlaneFact& fact : facts) {
    if (fact.plane.data == nullptr) {
      if (pointers && !fact.optional && fact.want_bytes != 0)
        return bad_shape(std::string(fact.name) + " is null");
      continue;
    }
    const uint64_t stride = fact.plane.expert_stride_bytes;  // 0: all experts share one
    if (w.experts > 1 && stride != 0 && stride < fact.want_bytes)
      return bad_shape("expert stride " + std::to_string(stride) + " of " + fact.name +
                       ", expected at least " + std::to_string(fact.want_bytes));
  }
  return {};
}

}  // namespace imp::kernels
