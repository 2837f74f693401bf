// Block scales of integer and fp8 weights: any float type, one per row, per group of columns, or
// per block of rows and columns.
#pragma once

#include <cstdint>

#include "kernels/cpu/gemm.h"
#include "src/base/checked.h"

namespace imp::kernels {

/// Rows that have block scales of their own, and groups along K.
inline bool has_block_scales(const PackedWeight& weight) { return weight.group_size != 0; }
inline bool is_grid(const PackedWeight& weight) { return weight.group_rows > 1; }
inline uint64_t groups_along_k(const PackedWeight& weight) {
  return has_block_scales(weight) ? div_up(weight.k, weight.group_size) : 0;
}

/// Bytes of an element; 0 for a dtype that is none of scales.
uint64_t scale_bytes(Dtype dtype);
/// Errors: kBadRecord for such a dtype, where there are block scales at all.
Status check_scale_dtype(const PackedWeight& weight);

/// Element `index` of the block scales, exactly. REQUIRES: check_scale_dtype.
float block_scale(const PackedWeight& weight, uint64_t index);

}  // namespace imp::kernels
