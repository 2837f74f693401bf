// mma64 NVFP4 and MXFP4 as an mma.sync kernel reads them: m16n8k16 with W as the B operand.
//
// A warp takes a block of 64 n x 64 k with four 16-byte loads of codes and one 8-byte load of
// scales a lane, lane = 4g + c. Load p (at 512 p) holds the words of n8 blocks j = 2p and 2p + 1,
// two words each: word h has codes 8h .. 8h+7 of the 16 that the lane owns, k = 16c .. 16c+15.
// Register r of word h is the pair of codes 8h + 2r, 8h + 2r + 1. Step t of the MMA takes codes
// 4t .. 4t+3 of each lane (fragment slots 2c, 2c+1, 2c+8, 2c+9 mean k = 16c + 4t + 0, 1, 2, 3), so
// its two B registers are registers 2(t%2) and 2(t%2) + 1 of word t/2. The n of a lane's B fragment
// is g. Scales, j = 0..7: of NVFP4 at block + 2048 + 8 * lane; of MXFP4, where two quad lanes share
// them, at block + 2048 + 8 * (2g + c/2).
#pragma once

#include "kernels/readers/bits.h"
#include "kernels/readers/component_bytes.h"
#include "kernels/readers/slots.h"

namespace imp::kernels::readers {

/// Word `half` of a word of codes: bf16x2 registers 2 half and 2 half + 1, each value times 2^-126.
struct Fp4Pairs {
  uint32_t first;
  uint32_t second;
};
IMP_HD inline Fp4Pairs decode_fp4_word(uint32_t q, uint32_t half) {
  constexpr uint32_t kA = 0x81C081C0, kS = 0x80008000, kG = 0x01C001C0;
  if (half == 0) return {q & kA, (q << 3) & kA};
  return {((q << 1) & kS) | ((q << 6) & kG), ((q << 2) & kS) | ((q >> 3) & kG)};
}

/// Format: kScheme, kUnit, kBlockBytes, scale_at(lane) (byte of the block), scale(byte).
template <class Format>
struct Mma64Fp4 {
  static constexpr uint16_t kLayout = 2;
  static constexpr uint16_t kScheme = Format::kScheme;
  static constexpr Dtype kDtype = Dtype::kU8;
  static constexpr float kUnit = Format::kUnit;
  static constexpr uint32_t kDialects = 1;
  using Slots = Mma64Slots;

  template <class Put>
  static IMP_HD void read_lane(const WeightView& w, uint64_t row_tile, uint64_t column_tile,
                               uint32_t lane, Put put) {
    const uint8_t* block =
        w.codes + (row_tile * quotient_up(w.k, kReaderColumns) + column_tile) * Format::kBlockBytes;
    const uint32_t g = lane / 4, c = lane % 4;
    for (uint32_t j = 0; j < 8; ++j) {
      const float scale = Format::scale(load_u8(block, 2048 + 8 * Format::scale_index(g, c) + j));
      // Here 2^126 goes to the code, because subnormal floats are slow on a CPU; a tuned kernel has
      // it in the scale, and the products are the same.
      for (uint32_t t = 0; t < 4; ++t) {
        const uint32_t word =
            load_u32(block, 512 * (j / 2) + 16 * lane + 8 * (j % 2) + 4 * (t / 2));
        const Fp4Pairs pairs = decode_fp4_word(word, t % 2);
        const uint32_t row = 8 * j + g, slot = 16 * t + 4 * c;
        put(row, slot, times_2_126(pairs.first << 16) * scale);
        put(row, slot + 1, times_2_126(pairs.first & 0xFFFF0000u) * scale);
        put(row, slot + 2, times_2_126(pairs.second << 16) * scale);
        put(row, slot + 3, times_2_126(pairs.second & 0xFFFF0000u) * scale);
      }
    }
  }

  static Result<ComponentBytes> sizes(const WeightView& w) {
    ComponentBytes want;
    IMP_ASSIGN(want.codes, bytes_of(w, {quotient_up(w.n, kReaderRows),
                                        quotient_up(w.k, kReaderColumns), Format::kBlockBytes}));
    return want;
  }
};

/// A scale byte is decoded to a bf16 of the scale times 2^112. The kernel multiplies a code times
/// 2^-126 by it: products have six significant bits and lie in the range of bf16, so HMUL2.BF16
/// rounds nothing. The accumulator lacks 2^14.
template <uint16_t kNumber>
struct Nvfp4Block {
  static constexpr uint16_t kScheme = kNumber;
  static constexpr float kUnit = 0x1p14f;
  static constexpr uint64_t kBlockBytes = 2304;
  static IMP_HD uint32_t scale_index(uint32_t g, uint32_t c) { return 4 * g + c; }
  static IMP_HD float scale(uint32_t byte) {
    return bf16_low(byte * 0x00100010u + 0x70007000u) * 0x1p-126f;
  }
};
struct Mxfp4Block {
  static constexpr uint16_t kScheme = 18;
  static constexpr float kUnit = 1.0f;
  static constexpr uint64_t kBlockBytes = 2176;
  static IMP_HD uint32_t scale_index(uint32_t g, uint32_t c) { return 2 * g + c / 2; }
  static IMP_HD float scale(uint32_t byte) { return e8m0_bits_to_float(byte); }
};

using Mma64Nvfp4 = Mma64Fp4<Nvfp4Block<16>>;
/// Groups of 32 are pairs of groups of 16 with equal scales.
using Mma64Nvfp4G32 = Mma64Fp4<Nvfp4Block<17>>;
using Mma64Mxfp4 = Mma64Fp4<Mxfp4Block>;

}  // namespace imp::kernels::readers
