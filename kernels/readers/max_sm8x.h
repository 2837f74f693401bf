// max_sm8x as Modular MAX's kernel reads it (kernel-layouts 4): a lane's words are marlin's, tiles
// follow each other along K, and behind all codes lie bf16 scales, [K/16, N], that have the global
// scale in them: a lane's eight rows i (n = 8i + g of 64) at 8g.
//
// That kernel rounds the product of code and scale to bf16; here it is exact.
#pragma once

#include "kernels/readers/fragments.h"

namespace imp::kernels::readers {

struct MaxSm8xEngine {
  static constexpr uint16_t kLayout = 6;
  static constexpr uint16_t kScheme = 16;
  static constexpr float kUnit = 1.0f;
  static constexpr uint32_t kDialects = 1;
  static constexpr uint64_t kTileRows = kReaderRows;
  static constexpr uint32_t kBits = 4;
  using Number = E2m1Number;

  static IMP_HD uint32_t pair(const WeightView& w, uint64_t row_tile, uint64_t step, uint32_t lane,
                              uint32_t j, uint32_t v1, uint32_t v2) {
    const uint64_t tile = row_tile * (w.padded_k / 16) + step;
    const uint32_t word = load_u32(w.codes, tile * 512 + 16 * lane + 4 * j);
    return word >> (4 * (2 * v1 + v2)) & 0x000F000F;
  }
  static IMP_HD LaneScale scale(const WeightView& w, uint64_t row_tile, uint32_t i, uint32_t g,
                                uint64_t k) {
    const uint64_t element = k / 16 * w.padded_n + row_tile * kReaderRows + 8 * g + i;
    const uint64_t scales_at = w.padded_n / 2 * w.padded_k;
    return {bf16_low(load_u16(w.codes, scales_at + 2 * element)), 0, 0.0f};
  }
  static Status planes(const WeightView& w, ComponentBytes& want) {
    // Codes take 8 bytes of 16 columns, their scale 2.
    IMP_ASSIGN(want.codes, bytes_of(w, {w.padded_n, w.padded_k / 16, 10}));
    return {};
  }
};

using MaxSm8xNvfp4 = FragmentReader<MaxSm8xEngine>;

}  // namespace imp::kernels::readers
