#include "src/convert/slab_need.h"

#include <algorithm>
#include <span>

#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/checked.h"
#include "src/convert/slab.h"
#include "src/repack/nvfp4.h"

namespace imp::convert {
namespace {

SlabNeed need_of(plan::Action action, const plan::Operand& operand, uint64_t rows) {
  const uint64_t k = operand.k, codes = rows * (k / 2);
  switch (action) {
    case plan::Action::kCopy:
    case plan::Action::kCanonical:
    case plan::Action::kMma64Mxfp4:
    case plan::Action::kMma64Codes:
    case plan::Action::kMma64Plane:
    case plan::Action::kNativeBytes:
    case plan::Action::kEngineTiles:
    case plan::Action::kEngineGroups:
      return {};  // no kernel packs these
    case plan::Action::kMma64Nvfp4:
      return {round_up(codes, kPlaneAlignment) + rows * (k / layouts::mma64_nvfp4::kGroup),
              repack::mma64_nvfp4_bytes(rows, k)};
    case plan::Action::kNativeRows:
      return {codes, rows * layouts::native_rows::pitch_bytes(k)};
    case plan::Action::kSf128x4: {
      const uint64_t groups = k / operand.group_size;
      return {rows * groups, layouts::sf128x4::size_bytes(rows, groups)};
    }
  }
  return {};
}

}  // namespace

SlabNeed slab_need(const model::Source& source, const plan::Plan& plan, uint64_t slab_bytes) {
  SlabNeed most;
  const std::span<const plan::Step> all(plan.steps);
  for (size_t first = 0, end = 0; first < all.size(); first = end) {
    while (end < all.size() && all[end].tensor == all[first].tensor) ++end;
    const auto steps = all.subspan(first, end - first);
    const Cut cut = cut_for(source.tensors[steps[0].tensor], plan, steps);
    for (const plan::Step& step : steps)
      for (const plan::Write& write : step.writes) {
        const uint64_t rows = std::min(
            {packer_rows(step, write.action, slab_bytes), cut.slab_rows(slab_bytes), cut.rows});
        const SlabNeed need = need_of(write.action, plan.operands[step.operand], rows);
        most.in_bytes = std::max(most.in_bytes, need.in_bytes);
        most.out_bytes = std::max(most.out_bytes, need.out_bytes);
      }
  }
  return most;
}

}  // namespace imp::convert
