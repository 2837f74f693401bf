#include "src/verify/engine_scales.h"

#include <algorithm>

#include "src/base/little_endian.h"
#include "src/quant/e4m3.h"
#include "src/verify/engine_form.h"
#include "src/verify/engine_reference.h"
#include "src/verify/reference.h"

namespace imp::verify {
namespace {

using layouts::LayoutId;

constexpr uint8_t kLargest = 0x7E;
constexpr uint8_t kMinusZero = 0x80;
constexpr uint8_t kTwo = 0x80;  ///< S0E5M3 of 2, below which marlin flushes

/// Every scale that passes import: 0x00 to 0x7E, and -0.
bool is_scale(uint32_t byte) { return byte <= kLargest || byte == kMinusZero; }

}  // namespace

Result<EngineScales> EngineScales::of(const FormView& view, const StoredSlab& slab) {
  EngineScales scales;
  scales.is_wide_ = view.layout() == LayoutId::kMaxSm8x;
  uint32_t log2 = 0;
  if (!scales.is_wide_) {
    IMP_ASSIGN(log2, rescale_log2(view, slab.expert, slab.multipliers[0]));
  }
  for (const artifact::PartRecord& record : view.reader.parts_of(view.operand)) {
    Part part{record.n0 + record.n_count};
    const float global = part_multiplier(view, record, slab.expert);
    part.inverse.assign(scales.is_wide_ ? 65536 : 256, kNoScale);
    for (uint32_t b = 256; b-- > 0;) {  // the smallest comes last and stays
      if (!is_scale(b)) continue;
      const auto byte = static_cast<uint8_t>(b);
      uint16_t& stored = part.forward[b];
      stored = scales.is_wide_ ? folded_scale(byte, global) : s0e5m3(byte, log2);
      if (view.layout() == LayoutId::kMarlin && stored < kTwo) stored = 0;
      part.inverse[stored] = byte;
    }
    scales.parts_.push_back(std::move(part));
  }
  return scales;
}

uint16_t EngineScales::element(const std::vector<std::byte>& stored, uint64_t i) const {
  return is_wide_ ? load_le<uint16_t>(stored.data() + 2 * i) : std::to_integer<uint16_t>(stored[i]);
}

const EngineScales::Part& EngineScales::part_of(uint64_t row) const {
  const auto at = std::find_if(parts_.begin(), parts_.end(),
                               [row](const Part& part) { return row < part.end; });
  return at == parts_.end() ? parts_.back() : *at;
}

uint16_t EngineScales::forward(uint64_t row, uint8_t e4m3) const {
  return is_scale(e4m3) ? part_of(row).forward[e4m3] : uint16_t{0xFFFF};
}

std::optional<uint8_t> EngineScales::inverse(uint64_t row, uint16_t stored) const {
  const uint8_t scale = part_of(row).inverse[stored];
  if (scale == kNoScale) return std::nullopt;
  return scale;
}

uint32_t marlin_rescale_log2(uint8_t largest_e4m3) {
  const double largest = quant::e4m3_to_float(largest_e4m3);
  if (!(largest > 0)) return 0;
  uint32_t log2 = 0;
  while (largest * static_cast<double>(uint64_t{2} << log2) <= 448.0) ++log2;
  return log2;
}

}  // namespace imp::verify
