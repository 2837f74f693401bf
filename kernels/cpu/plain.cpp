// plain: the source's planes, row by row, in natural order.
#include <algorithm>

#include "kernels/cpu/bits.h"
#include "kernels/cpu/weight_tile.h"
#include "src/base/checked.h"
#include "src/base/little_endian.h"

namespace imp::kernels {
namespace {

constexpr uint64_t kGroup = 16;

constexpr SlotColumns natural_slots() {
  SlotColumns columns{};
  for (uint32_t k = 0; k < kTileColumns; ++k) columns[k] = static_cast<uint8_t>(k);
  return columns;
}

/// at(n, k) for every place of the tile inside the matrix, 0 outside.
template <class At>
void fill(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile, WeightTile& tile,
          At at) {
  for (uint32_t r = 0; r < kTileRows; ++r)
    for (uint32_t column = 0; column < kTileColumns; ++column) {
      const uint64_t n = row_tile * kTileRows + r, k = column_tile * kTileColumns + column;
      tile.value[r][column] = n < weight.n && k < weight.k ? at(n, k) : 0.0f;
    }
}

template <class Stored, float (*kToFloat)(Stored)>
void read_floats(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile,
                 WeightTile& tile) {
  fill(weight, row_tile, column_tile, tile, [&](uint64_t n, uint64_t k) {
    const std::byte* at = weight.codes.data() + (n * weight.k + k) * sizeof(Stored);
    return kToFloat(load_le<Stored>(at));
  });
}

template <class Stored>
bool float_sizes(const PackedWeight& weight, uint64_t& code_bytes, uint64_t& scale_bytes) {
  const auto elems = checked_mul(weight.n, weight.k);
  const auto bytes = elems ? checked_mul(*elems, sizeof(Stored)) : std::nullopt;
  code_bytes = bytes.value_or(0);
  scale_bytes = 0;
  return bytes.has_value();
}

float from_f32(uint32_t bits) { return std::bit_cast<float>(bits); }
float from_f16(uint16_t bits) { return f16_bits_to_float(bits); }
float from_bf16(uint16_t bits) { return bf16_low(bits); }

void read_nvfp4(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile,
                WeightTile& tile) {
  const uint64_t pitch = div_up(weight.k, 2), groups = div_up(weight.k, kGroup);
  fill(weight, row_tile, column_tile, tile, [&](uint64_t n, uint64_t k) {
    const uint32_t pair = std::to_integer<uint32_t>(weight.codes[n * pitch + k / 2]);
    const uint32_t scale = std::to_integer<uint32_t>(weight.block_scale[n * groups + k / kGroup]);
    return e2m1_bits_to_float(pair >> (4 * (k % 2)) & 0xF) * ue4m3_bits_to_float(scale);
  });
}

bool nvfp4_sizes(const PackedWeight& weight, uint64_t& code_bytes, uint64_t& scale_bytes) {
  if (weight.k > UINT64_MAX - kGroup) return false;
  const auto codes = checked_mul(weight.n, div_up(weight.k, 2));
  const auto scales = checked_mul(weight.n, div_up(weight.k, kGroup));
  code_bytes = codes.value_or(0);
  scale_bytes = scales.value_or(0);
  return codes.has_value() && scales.has_value();
}

constexpr SlotColumns kNaturalSlots = natural_slots();

}  // namespace

const WeightReader kPlainF32 = {1,
                                1,
                                Dtype::kF32,
                                1.0f,
                                &kNaturalSlots,
                                float_sizes<uint32_t>,
                                read_floats<uint32_t, from_f32>};
const WeightReader kPlainF16 = {1,
                                2,
                                Dtype::kF16,
                                1.0f,
                                &kNaturalSlots,
                                float_sizes<uint16_t>,
                                read_floats<uint16_t, from_f16>};
const WeightReader kPlainBf16 = {1,
                                 3,
                                 Dtype::kBF16,
                                 1.0f,
                                 &kNaturalSlots,
                                 float_sizes<uint16_t>,
                                 read_floats<uint16_t, from_bf16>};
const WeightReader kPlainNvfp4 = {1, 16, Dtype::kU8, 1.0f, &kNaturalSlots, nvfp4_sizes, read_nvfp4};

}  // namespace imp::kernels
