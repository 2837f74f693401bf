// Values of NVFP4 scales in other engines' layouts.
#include <algorithm>
#include <bit>

#include "kernels/layouts/marlin.h"
#include "src/quant/bf16.h"
#include "src/quant/e4m3.h"
#include "src/repack/engine_tiles.h"

namespace imp::repack {
namespace {

/// REQUIRES: a power of two, at least 1.
uint32_t log2_of(float power_of_two) { return (std::bit_cast<uint32_t>(power_of_two) >> 23) - 127; }

}  // namespace

float marlin_rescale(uint8_t largest) {
  float rescale = 1.0f;
  if ((largest & 0x7F) == 0) return rescale;
  const float scale = quant::e4m3_to_float(largest);
  while (2.0f * rescale * scale <= 448.0f) rescale *= 2.0f;
  return rescale;
}

uint8_t marlin_scale(uint8_t e4m3, float rescale) {
  return layouts::marlin::encode_scale(e4m3, log2_of(rescale), false);
}
uint8_t marlin_scale_inverse(uint8_t stored, float rescale) {
  return layouts::marlin::decode_scale(stored, log2_of(rescale), false);
}

uint8_t marlin_a0_scale(uint8_t e4m3) { return layouts::marlin::encode_scale(e4m3, 0, true); }
uint8_t marlin_a0_scale_inverse(uint8_t stored) {
  return layouts::marlin::decode_scale(stored, 0, true);
}

uint16_t max_scale(uint8_t e4m3, float global) {
  return quant::bf16_from_float(quant::e4m3_to_float(e4m3) * global);
}

MaxScaleInverse::MaxScaleInverse(float global) {
  for (uint32_t e4m3 = 0; e4m3 <= 0x80; ++e4m3)
    if (!quant::e4m3_is_nan(static_cast<uint8_t>(e4m3)))
      scales_.emplace_back(max_scale(static_cast<uint8_t>(e4m3), global),
                           static_cast<uint8_t>(e4m3));
  std::sort(scales_.begin(), scales_.end());
}

uint8_t MaxScaleInverse::operator()(uint16_t bf16) const {
  const auto at = std::lower_bound(scales_.begin(), scales_.end(), std::pair{bf16, uint8_t{0}});
  return at != scales_.end() && at->first == bf16 ? at->second : uint8_t{0xFF};
}

}  // namespace imp::repack
