#include "src/convert/group_values.h"

#include <cmath>
#include <string>

#include "src/base/little_endian.h"
#include "src/convert/engine_scales.h"
#include "src/quant/bf16.h"
#include "src/quant/e8m0.h"
#include "src/quant/f16.h"

namespace imp::convert {
namespace {

float float_of(Dtype dtype, Bytes plane, uint64_t i) {
  switch (dtype) {
    case Dtype::kBF16:
      return quant::bf16_to_float(load_le<uint16_t>(plane.data() + 2 * i));
    case Dtype::kF16:
      return quant::f16_to_float(load_le<uint16_t>(plane.data() + 2 * i));
    case Dtype::kF32:
      return load_le<float>(plane.data() + 4 * i);
    default:
      return quant::e8m0_to_float(std::to_integer<uint8_t>(plane[i]));
  }
}

Error at(const char* what, uint64_t row, uint64_t column, const std::string& is) {
  return Error{
      ErrorKind::kBadScale,
      std::string(what) + " [" + std::to_string(row) + ", " + std::to_string(column) + "] is " + is,
      "", ""};
}

bool is_finite_bf16(uint16_t bits) { return (bits & 0x7F80) != 0x7F80; }

}  // namespace

void table_values(const ScaleTable& table, Bytes scales, uint32_t bits, MutableBytes out) {
  for (uint64_t i = 0; i < scales.size(); ++i) {
    const uint16_t stored = table.stored[std::to_integer<uint8_t>(scales[i])];
    if (bits == 8)
      out[i] = std::byte(stored);
    else
      store_le(out.data() + 2 * i, stored);
  }
}

Status fp8_values(Dtype dtype, Bytes scales, uint64_t rows, uint64_t columns, uint64_t first_row,
                  uint64_t group_rows, MutableBytes out) {
  for (uint64_t row = 0; row < rows; ++row)
    for (uint64_t c = 0; c < columns; ++c) {
      const float scale = float_of(dtype, scales, row / group_rows * columns + c);
      const uint16_t value = marlin_fp8_scale(scale);
      if (!is_finite_bf16(value))
        return at("block scale", (first_row + row) / group_rows, c,
                  std::to_string(scale) + ", marlin's fp8 kernels take less than 256");
      store_le(out.data() + 2 * (row * columns + c), value);
    }
  return {};
}

Status folded_zeros(Dtype dtype, Bytes scales, uint32_t zero_bits, Bytes zeros, uint64_t rows,
                    uint64_t columns, uint64_t first_row, MutableBytes out) {
  const uint64_t zero_pitch = zero_bits == 4 ? (columns + 1) / 2 : columns;
  for (uint64_t row = 0; row < rows; ++row)
    for (uint64_t c = 0; c < columns; ++c) {
      const auto byte =
          std::to_integer<uint8_t>(zeros[row * zero_pitch + (zero_bits == 4 ? c / 2 : c)]);
      const int zero = zero_bits == 4 ? byte >> (4 * (c % 2)) & 0xF : byte;
      // 11 and 8 bits: the product of floats is exact.
      const float folded = -(float_of(dtype, scales, row * columns + c) * static_cast<float>(zero));
      const bool half = dtype == Dtype::kF16;
      const uint16_t value = half ? quant::f16_from_float(folded) : quant::bf16_from_float(folded);
      if (half ? (value & 0x7C00) == 0x7C00 : !is_finite_bf16(value))
        return at("zero point", first_row + row, c,
                  std::to_string(zero) + ", which overflows once it is multiplied by its scale");
      store_le(out.data() + 2 * (row * columns + c), value);
    }
  return {};
}

}  // namespace imp::convert
