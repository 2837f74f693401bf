// What becomes of the 8-bit scales of an operand in another engine's layout.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "src/plan/plan.h"
#include "src/repack/nvfp4.h"

namespace imp::convert {

/// By e4m3 byte. Only 0x00 to 0x7E and 0x80 mean something: the rest is refused before.
struct ScaleTable {
  std::array<uint16_t, 256> stored{};  ///< bits of the packed element
  std::array<bool, 256> lost{};        ///< the packed element does not give the byte back
  /// Not what the byte says: reads as zero, or as another number than before.
  std::array<bool, 256> flushed{};
};

/// `rescale`: kMarlinScale's power of two; `multiplier`: kMaxScale's. REQUIRES: values of nvfp4.
ScaleTable scale_table(plan::GroupValues values, float rescale, float multiplier);

/// Groups of these rows whose scales are lost, appended in order, and how many are flushed.
/// `first_row` of the operand, experts counted.
uint64_t collect_lost(const ScaleTable& table, const repack::Nvfp4Rows& in, uint64_t first_row,
                      std::vector<repack::LostGroup>& lost);

}  // namespace imp::convert
