#include "src/convert/slab_need.h"

#include <algorithm>
#include <span>

#include "kernels/layouts/mma64_mxfp4.h"
#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/checked.h"
#include "src/convert/slab.h"
#include "src/repack/mma64_variants.h"
#include "src/repack/nvfp4.h"

namespace imp::convert {
namespace {

/// Planes of codes or of groups.
uint64_t canonical_rows(const plan::Step& step, uint64_t rows) {
  return quant::canonical_bytes(quant::with_rows(step.coding, rows));
}

/// Codes, and scales of `group` codes each behind them.
uint64_t with_scales(const plan::Operand& operand, uint64_t group, uint64_t rows) {
  return round_up(rows * (operand.k / 2), kPlaneAlignment) + rows * (operand.k / group);
}

/// Of an engine's layout: the last call of a run of rows has its padding too.
SlabNeed need_of_pieces(const plan::Step& step, const plan::Write& write, uint64_t slab_bytes) {
  const plan::Pieces& pieces = write.pieces;
  const uint64_t rows = std::min(piece_rows(write, slab_bytes), pieces.rows);
  const uint64_t padded = rows + pieces.padded_rows - pieces.rows;
  const uint64_t columns = step.coding.columns;
  return {rows * div_up(columns * pieces.bits, 8), padded * pieces.count * pieces.row_bits / 8};
}

SlabNeed need_of(const plan::Step& step, const plan::Write& write, const plan::Operand& operand,
                 uint64_t rows) {
  const uint64_t k = operand.k, groups = step.coding.columns;
  const uint32_t bits = step.coding.bits;
  switch (write.action) {
    case plan::Action::kCopy:
    case plan::Action::kCanonical:
    case plan::Action::kEngineTiles:   // need_of_pieces
    case plan::Action::kEngineGroups:  // as well
      return {};
    case plan::Action::kMma64Nvfp4:
      return {with_scales(operand, layouts::mma64_nvfp4::kGroup, rows),
              repack::mma64_nvfp4_bytes(rows, k)};
    case plan::Action::kMma64Mxfp4:
      return {with_scales(operand, layouts::mma64_mxfp4::kGroup, rows),
              repack::mma64_mxfp4_bytes(rows, k)};
    case plan::Action::kMma64Codes:
      return {canonical_rows(step, rows), repack::mma64_codes_bytes(bits, rows, k)};
    case plan::Action::kMma64Plane:
      return {canonical_rows(step, rows), repack::mma64_plane_bytes(bits, rows, groups)};
    case plan::Action::kNativeRows:
      return {canonical_rows(step, rows), rows * layouts::native_rows::pitch_bytes(k)};
    case plan::Action::kNativeBytes:
      return {canonical_rows(step, rows), rows * repack::native_bytes_pitch(k)};
    case plan::Action::kSf128x4:
      return {canonical_rows(step, rows), layouts::sf128x4::size_bytes(rows, groups)};
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
        const bool pieces = write.action == plan::Action::kEngineTiles ||
                            write.action == plan::Action::kEngineGroups;
        const SlabNeed need = pieces ? need_of_pieces(step, write, slab_bytes)
                                     : need_of(step, write, plan.operands[step.operand], rows);
        most.in_bytes = std::max(most.in_bytes, need.in_bytes);
        most.out_bytes = std::max(most.out_bytes, need.out_bytes);
      }
  }
  return most;
}

}  // namespace imp::convert
