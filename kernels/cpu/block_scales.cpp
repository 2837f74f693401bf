#include "kernels/cpu/block_scales.h"

#include <string>

#include "kernels/cpu/bits.h"
#include "src/base/little_endian.h"

namespace imp::kernels {

uint64_t scale_bytes(Dtype dtype) {
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

Status check_scale_dtype(const PackedWeight& weight) {
  if (!has_block_scales(weight) || scale_bytes(weight.scale_dtype) != 0) return {};
  Error error;
  error.kind = ErrorKind::kBadRecord;
  error.message = "block_scale has dtype " + std::string(dtype_name(weight.scale_dtype)) +
                  ", expected F32, F16, BF16, F8_E4M3, F8_E8M0 or U8";
  return error;
}

float block_scale(const PackedWeight& weight, uint64_t index) {
  const std::byte* at = weight.block_scale.data() + index * scale_bytes(weight.scale_dtype);
  switch (weight.scale_dtype) {
    case Dtype::kF32:
      return std::bit_cast<float>(load_le<uint32_t>(at));
    case Dtype::kF16:
      return f16_bits_to_float(load_le<uint16_t>(at));
    case Dtype::kBF16:
      return bf16_low(load_le<uint16_t>(at));
    case Dtype::kF8E4M3:
      return e4m3_bits_to_float(load_le<uint8_t>(at));
    default:
      return e8m0_bits_to_float(load_le<uint8_t>(at));
  }
}

}  // namespace imp::kernels
