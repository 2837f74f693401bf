// How much memory packing a slab takes beside the host's buffers: what sizes the buffers of a card.
#pragma once

#include <cstdint>

#include "src/model/model.h"
#include "src/plan/plan.h"

namespace imp::convert {

/// The most that any one call of a Packer takes in and gives out.
struct SlabNeed {
  uint64_t in_bytes = 0;  ///< planes of a call, each beginning at a multiple of kPlaneAlignment
  uint64_t out_bytes = 0;
};

/// Planes lie in device memory at multiples of this.
inline constexpr uint64_t kPlaneAlignment = 256;

/// For a run of `plan` with slabs of `slab_bytes` (or one unit of rows, where that is more).
SlabNeed slab_need(const model::Source& source, const plan::Plan& plan, uint64_t slab_bytes);

}  // namespace imp::convert
