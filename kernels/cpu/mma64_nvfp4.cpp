// mma64 NVFP4 as the sm_80 GEMM reads it: mma.sync m16n8k16 with W as the B operand.
//
// A warp takes a block of 2304 bytes (64 n x 64 k) with four 16-byte loads of codes and one 8-byte
// load of scales a lane, lane = 4g + c. Load p (at 512 p) holds the words of n8 blocks j = 2p and
// 2p + 1, two words each: word h has codes 8h .. 8h+7 of the 16 that the lane owns, k = 16c ..
// 16c+15. Register r of word h is the pair of codes 8h + 2r, 8h + 2r + 1. Step t of the MMA takes
// codes 4t .. 4t+3 of each lane (fragment slots 2c, 2c+1, 2c+8, 2c+9 mean k = 16c + 4t + 0, 1, 2,
// 3), so its two B registers are registers 2(t%2) and 2(t%2) + 1 of word t/2. The n of a lane's B
// fragment is g.
#include <cstring>

#include "kernels/cpu/bits.h"
#include "kernels/cpu/weight_tile.h"
#include "src/base/checked.h"
#include "src/base/little_endian.h"

namespace imp::kernels {
namespace {

constexpr uint64_t kBlockBytes = 2304;
constexpr uint64_t kScalesAt = 2048;
constexpr uint32_t kLanes = 32;
constexpr uint32_t kSteps = 4;        ///< m16n8k16 steps in 64 columns
constexpr uint32_t kSlotsOfLane = 4;  ///< B values of a lane in one step
constexpr uint32_t kQuadLanes = 4;

constexpr SlotColumns slot_columns() {
  SlotColumns columns{};
  for (uint32_t t = 0; t < kSteps; ++t)
    for (uint32_t c = 0; c < kQuadLanes; ++c)
      for (uint32_t v = 0; v < kSlotsOfLane; ++v)
        columns[16 * t + 4 * c + v] = static_cast<uint8_t>(16 * c + 4 * t + v);
  return columns;
}
constexpr SlotColumns kSlots = slot_columns();

/// A word of codes to four bf16x2 registers, each value times 2^-126.
struct Bf16x2Words {
  uint32_t r[4];
};
Bf16x2Words decode_codes(uint32_t q) {
  constexpr uint32_t kA = 0x81C081C0, kS = 0x80008000, kG = 0x01C001C0;
  return {{q & kA, (q << 3) & kA, ((q << 1) & kS) | ((q << 6) & kG),
           ((q << 2) & kS) | ((q >> 3) & kG)}};
}

/// A scale byte to a bf16x2 of the scale times 2^112, twice.
uint32_t decode_scale(uint32_t b) { return b * 0x00100010u + 0x70007000u; }

/// The 16 weights times 2^-14 that lane c of a quad holds of one n, to their slots of the row.
void place_lane(const std::byte* words, uint32_t scale_pair, uint32_t c,
                std::array<float, kTileColumns>& row) {
  // The kernel multiplies a code times 2^-126 by a scale times 2^112. Here the 2^-126 sits on the
  // scale, because subnormal floats are slow; the products are the same.
  const float scale = bf16_low(scale_pair) * 0x1p-126f;
  for (uint32_t h = 0; h < 2; ++h) {
    const Bf16x2Words w = decode_codes(load_le<uint32_t>(words + 4 * h));
    for (uint32_t half = 0; half < 2; ++half) {
      const uint32_t t = 2 * h + half;
      float* slots = &row[16 * t + 4 * c];
      // Products have six significant bits and lie in the range of bf16: HMUL2.BF16 rounds nothing
      // either.
      for (uint32_t r = 0; r < 2; ++r) {
        const uint32_t pair = w.r[2 * half + r];
        slots[2 * r] = times_2_126(pair << 16) * scale;
        slots[2 * r + 1] = times_2_126(pair & 0xFFFF0000u) * scale;
      }
    }
  }
}

void read(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile, WeightTile& tile) {
  const uint64_t column_tiles = div_up(weight.k, kTileColumns);
  const std::byte* block =
      weight.codes.data() + (row_tile * column_tiles + column_tile) * kBlockBytes;
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    const uint32_t g = lane / 4, c = lane % 4;
    const uint64_t scales = load_le<uint64_t>(block + kScalesAt + 8 * lane);
    for (uint32_t p = 0; p < 4; ++p) {
      const std::byte* vector = block + 512 * p + 16 * lane;
      for (uint32_t odd = 0; odd < 2; ++odd) {
        const uint32_t j = 2 * p + odd;
        const uint32_t scale = static_cast<uint32_t>(scales >> (8 * j) & 0xFF);
        place_lane(vector + 8 * odd, decode_scale(scale), c, tile.value[8 * j + g]);
      }
    }
  }
}

bool sizes(const PackedWeight& weight, uint64_t& code_bytes, uint64_t& scale_bytes) {
  if (weight.n > UINT64_MAX - kTileRows || weight.k > UINT64_MAX - kTileColumns) return false;
  const auto blocks = checked_mul(div_up(weight.n, kTileRows), div_up(weight.k, kTileColumns));
  if (!blocks) return false;
  const auto bytes = checked_mul(*blocks, kBlockBytes);
  code_bytes = bytes.value_or(0);
  scale_bytes = 0;
  return bytes.has_value();
}

}  // namespace

const WeightReader kMma64Nvfp4 = {2, 16, Dtype::kU8, 0x1p14f, &kSlots, sizes, read};

}  // namespace imp::kernels
