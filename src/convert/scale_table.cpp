#include "src/convert/scale_table.h"

#include "src/repack/engine_tiles.h"

namespace imp::convert {
namespace {

constexpr uint8_t kMinusZero = 0x80;

bool is_subnormal(uint8_t e4m3) { return e4m3 >= 1 && e4m3 <= 7; }

void set_marlin(ScaleTable& table, uint8_t scale, float rescale) {
  const uint8_t stored = repack::marlin_scale(scale, rescale);
  table.stored[scale] = stored;
  table.lost[scale] = repack::marlin_scale_inverse(stored, rescale) != scale;
  table.flushed[scale] = stored == 0 && scale != 0 && scale != kMinusZero;
}

/// Nothing but -0 is lost, but a bf16 kernel reads what was subnormal as about 2^-112
/// (kernel-layouts 2.5).
void set_marlin_a0(ScaleTable& table, uint8_t scale) {
  const uint8_t stored = repack::marlin_a0_scale(scale);
  table.stored[scale] = stored;
  table.lost[scale] = repack::marlin_a0_scale_inverse(stored) != scale;
  table.flushed[scale] = is_subnormal(scale);
}

/// Finite: the importer takes no multiplier whose product with any code and scale is not.
void set_max(ScaleTable& table, uint8_t scale, float multiplier,
             const repack::MaxScaleInverse& inverse) {
  const uint16_t stored = repack::max_scale(scale, multiplier);
  table.stored[scale] = stored;
  table.lost[scale] = inverse(stored) != scale;
  table.flushed[scale] = table.lost[scale];
}

}  // namespace

ScaleTable scale_table(plan::GroupValues values, float rescale, float multiplier) {
  const repack::MaxScaleInverse inverse(multiplier);
  ScaleTable table;
  for (uint32_t byte = 0; byte <= kMinusZero; ++byte) {
    const auto scale = static_cast<uint8_t>(byte);
    if (scale == 0x7F) continue;
    if (values == plan::GroupValues::kMarlinScale)
      set_marlin(table, scale, rescale);
    else if (values == plan::GroupValues::kMarlinA0Scale)
      set_marlin_a0(table, scale);
    else
      set_max(table, scale, multiplier, inverse);
  }
  return table;
}

uint64_t collect_lost(const ScaleTable& table, const repack::Nvfp4Rows& in, uint64_t first_row,
                      std::vector<repack::LostGroup>& lost) {
  constexpr uint64_t kGroup = 16;
  const uint64_t groups = in.k / kGroup;
  uint64_t flushed = 0;
  for (uint64_t i = 0; i < in.rows * groups; ++i) {
    const auto scale = std::to_integer<uint8_t>(in.scales[i]);
    flushed += table.flushed[scale];
    if (!table.lost[scale]) continue;
    repack::LostGroup group{first_row * groups + i, scale, {}};
    const std::byte* codes = in.codes.data() + i * (kGroup / 2);
    for (size_t c = 0; c < group.codes.size(); ++c)
      group.codes[c] = std::to_integer<uint8_t>(codes[c]);
    lost.push_back(group);
  }
  return flushed;
}

}  // namespace imp::convert
