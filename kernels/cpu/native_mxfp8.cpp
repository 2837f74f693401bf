// native MXFP8 as the block-scaled MMA of sm_120 takes its weight side: mma.sync m16n8k32,
// kind::mxf8f6f4, scale_vec::1X, W as the B operand.
//
// Lane 4g + c wants four codes (4 bytes of row n = g) at k = 4c and four at k = 16 + 4c. A step has
// one scale a column; four steps share a 32-bit word in 128x4 order.
#include "kernels/cpu/bits.h"
#include "kernels/cpu/sf128x4.h"
#include "kernels/cpu/weight_tile.h"

namespace imp::kernels {
namespace {

constexpr uint64_t kPitchUnit = 16;
constexpr uint64_t kGroup = 32;
constexpr uint32_t kStep = 32;  ///< columns of an instruction

constexpr SlotColumns slot_columns() {
  SlotColumns columns{};
  for (uint32_t step = 0; step < kTileColumns / kStep; ++step)
    for (uint32_t c = 0; c < 4; ++c)
      for (uint32_t v = 0; v < 8; ++v)
        columns[kStep * step + 8 * c + v] =
            static_cast<uint8_t>(kStep * step + 4 * c + v % 4 + 16 * (v / 4));
  return columns;
}
constexpr SlotColumns kSlots = slot_columns();

uint64_t pitch_bytes(uint64_t k) { return round_up(k, kPitchUnit); }

/// A code of a row; past the pitch the kernel's copy to shared memory fills in zeros.
uint32_t code_at(const PackedWeight& weight, uint64_t n, uint64_t k) {
  const uint64_t pitch = pitch_bytes(weight.k);
  return k < pitch ? std::to_integer<uint32_t>(weight.codes[n * pitch + k]) : 0;
}

void read(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile, WeightTile& tile) {
  const uint64_t groups = div_up(weight.k, kGroup);
  for (uint32_t r = 0; r < kTileRows; ++r) {
    const uint64_t n = row_tile * kTileRows + r;
    tile.value[r].fill(0.0f);
    if (n >= weight.n) continue;
    for (uint32_t slot = 0; slot < kTileColumns; ++slot) {
      const uint64_t k = column_tile * kTileColumns + kSlots[slot], group = k / kGroup;
      if (group >= groups) continue;  // a step that the kernel does not run
      const uint32_t word = sf128x4_word(weight.block_scale, n, group / 4, groups);
      tile.value[r][slot] = e4m3_bits_to_float(code_at(weight, n, k)) *
                            e8m0_bits_to_float(word >> (8 * (group % 4)) & 0xFF);
    }
  }
}

Result<ComponentBytes> sizes(const PackedWeight& weight) {
  ComponentBytes want;
  IMP_ASSIGN(want.codes, bytes_of(weight, {weight.n, pitch_bytes(weight.k)}));
  IMP_ASSIGN(want.block_scale,
             bytes_of(weight, {div_up(weight.n, kSfRows), div_up(div_up(weight.k, kGroup), 4),
                               kSfTileBytes}));
  return want;
}

}  // namespace

const WeightReader kNativeMxfp8 = {3, 19, Dtype::kU8, 1.0f, &kSlots, sizes, read};

}  // namespace imp::kernels
