// native NVFP4 as the block-scaled MMA of sm_120 takes its weight side: mma.sync m16n8k64,
// kind::mxf4nvf4, scale_vec::4X, W as the B operand.
//
// Lane 4g + c wants eight codes (4 bytes of row n = g) at k = 8c and eight at k = 32 + 8c. The
// scales of column n are one 32-bit word, the four groups of the step, which 128x4 order holds at
//   ((n/128) * ceil(groups/4) + step) * 512 + (n%32) * 16 + ((n%128)/32) * 4.
// Values are f32 here: activations come as floats, so only the weight side is that of the
// instruction.
#include "kernels/cpu/bits.h"
#include "kernels/cpu/weight_tile.h"
#include "src/base/checked.h"
#include "src/base/little_endian.h"

namespace imp::kernels {
namespace {

constexpr uint64_t kPitchUnit = 16;
constexpr uint64_t kGroup = 16;
constexpr uint64_t kScaleTileBytes = 512;
constexpr uint32_t kCodesOfRegister = 8;

constexpr SlotColumns slot_columns() {
  SlotColumns columns{};
  for (uint32_t c = 0; c < 4; ++c)
    for (uint32_t v = 0; v < 16; ++v)
      columns[16 * c + v] = static_cast<uint8_t>(8 * c + v % 8 + 32 * (v / 8));
  return columns;
}
constexpr SlotColumns kSlots = slot_columns();

uint64_t pitch_bytes(uint64_t k) { return round_up(div_up(k, 2), kPitchUnit); }

uint32_t scale_word(const PackedWeight& weight, uint64_t n, uint64_t step) {
  const uint64_t steps = div_up(div_up(weight.k, kGroup), 4);
  return load_le<uint32_t>(weight.block_scale.data() +
                           ((n / 128) * steps + step) * kScaleTileBytes + (n % 32) * 16 +
                           ((n % 128) / 32) * 4);
}

/// Four bytes of a row; past the pitch the kernel's copy to shared memory fills in zeros.
uint32_t code_word(const PackedWeight& weight, uint64_t n, uint64_t k) {
  const uint64_t pitch = pitch_bytes(weight.k);
  return k / 2 < pitch ? load_le<uint32_t>(weight.codes.data() + n * pitch + k / 2) : 0;
}

void read(const PackedWeight& weight, uint64_t row_tile, uint64_t step, WeightTile& tile) {
  for (uint32_t r = 0; r < kTileRows; ++r) {
    const uint64_t n = row_tile * kTileRows + r;
    if (n >= weight.n) {
      tile.value[r].fill(0.0f);
      continue;
    }
    const uint32_t scales = scale_word(weight, n, step);
    for (uint32_t c = 0; c < 4; ++c)
      for (uint32_t half = 0; half < 2; ++half) {
        const uint32_t k = 32 * half + kCodesOfRegister * c;
        const uint32_t codes = code_word(weight, n, step * kTileColumns + k);
        const float scale = ue4m3_bits_to_float(scales >> (8 * (k / kGroup)) & 0xFF);
        for (uint32_t i = 0; i < kCodesOfRegister; ++i)
          tile.value[r][16 * c + 8 * half + i] = e2m1_bits_to_float(codes >> (4 * i) & 0xF) * scale;
      }
  }
}

bool sizes(const PackedWeight& weight, uint64_t& code_bytes, uint64_t& scale_bytes) {
  if (weight.n > UINT64_MAX - 128 || weight.k > UINT64_MAX - 64) return false;
  const uint64_t steps = div_up(div_up(weight.k, kGroup), 4);
  const auto codes = checked_mul(weight.n, pitch_bytes(weight.k));
  const auto tiles = checked_mul(div_up(weight.n, 128), steps);
  const auto scales = tiles ? checked_mul(*tiles, kScaleTileBytes) : std::nullopt;
  code_bytes = codes.value_or(0);
  scale_bytes = scales.value_or(0);
  return codes.has_value() && scales.has_value();
}

}  // namespace

const WeightReader kNativeNvfp4 = {3, 16, Dtype::kU8, 1.0f, &kSlots, sizes, read};

}  // namespace imp::kernels
