// mma64 MXFP4 as an mma.sync kernel reads it: the code words of NVFP4 in blocks of 2176 bytes, and
// scales that two quad lanes share: lane 4g + c loads 8 bytes, j = 0..7, at
// block + 2048 + 8 * (2g + c/2).
#include "kernels/cpu/mma64_words.h"

namespace imp::kernels {
namespace {

constexpr uint64_t kBlockBytes = 2176;
constexpr uint64_t kScalesAt = 2048;

void read(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile, WeightTile& tile) {
  const uint64_t column_tiles = div_up(weight.k, kTileColumns);
  const std::byte* block =
      weight.codes.data() + (row_tile * column_tiles + column_tile) * kBlockBytes;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const uint32_t g = lane / 4, c = lane % 4;
    const uint64_t scales = load_le<uint64_t>(block + kScalesAt + 8 * (2 * g + c / 2));
    for (uint32_t j = 0; j < 8; ++j) {
      const float scale = e8m0_bits_to_float(static_cast<uint32_t>(scales >> (8 * j) & 0xFF));
      place_fp4_lane(block + 512 * (j / 2) + 16 * lane + 8 * (j % 2), scale, c,
                     tile.value[8 * j + g]);
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

const WeightReader kMma64Mxfp4 = {2, 18, Dtype::kU8, 1.0f, &kMma64Slots, sizes, read};

}  // namespace imp::kernels
