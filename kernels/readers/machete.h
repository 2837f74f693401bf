// machete4 and machete8 as Machete's kernel reads them (kernel-layouts 5.1): W is the A operand of
// wgmma in registers, two warpgroups take 128 rows and 64 columns. Warp v of a group has rows 16v
// .. 16v+15; thread 128 * group + 32 v + lane.
//
// Of 4-bit codes a thread's 16 bytes are word t for step t; A register v1 + 2 v2 (row g + 8 v1,
// columns 2c + 8 v2) is (word >> 4 * (v1 + 2 v2)) & 0x000F000F. Of 8-bit codes 32 bytes, word
// 2t + v2 with the bytes k, k + 1 of row g, then of row g + 8. Scales and folded zero points lie in
// the order of rows; w = u * scale + min, the sum here rounded to f32.
#pragma once

#include "kernels/readers/fragments.h"

namespace imp::kernels::readers {

/// A thread's number in its 128 x 64 block, and the block's.
IMP_HD inline uint64_t machete_thread(const WeightView& w, uint64_t row_tile, uint64_t step,
                                      uint32_t lane, uint32_t j) {
  const uint64_t block = step / 4 * (w.padded_n / 128) + row_tile / 2;
  return block * 256 + row_tile % 2 * 128 + 32 * j + lane;
}

struct MacheteNibbles {
  static constexpr uint16_t kLayout = 7;
  static constexpr uint16_t kScheme = 36;
  static constexpr uint32_t kBits = 4;
  static IMP_HD uint32_t pair(const WeightView& w, uint64_t row_tile, uint64_t step, uint32_t lane,
                              uint32_t j, uint32_t v1, uint32_t v2) {
    const uint64_t thread = machete_thread(w, row_tile, step, lane, j);
    const uint32_t word = load_u32(w.codes, 16 * thread + 4 * (step % 4));
    return word >> (4 * (v1 + 2 * v2)) & 0x000F000F;
  }
};
struct MacheteBytes {
  static constexpr uint16_t kLayout = 8;
  static constexpr uint16_t kScheme = 40;
  static constexpr uint32_t kBits = 8;
  static IMP_HD uint32_t pair(const WeightView& w, uint64_t row_tile, uint64_t step, uint32_t lane,
                              uint32_t j, uint32_t v1, uint32_t v2) {
    const uint64_t thread = machete_thread(w, row_tile, step, lane, j);
    const uint32_t two =
        load_u32(w.codes, 32 * thread + 8 * (step % 4) + 4 * v2) >> (16 * v1) & 0xFFFF;
    return (two & 0xFF) | (two & 0xFF00) << 8;
  }
};

template <class Codes>
struct MacheteEngine : Codes {
  static constexpr float kUnit = 1.0f;
  static constexpr uint32_t kDialects = 3;  ///< bf16, f16
  static constexpr uint64_t kTileRows = 128;
  using Number = IntegerNumber;
  static IMP_HD LaneScale scale(const WeightView& w, uint64_t row_tile, uint32_t i, uint32_t g,
                                uint64_t k) {
    const uint64_t element = column_group(w, k) * w.padded_n + row_tile * kReaderRows + 8 * i + g;
    const float scale = half_at(w, w.block_scale, element);
    if (w.group_min == nullptr) return {scale, Codes::kBits == 4 ? 8 : 128, 0.0f};
    return {scale, 0, half_at(w, w.group_min, element)};
  }
  static Status planes(const WeightView& w, ComponentBytes& want) {
    IMP_TRY(check_integer_scales(w, 64));
    IMP_ASSIGN(want.block_scale, bytes_of(w, {padded_groups(w), w.padded_n, 2}));
    if (w.group_min != nullptr) want.group_min = want.block_scale;
    return {};
  }
};

using Machete4 = FragmentReader<MacheteEngine<MacheteNibbles>>;
using Machete8 = FragmentReader<MacheteEngine<MacheteBytes>>;

}  // namespace imp::kernels::readers
