// mma64 NVFP4 as the sm_80 GEMM reads it: mma.sync m16n8k16 with W as the B operand.
//
// A warp takes a block of 2304 bytes (64 n x 64 k) with four 16-byte loads of codes and one 8-byte
// load of scales a lane, lane = 4g + c. Load p (at 512 p) holds the words of n8 blocks j = 2p and
// 2p + 1, two words each: word h has codes 8h .. 8h+7 of the 16 that the lane owns, k = 16c ..
// 16c+15. Register r of word h is the pair of codes 8h + 2r, 8h + 2r + 1. Step t of the MMA takes
// codes 4t .. 4t+3 of each lane (fragment slots 2c, 2c+1, 2c+8, 2c+9 mean k = 16c + 4t + 0, 1, 2,
// 3), so its two B registers are registers 2(t%2) and 2(t%2) + 1 of word t/2. The n of a lane's B
// fragment is g.
#include "kernels/cpu/bits.h"
#include "kernels/cpu/mma64_words.h"
#include "kernels/cpu/weight_tile.h"
#include "src/base/little_endian.h"

namespace imp::kernels {
namespace {

constexpr uint64_t kBlockBytes = 2304;
constexpr uint64_t kScalesAt = 2048;
constexpr uint32_t kLanes = 32;
/// A scale byte to a bf16x2 of the scale times 2^112, twice.
uint32_t decode_scale(uint32_t b) { return b * 0x00100010u + 0x70007000u; }

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
        // The kernel multiplies a code times 2^-126 by a scale times 2^112. Products have six
        // significant bits and lie in the range of bf16: HMUL2.BF16 rounds nothing either.
        place_fp4_lane(vector + 8 * odd, bf16_low(decode_scale(scale)) * 0x1p-126f, c,
                       tile.value[8 * j + g]);
      }
    }
  }
}

Result<ComponentBytes> sizes(const PackedWeight& weight) {
  ComponentBytes want;
  IMP_ASSIGN(want.codes, bytes_of(weight, {div_up(weight.n, kTileRows),
                                           div_up(weight.k, kTileColumns), kBlockBytes}));
  return want;
}

}  // namespace

const WeightReader kMma64Nvfp4 = {2, 16, Dtype::kU8, 0x1p14f, &kMma64Slots, sizes, read};
/// Groups of 32 are pairs of groups of 16 with equal scales.
const WeightReader kMma64Nvfp4G32 = {2, 17, Dtype::kU8, 0x1p14f, &kMma64Slots, sizes, read};

}  // namespace imp::kernels
