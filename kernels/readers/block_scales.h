// Block scales of integer and fp8 weights: any float type, one per row, per group of columns, or
// per block of rows and columns.
#pragma once

#include <string>

#include "kernels/readers/bits.h"
#include "kernels/readers/component_bytes.h"

namespace imp::kernels {

IMP_HD inline bool has_block_scales(const WeightView& weight) { return weight.group_size != 0; }
/// A scale has rows and columns of its own.
IMP_HD inline bool is_grid(const WeightView& weight) { return weight.group_rows > 1; }
IMP_HD inline uint64_t groups_along_k(const WeightView& weight) {
  return has_block_scales(weight) ? quotient_up(weight.k, weight.group_size) : 0;
}

/// Bytes of an element; 0 for a dtype that is none of scales.
IMP_HD constexpr uint64_t scale_bytes(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return 4;
    case Dtype::kF16:
    case Dtype::kBF16:
      return 2;
    case Dtype::kU8:
    case Dtype::kF8E8M0:
    case Dtype::kF8E4M3:
      return 1;
    default:
      return 0;
  }
}

/// Errors: kBadRecord for such a dtype, where there are block scales at all.
inline Status check_scale_dtype(const WeightView& weight) {
  if (!has_block_scales(weight) || scale_bytes(weight.scale_dtype) != 0) return {};
  Error error;
  error.kind = ErrorKind::kBadRecord;
  error.message = "block_scale has dtype " + std::string(dtype_name(weight.scale_dtype)) +
                  ", expected F32, F16, BF16, F8_E4M3, F8_E8M0 or U8";
  return error;
}

/// Element `index` of the block scales, exactly; U8 is e8m0. REQUIRES: check_scale_dtype.
IMP_HD inline float block_scale(const WeightView& weight, uint64_t index) {
  switch (weight.scale_dtype) {
    case Dtype::kF32:
      return float_of_bits(load_u32(weight.block_scale, 4 * index));
    case Dtype::kF16:
      return f16_bits_to_float(load_u16(weight.block_scale, 2 * index));
    case Dtype::kBF16:
      return bf16_low(load_u16(weight.block_scale, 2 * index));
    case Dtype::kF8E4M3:
      return e4m3_bits_to_float(load_u8(weight.block_scale, index));
    default:
      return e8m0_bits_to_float(load_u8(weight.block_scale, index));
  }
}

}  // namespace imp::kernels
