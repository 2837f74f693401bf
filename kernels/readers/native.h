// native as the block-scaled MMAs of sm_120 take their weight side, W as the B operand:
//   4-bit floats, mma.sync m16n8k64; NVFP4 is kind::mxf4nvf4 with scale_vec::4X, MXFP4 kind::mxf4
//   with scale_vec::2X. Lane 4g + c wants eight codes (4 bytes of row n = g) at k = 8c and eight at
//   k = 32 + 8c. The scales of column n in a step are four (NVFP4) or two (MXFP4) neighbouring
//   bytes of a 32-bit word of four groups, which 128x4 order holds at
//     ((n/128) * ceil(groups/4) + group/4) * 512 + (n%32) * 16 + ((n%128)/32) * 4;
//   MXFP8, m16n8k32, kind::mxf8f6f4, scale_vec::1X. Lane 4g + c wants four codes (4 bytes of row
//   n = g) at k = 4c and four at k = 16 + 4c. A step has one scale a column; four steps share a
//   word of scales.
// Values are f32 here: activations come as floats, so only the weight side is that of the
// instruction.
#pragma once

#include "kernels/readers/bits.h"
#include "kernels/readers/component_bytes.h"
#include "kernels/readers/sf128x4.h"
#include "kernels/readers/slots.h"

namespace imp::kernels::readers {

inline constexpr uint64_t kNativePitchUnit = 16;

template <class Format>
Result<ComponentBytes> native_sizes(const WeightView& w) {
  ComponentBytes want;
  IMP_ASSIGN(want.codes, bytes_of(w, {w.n, Format::pitch_bytes(w.k)}));
  IMP_ASSIGN(want.block_scale,
             bytes_of(w, {quotient_up(w.n, kSfRows),
                          quotient_up(quotient_up(w.k, Format::kGroup), 4), kSfTileBytes}));
  return want;
}

struct NativeNibbles {
  static IMP_HD uint64_t pitch_bytes(uint64_t k) {
    return quotient_up(quotient_up(k, 2), kNativePitchUnit) * kNativePitchUnit;
  }
};
struct NativeNvfp4Format : NativeNibbles {
  static constexpr uint16_t kScheme = 16;
  static constexpr uint64_t kGroup = 16;
  static IMP_HD float scale(uint32_t byte) { return ue4m3_bits_to_float(byte); }
};
struct NativeMxfp4Format : NativeNibbles {
  static constexpr uint16_t kScheme = 18;
  static constexpr uint64_t kGroup = 32;
  static IMP_HD float scale(uint32_t byte) { return e8m0_bits_to_float(byte); }
};

template <class Format>
struct NativeFp4 {
  static constexpr uint16_t kLayout = 3;
  static constexpr uint16_t kScheme = Format::kScheme;
  static constexpr Dtype kDtype = Dtype::kU8;
  static constexpr float kUnit = 1.0f;
  static constexpr uint32_t kDialects = 1;
  using Slots = NativeFp4Slots;

  template <class Put>
  static IMP_HD void read_lane(const WeightView& w, uint64_t row_tile, uint64_t step, uint32_t lane,
                               Put put) {
    constexpr uint64_t kStepGroups = kReaderColumns / Format::kGroup;
    const uint64_t groups = quotient_up(w.k, Format::kGroup), first = step * kStepGroups;
    const uint64_t pitch = Format::pitch_bytes(w.k);
    const uint32_t g = lane / 4, c = lane % 4;
    for (uint32_t j = 0; j < 8; ++j) {
      const uint64_t n = row_tile * kReaderRows + 8 * j + g;
      const bool inside = n < w.n;
      const uint32_t scales = inside ? sf128x4_word(w.block_scale, n, first / 4, groups) >>
                                           (8 * static_cast<uint32_t>(first % 4))
                                     : 0;
      for (uint32_t half = 0; half < 2; ++half) {
        const uint32_t in_step = 32 * half + 8 * c;
        const uint64_t byte = (step * kReaderColumns + in_step) / 2;
        // Past the pitch the kernel's copy to shared memory fills in zeros.
        const uint32_t codes = inside && byte < pitch ? load_u32(w.codes, n * pitch + byte) : 0;
        const auto group = static_cast<uint32_t>(in_step / Format::kGroup);
        const float scale = inside ? Format::scale(scales >> (8 * group) & 0xFF) : 0.0f;
        for (uint32_t i = 0; i < 8; ++i)
          put(8 * j + g, 16 * c + 8 * half + i, e2m1_bits_to_float(codes >> (4 * i) & 0xF) * scale);
      }
    }
  }

  static Result<ComponentBytes> sizes(const WeightView& w) { return native_sizes<Format>(w); }
};

struct NativeMxfp8 {
  static constexpr uint16_t kLayout = 3;
  static constexpr uint16_t kScheme = 19;
  static constexpr Dtype kDtype = Dtype::kU8;
  static constexpr float kUnit = 1.0f;
  static constexpr uint32_t kDialects = 1;
  static constexpr uint64_t kGroup = 32;
  using Slots = NativeMxfp8Slots;

  static IMP_HD uint64_t pitch_bytes(uint64_t k) {
    return quotient_up(k, kNativePitchUnit) * kNativePitchUnit;
  }

  template <class Put>
  static IMP_HD void read_lane(const WeightView& w, uint64_t row_tile, uint64_t column_tile,
                               uint32_t lane, Put put) {
    const uint64_t groups = quotient_up(w.k, kGroup), pitch = pitch_bytes(w.k);
    const uint32_t g = lane / 4, c = lane % 4;
    for (uint32_t j = 0; j < 8; ++j) {
      const uint64_t n = row_tile * kReaderRows + 8 * j + g;
      for (uint32_t i = 0; i < 16; ++i) {
        const uint32_t slot = 32 * (i / 8) + 8 * c + i % 8;
        const uint64_t k = column_tile * kReaderColumns + Slots::column(slot), group = k / kGroup;
        // A step past the last group is one that the kernel does not run; past the pitch its copy
        // to shared memory fills in zeros.
        float value = 0.0f;
        if (n < w.n && group < groups) {
          const uint32_t code = k < pitch ? load_u8(w.codes, n * pitch + k) : 0;
          const uint32_t word = sf128x4_word(w.block_scale, n, group / 4, groups);
          value = e4m3_bits_to_float(code) * e8m0_bits_to_float(word >> (8 * (group % 4)) & 0xFF);
        }
        put(8 * j + g, slot, value);
      }
    }
  }

  static Result<ComponentBytes> sizes(const WeightView& w) { return native_sizes<NativeMxfp8>(w); }
};

using NativeNvfp4 = NativeFp4<NativeNvfp4Format>;
using NativeMxfp4 = NativeFp4<NativeMxfp4Format>;

}  // namespace imp::kernels::readers
