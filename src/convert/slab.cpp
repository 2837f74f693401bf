#include "src/convert/slab.h"

#include <algorithm>

#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/checked.h"

namespace imp::convert {
namespace {

using plan::Action;

uint64_t unit_of(Action action) {
  switch (action) {
    case Action::kCopy:
    case Action::kNativeRows:
      return 1;
    case Action::kMma64Nvfp4:
      return layouts::mma64_nvfp4::kTileN;
    case Action::kSf128x4:
      return layouts::sf128x4::kTileRows;
  }
  return 1;
}

struct Slab {
  const plan::Step& step;
  const plan::Operand& operand;
  uint64_t first_row;
  uint64_t rows;
  Bytes data;
};

Status put(const SlabContext& context, uint64_t offset_bytes, Bytes bytes) {
  IMP_TRY(context.output.write_at(offset_bytes, bytes));
  context.digester.on_write(offset_bytes, bytes);
  return {};
}

Status write_mma64(const SlabContext& context, const plan::Write& write, const Slab& slab) {
  const uint64_t groups = slab.operand.k / slab.operand.group_size;
  const model::SourceTensor& scale_tensor = context.source.tensors[slab.step.scale_tensor];
  const auto scales = context.buffers.take(slab.rows * groups);
  IMP_TRY(context.source.files[scale_tensor.file].handle.read_at(
      scale_tensor.offset_bytes + slab.first_row * groups, scales->span()));
  std::vector<repack::LostGroup> lost;
  const plan::Part& part = slab.operand.parts[slab.step.part];
  const uint64_t row_of_operand = slab.step.expert * slab.operand.n + part.n0 + slab.first_row;
  IMP_ASSIGN(const Packed packed,
             context.packer.mma64_nvfp4({slab.data, scales->span(), slab.rows, slab.operand.k},
                                        row_of_operand, lost));
  IMP_TRY(context.exceptions.add(write.exceptions, lost));
  return put(context,
             write.offset_bytes + repack::mma64_nvfp4_bytes(slab.first_row, slab.operand.k),
             packed.bytes);
}

Status write_native_rows(const SlabContext& context, const plan::Write& write, const Slab& slab) {
  const uint64_t pitch = layouts::native_rows::pitch_bytes(slab.operand.k);
  IMP_ASSIGN(const Packed packed, context.packer.native_rows(slab.data, slab.rows, slab.operand.k));
  return put(context, write.offset_bytes + slab.first_row * pitch, packed.bytes);
}

Status write_sf128x4(const SlabContext& context, const plan::Write& write, const Slab& slab) {
  const uint64_t groups = slab.operand.k / slab.operand.group_size;
  IMP_ASSIGN(const Packed packed, context.packer.sf128x4(slab.data, slab.rows, groups));
  return put(context, write.offset_bytes + layouts::sf128x4::size_bytes(slab.first_row, groups),
             packed.bytes);
}

}  // namespace

uint64_t Cut::slab_rows(uint64_t slab_bytes) const {
  const uint64_t rows_that_fit = slab_bytes / std::max<uint64_t>(row_bytes, 1);
  return std::max(rows_that_fit / unit_rows * unit_rows, unit_rows);
}

Cut cut_for(const model::SourceTensor& tensor, const plan::Plan& plan,
            std::span<const plan::Step> steps) {
  uint64_t unit = 1;
  bool only_copies = true;
  for (const plan::Step& step : steps)
    for (const plan::Write& write : step.writes) {
      unit = std::max(unit, unit_of(write.action));
      only_copies = only_copies && write.action == Action::kCopy;
    }
  if (only_copies) return {tensor.size_bytes, 1, 1, true};
  const uint64_t rows = plan.operands[steps[0].operand].parts[steps[0].part].n_count;
  return {rows, tensor.size_bytes / rows, unit, false};
}

Status write_slab(const SlabContext& context, const plan::Step& step, const Cut& cut,
                  uint64_t first_row, Bytes data) {
  const Slab slab{step, context.plan.operands[step.operand], first_row, data.size() / cut.row_bytes,
                  data};
  for (const plan::Write& write : step.writes) {
    switch (write.action) {
      case Action::kCopy:
        IMP_TRY(put(context, write.offset_bytes + first_row * cut.row_bytes, data));
        break;
      case Action::kMma64Nvfp4:
        IMP_TRY(write_mma64(context, write, slab));
        break;
      case Action::kNativeRows:
        IMP_TRY(write_native_rows(context, write, slab));
        break;
      case Action::kSf128x4:
        IMP_TRY(write_sf128x4(context, write, slab));
        break;
    }
  }
  return {};
}

}  // namespace imp::convert
