#include "src/convert/slab.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "src/convert/group_values.h"
#include "src/convert/scale_table.h"
#include "src/model/scalars.h"
#include "src/model/source_read.h"
#include "src/plan/constants.h"
#include "src/plan/steps.h"
#include "src/repack/mma64_variants.h"

namespace imp::convert {
namespace {

using model::ComponentKind;
using plan::Action;
using quant::PlaneCoding;
using quant::with_rows;

/// Bytes of pieces that are packed together even where the slab has fewer.
constexpr uint64_t kLeastPieces = 64u << 10;

/// Columns of 4-bit or 8-bit codes in the order of `gather`.
void gather_columns(const PlaneCoding& coding, const std::vector<uint32_t>& gather, Bytes in,
                    MutableBytes out) {
  const uint64_t pitch = quant::canonical_bytes(with_rows(coding, 1));
  for (uint64_t row = 0; row < coding.rows; ++row) {
    const std::byte* from = in.data() + row * pitch;
    std::byte* to = out.data() + row * pitch;
    if (coding.bits == 8) {
      for (uint64_t k = 0; k < coding.columns; ++k) to[k] = from[gather[k]];
      continue;
    }
    std::fill(to, to + pitch, std::byte{0});
    for (uint64_t k = 0; k < coding.columns; ++k) {
      const auto code = from[gather[k] / 2] >> (4 * (gather[k] % 2)) & std::byte{0xF};
      to[k / 2] |= code << (4 * (k % 2));
    }
  }
}

/// The writes of one step for one slab. Canonical rows and scales are made once, when the first
/// write asks for them.
class SlabWriter {
 public:
  SlabWriter(const SlabContext& context, const plan::Step& step, const Slab& slab)
      : context_(context),
        step_(step),
        slab_(slab),
        operand_(context.plan.operands[step.operand]) {}

  Status write(const plan::Write& write, uint64_t bytes_before) {
    const uint64_t base = write.offset_bytes + slab_.expert * write.expert_stride_bytes;
    if (write.action == Action::kCopy) return put(base + bytes_before, slab_.data);
    IMP_TRY(make_canonical());
    if (write.action == Action::kEngineTiles || write.action == Action::kEngineGroups)
      return write_pieces(write, base);
    const uint64_t step_rows = packer_rows(step_, write.action, context_.packer.max_slab_bytes());
    for (uint64_t row = 0; row < slab_.rows; row += step_rows) {
      const uint64_t rows = std::min(step_rows, slab_.rows - row);
      const uint64_t pitch = quant::canonical_bytes(with_rows(step_.coding, 1));
      IMP_ASSIGN(const Packed packed,
                 pack(write, row, rows, canonical_.bytes.subspan(row * pitch, rows * pitch)));
      IMP_TRY(put(base + offset_of_row(write, slab_.first_row + row), packed.bytes));
    }
    return {};
  }

 private:
  Status put(uint64_t offset_bytes, Bytes bytes) {
    IMP_TRY(context_.output.write_at(offset_bytes, bytes));
    context_.digester.on_write(offset_bytes, bytes);
    return {};
  }

  const model::Weight& weight() const {
    return context_.model.weights[operand_.parts[step_.part].weight];
  }
  uint64_t expert() const { return step_.expert == model::kNone ? slab_.expert : step_.expert; }

  Result<Packed> canonical_of(const PlaneCoding& coding, uint32_t tensor, Bytes source) {
    if (coding.encoding == quant::Encoding::kRows) return Packed{source, nullptr};
    const auto buffer = context_.buffers.take(quant::canonical_bytes(coding));
    Status status = quant::to_canonical(coding, source, buffer->span());
    if (!status.ok())
      return model::tensor_error(context_.model.source, tensor, status.error().kind,
                                 status.error().message);
    return Packed{buffer->span(), buffer};
  }

  Status make_canonical() {
    if (canonical_.bytes.data() != nullptr) return {};
    const PlaneCoding coding = with_rows(step_.coding, slab_.rows);
    IMP_ASSIGN(canonical_, canonical_of(coding, step_.tensor, slab_.data));
    if (step_.plane != ComponentKind::kCodes || weight().k_gather.empty()) return {};
    const auto sorted = context_.buffers.take(canonical_.bytes.size());
    gather_columns(coding, weight().k_gather[expert()], canonical_.bytes, sorted->span());
    canonical_ = Packed{sorted->span(), sorted};
    return {};
  }

  /// Canonical block scales of the slab's rows. Those that cannot be cut are read whole.
  Status make_scales() {
    if (scales_.bytes.data() != nullptr) return {};
    const bool whole = quant::cut_rows(step_.scale_coding) == 0;
    const PlaneCoding read = whole ? step_.scale_coding : with_rows(step_.scale_coding, slab_.rows);
    const uint64_t of_expert = quant::source_bytes(step_.scale_coding);
    const uint64_t skipped =
        whole ? 0 : quant::source_bytes(with_rows(step_.scale_coding, slab_.first_row));
    const auto source = context_.buffers.take(quant::source_bytes(read));
    IMP_TRY(model::read_tensor(context_.model.source, step_.scale_tensor,
                               slab_.expert * of_expert + skipped, source->span()));
    IMP_ASSIGN(scales_, canonical_of(read, step_.scale_tensor, source->span()));
    if (scales_.owner == nullptr) scales_.owner = source;
    if (whole) {
      const uint64_t before =
          quant::canonical_bytes(with_rows(step_.scale_coding, slab_.first_row));
      scales_.bytes = scales_.bytes.subspan(before);
    }
    return {};
  }

  /// Of rows [row, row + rows) of the slab.
  Result<Bytes> scales_of(uint64_t row, uint64_t rows) {
    IMP_TRY(make_scales());
    const uint64_t pitch = quant::canonical_bytes(with_rows(step_.scale_coding, 1));
    return scales_.bytes.subspan(row * pitch, rows * pitch);
  }

  uint64_t groups() const { return step_.coding.columns; }  // of a plane of scales

  /// Rows at multiples of the action's unit.
  uint64_t offset_of_row(const plan::Write& write, uint64_t row) const {
    if (write.action == Action::kCanonical)
      return quant::canonical_bytes(with_rows(step_.coding, row));
    return plan::packed_bytes(write.action, operand_,
                              {std::max(step_.coding.bits, 8u) / 8, groups()}, row);
  }

  Result<Packed> pack(const plan::Write& write, uint64_t row, uint64_t rows, Bytes plane) {
    switch (write.action) {
      case Action::kMma64Nvfp4:
        return pack_nvfp4(write, row, rows, plane);
      case Action::kMma64Mxfp4: {
        IMP_ASSIGN(const Bytes scales, scales_of(row, rows));
        return context_.packer.mma64_mxfp4(plane, scales, rows, operand_.k);
      }
      case Action::kMma64Codes:
        return context_.packer.mma64_codes(step_.coding.bits, plane, rows, operand_.k);
      case Action::kMma64Plane:
        return context_.packer.mma64_plane(step_.coding.bits, plane, rows, groups());
      case Action::kNativeRows:
        return context_.packer.native_rows(plane, rows, operand_.k);
      case Action::kNativeBytes:
        return context_.packer.native_bytes(plane, rows, operand_.k);
      case Action::kSf128x4:
        return context_.packer.sf128x4(plane, rows, groups());
      case Action::kCopy:
      case Action::kCanonical:
      case Action::kEngineTiles:
      case Action::kEngineGroups:
        break;
    }
    return Packed{plane, nullptr};
  }

  Result<Packed> pack_nvfp4(const plan::Write& write, uint64_t row, uint64_t rows, Bytes codes) {
    IMP_ASSIGN(Bytes scales, scales_of(row, rows));
    BufferPool::Handle doubled;
    if (operand_.scheme == model::Scheme::kNvfp4G32) {
      doubled = context_.buffers.take(2 * scales.size());
      repack::double_scales(scales, doubled->span());
      scales = doubled->span();
    }
    std::vector<repack::LostGroup> lost;
    IMP_ASSIGN(Packed packed,
               context_.packer.mma64_nvfp4({codes, scales, rows, operand_.k},
                                           row_of_operand(slab_.first_row + row), lost));
    IMP_TRY(context_.exceptions.add(write.exceptions, lost));
    return packed;
  }

  /// Of a row of the part, experts counted.
  uint64_t row_of_operand(uint64_t row) const {
    return expert() * operand_.n + operand_.parts[step_.part].n0 + row;
  }

  /// Packed bytes at once. Pieces of few rows are slow to write, and many rows take memory: a
  /// slab's twice, and changed values of scales take one of it.
  uint64_t pieces_memory(Action action) const {
    const uint64_t slabs = action == Action::kEngineTiles ? 2 : 1;
    return std::max(slabs * slab_.data.size(), kLeastPieces);
  }

  /// Rows of W, not of the plane, from here on.
  Status write_pieces(const plan::Write& write, uint64_t base) {
    const plan::Pieces& pieces = write.pieces;
    const uint64_t end_of_run = pieces.first_row + pieces.rows;
    const uint64_t begin = std::max(slab_.first_row * pieces.group_rows, pieces.first_row);
    const uint64_t end = std::min((slab_.first_row + slab_.rows) * pieces.group_rows, end_of_run);
    const uint64_t step =
        piece_rows(write, std::min(pieces_memory(write.action), context_.packer.max_slab_bytes()));
    for (uint64_t row = begin; row < end; row += step) {
      const uint64_t rows = std::min(step, end - row);
      const uint64_t before = row - pieces.first_row;
      const bool last = row + rows == end_of_run;
      const repack::PaddedBox box{rows, step_.coding.columns,
                                  last ? pieces.padded_rows - before : rows, pieces.padded_columns};
      IMP_ASSIGN(const Packed packed, pack_pieces(write, row, box));
      IMP_TRY(put_pieces(base + before * pieces.row_bits / 8, pieces, packed.bytes));
    }
    return {};
  }

  /// Neighbours where the rows are all that the matrix has.
  Status put_pieces(uint64_t offset_bytes, const plan::Pieces& pieces, Bytes packed) {
    const uint64_t piece = packed.size() / pieces.count;
    if (piece == pieces.stride_bytes || pieces.count == 1) return put(offset_bytes, packed);
    for (uint64_t i = 0; i < pieces.count; ++i)
      IMP_TRY(put(offset_bytes + i * pieces.stride_bytes, packed.subspan(i * piece, piece)));
    return {};
  }

  Result<Packed> pack_pieces(const plan::Write& write, uint64_t row, const repack::PaddedBox& box) {
    const uint64_t pitch = quant::canonical_bytes(with_rows(step_.coding, 1));
    const uint64_t first = row / write.pieces.group_rows - slab_.first_row;
    const uint64_t plane_rows = (box.rows + write.pieces.group_rows - 1) / write.pieces.group_rows;
    const Bytes plane = canonical_.bytes.subspan(first * pitch, plane_rows * pitch);
    if (write.action == Action::kEngineTiles) {
      if (write.exceptions != model::kNone) IMP_TRY(record_lost(write, row, box.rows, plane));
      return context_.packer.tiles(write.pieces.tiles, plane, box);
    }
    IMP_ASSIGN(const Packed values, values_of(write.pieces, row, box, plane));
    return context_.packer.groups(write.pieces.groups, write.pieces.bits, values.bytes, box);
  }

  const ScaleTable& table_of(const plan::Pieces& pieces) {
    if (!table_)
      table_ = scale_table(pieces.values, context_.rescales[step_.operand],
                           std::bit_cast<float>(plan::kernel_multiplier(weight(), expert())));
    return *table_;
  }

  Status record_lost(const plan::Write& write, uint64_t row, uint64_t rows, Bytes codes) {
    IMP_ASSIGN(const Bytes scales, scales_of(row - slab_.first_row, rows));
    std::vector<repack::LostGroup> lost;
    context_.flushed.add(step_.operand,
                         collect_lost(table_of(write.pieces), {codes, scales, rows, operand_.k},
                                      row_of_operand(row), lost));
    return context_.exceptions.add(write.exceptions, lost);
  }

  /// What the layout holds instead of the canonical elements.
  Result<Packed> values_of(const plan::Pieces& pieces, uint64_t row, const repack::PaddedBox& box,
                           Bytes plane) {
    if (pieces.values == plan::GroupValues::kAsIs) return Packed{plane, nullptr};
    const auto out = context_.buffers.take(box.rows * box.columns * pieces.bits / 8);
    Status status = make_values(pieces, row, box, plane, out->span());
    if (!status.ok())
      return model::tensor_error(context_.model.source, step_.tensor, status.error().kind,
                                 status.error().message);
    return Packed{out->span(), out};
  }

  Status make_values(const plan::Pieces& pieces, uint64_t row, const repack::PaddedBox& box,
                     Bytes plane, MutableBytes out) {
    if (pieces.values == plan::GroupValues::kFp8Scale)
      return fp8_values(dtype_of(step_.tensor), plane, box.rows, box.columns, row,
                        pieces.group_rows, out);
    if (pieces.values == plan::GroupValues::kFoldedZero) {
      IMP_ASSIGN(const Bytes scales, scales_of(row - slab_.first_row, box.rows));
      return folded_zeros(dtype_of(step_.scale_tensor), scales, step_.coding.bits, plane, box.rows,
                          box.columns, row, out);
    }
    table_values(table_of(pieces), plane, pieces.bits, out);
    return {};
  }

  Dtype dtype_of(uint32_t tensor) const { return context_.model.source.tensors[tensor].dtype; }

  const SlabContext& context_;
  const plan::Step& step_;
  const Slab& slab_;
  const plan::Operand& operand_;
  Packed canonical_;
  Packed scales_;
  std::optional<ScaleTable> table_;  ///< of the one engine form that a step can have
};

}  // namespace

Status write_slab(const SlabContext& context, const plan::Step& step, const Cut& cut,
                  const Slab& slab) {
  SlabWriter writer(context, step, slab);
  for (const plan::Write& write : step.writes)
    IMP_TRY(writer.write(write, cut.bytes_before(slab.first_row)));
  return {};
}

}  // namespace imp::convert
