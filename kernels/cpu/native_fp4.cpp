// native 4-bit floats as the block-scaled MMA of sm_120 takes its weight side: mma.sync m16n8k64,
// W as the B operand; NVFP4 is kind::mxf4nvf4 with scale_vec::4X, MXFP4 kind::mxf4 with
// scale_vec::2X.
//
// Lane 4g + c wants eight codes (4 bytes of row n = g) at k = 8c and eight at k = 32 + 8c. The
// scales of column n in a step are four (NVFP4) or two (MXFP4) neighbouring bytes of a 32-bit word
// of four groups, which 128x4 order holds at
//   ((n/128) * ceil(groups/4) + group/4) * 512 + (n%32) * 16 + ((n%128)/32) * 4.
// Values are f32 here: activations come as floats, so only the weight side is that of the
// instruction.
#include "kernels/cpu/bits.h"
#include "kernels/cpu/sf128x4.h"
#include "kernels/cpu/weight_tile.h"
#include "src/base/little_endian.h"

namespace imp::kernels {
namespace {

constexpr uint64_t kPitchUnit = 16;
constexpr uint32_t kCodesOfRegister = 8;

struct Nvfp4 {
  static constexpr uint64_t kGroup = 16;
  static float scale(uint32_t byte) { return ue4m3_bits_to_float(byte); }
};
struct Mxfp4 {
  static constexpr uint64_t kGroup = 32;
  static float scale(uint32_t byte) { return e8m0_bits_to_float(byte); }
};

uint64_t pitch_bytes(uint64_t k) { return round_up(div_up(k, 2), kPitchUnit); }

/// Four bytes of a row; past the pitch the kernel's copy to shared memory fills in zeros.
uint32_t code_word(const PackedWeight& weight, uint64_t n, uint64_t k) {
  const uint64_t pitch = pitch_bytes(weight.k);
  return k / 2 < pitch ? load_le<uint32_t>(weight.codes.data() + n * pitch + k / 2) : 0;
}

template <class Format>
void read(const PackedWeight& weight, uint64_t row_tile, uint64_t step, WeightTile& tile) {
  constexpr uint64_t kStepGroups = kTileColumns / Format::kGroup;
  const uint64_t groups = div_up(weight.k, Format::kGroup);
  for (uint32_t r = 0; r < kTileRows; ++r) {
    const uint64_t n = row_tile * kTileRows + r;
    if (n >= weight.n) {
      tile.value[r].fill(0.0f);
      continue;
    }
    const uint64_t first = step * kStepGroups;
    const uint32_t scales = sf128x4_word(weight.block_scale, n, first / 4, groups) >>
                            (8 * static_cast<uint32_t>(first % 4));
    for (uint32_t c = 0; c < 4; ++c)
      for (uint32_t half = 0; half < 2; ++half) {
        const uint32_t k = 32 * half + kCodesOfRegister * c;
        const uint32_t codes = code_word(weight, n, step * kTileColumns + k);
        const float scale = Format::scale(scales >> (8 * (k / Format::kGroup)) & 0xFF);
        for (uint32_t i = 0; i < kCodesOfRegister; ++i)
          tile.value[r][16 * c + 8 * half + i] = e2m1_bits_to_float(codes >> (4 * i) & 0xF) * scale;
      }
  }
}

template <class Format>
Result<ComponentBytes> sizes(const PackedWeight& weight) {
  ComponentBytes want;
  IMP_ASSIGN(want.codes, bytes_of(weight, {weight.n, pitch_bytes(weight.k)}));
  IMP_ASSIGN(want.block_scale,
             bytes_of(weight, {div_up(weight.n, kSfRows),
                               div_up(div_up(weight.k, Format::kGroup), 4), kSfTileBytes}));
  return want;
}

}  // namespace

const WeightReader kNativeNvfp4 = {3,          16, Dtype::kU8, 1.0f, &kNativeFp4Slots, sizes<Nvfp4>,
                                   read<Nvfp4>};
const WeightReader kNativeMxfp4 = {3,          18, Dtype::kU8, 1.0f, &kNativeFp4Slots, sizes<Mxfp4>,
                                   read<Mxfp4>};

}  // namespace imp::kernels
