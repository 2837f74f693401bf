#include <algorithm>
#include <numeric>

#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/checked.h"
#include "src/convert/slab.h"

namespace imp::convert {

using plan::Action;

uint64_t unit_rows_of(Action action) {
  switch (action) {
    case Action::kMma64Nvfp4:
    case Action::kMma64Mxfp4:
    case Action::kMma64Codes:
    case Action::kMma64Plane:
      return layouts::mma64_nvfp4::kTileN;
    case Action::kSf128x4:
      return layouts::sf128x4::kTileRows;
    case Action::kEngineTiles:
    case Action::kEngineGroups:
      return 128;  // machete's; marlin's 64 divide it
    case Action::kCopy:
    case Action::kCanonical:
    case Action::kNativeRows:
    case Action::kNativeBytes:
      return 1;
  }
  return 1;
}

uint64_t packer_rows(const plan::Step& step, Action action, uint64_t max_bytes) {
  const uint64_t row_bytes = quant::canonical_bytes(quant::with_rows(step.coding, 1));
  const uint64_t unit = unit_rows_of(action);
  const uint64_t fit = max_bytes / std::max<uint64_t>(row_bytes, 1);
  return std::max(fit / unit * unit, unit);
}

uint64_t piece_rows(const plan::Write& write, uint64_t max_bytes) {
  const plan::Pieces& pieces = write.pieces;
  const uint64_t unit = std::max(unit_rows_of(write.action), pieces.group_rows);
  const uint64_t row_bytes = std::max<uint64_t>(pieces.count * pieces.row_bits / 8, 1);
  return std::max(max_bytes / row_bytes / unit * unit, unit);
}

uint64_t Cut::slab_rows(uint64_t slab_bytes) const {
  const uint64_t units = slab_bytes / std::max<uint64_t>(unit_bytes, 1);
  return std::max<uint64_t>(units, 1) * unit_rows;
}

Cut cut_for(const model::SourceTensor& tensor, const plan::Plan& plan,
            std::span<const plan::Step> steps) {
  Cut cut{1, tensor.size_bytes, tensor.size_bytes, 1, 1, true};
  uint64_t unit = 1;
  bool whole = false;
  for (const plan::Step& step : steps)
    for (const plan::Write& write : step.writes) {
      unit = std::lcm(unit, unit_rows_of(write.action));
      cut.copied = cut.copied && write.action == Action::kCopy;
      whole = whole || plan::takes_whole_plane(write);
    }
  if (cut.copied) return cut;
  const plan::Step& step = steps[0];
  const plan::Operand& operand = plan.operands[step.operand];
  cut.experts = step.expert == model::kNone ? operand.experts : 1;
  cut.expert_bytes = tensor.size_bytes / cut.experts;
  cut.rows = step.coding.rows;
  const uint64_t source_unit = quant::cut_rows(step.coding);
  cut.unit_rows = source_unit == 0 || whole ? cut.rows : std::lcm(unit, source_unit);
  cut.unit_bytes = quant::source_bytes(quant::with_rows(step.coding, cut.unit_rows));
  return cut;
}

}  // namespace imp::convert
