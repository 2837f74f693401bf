#include "src/verify/reference.h"

#include <bit>

#include "src/model/weight_format.h"
#include "src/quant/ggml_blocks.h"
#include "src/verify/engine_form.h"
#include "src/verify/engine_reference.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using artifact::ScalarState;
using model::Scheme;

quant::WeightFormat format_of(const FormView& view) {
  const Scheme scheme = view.scheme();
  quant::WeightFormat format = model::weight_format(scheme);
  format.code_dtype = scheme == Scheme::kF32   ? Dtype::kF32
                      : scheme == Scheme::kF16 ? Dtype::kF16
                      : scheme == Scheme::kF64 ? Dtype::kF64
                                               : Dtype::kBF16;
  if (!model::is_quantized(scheme)) format.bits = dtype_bits(format.code_dtype);
  format.rows = 1;
  format.columns = view.operand.k;
  format.group_size = view.operand.group_size;
  format.scale_dtype = scale_dtype(view);
  return format;
}

}  // namespace

Dtype scale_dtype(const FormView& view) {
  if (const auto* scales = view.reader.find_component(view.form, ComponentKind::kBlockScale))
    return static_cast<Dtype>(scales->dtype);
  return model::has_two_levels(view.scheme()) ? Dtype::kF8E4M3 : Dtype::kF8E8M0;
}

uint32_t kernel_bits(const artifact::ScalarRecord& scalar, ComponentKind kind) {
  if (scalar.state == static_cast<uint8_t>(ScalarState::kUnused) &&
      kind == ComponentKind::kMultiplier)
    return std::bit_cast<uint32_t>(1.0f);
  if (scalar.state == static_cast<uint8_t>(ScalarState::kAbsent) ||
      scalar.state == static_cast<uint8_t>(ScalarState::kUnused))
    return 0x7FC00000;
  if (scalar.state == static_cast<uint8_t>(ScalarState::kDivisor))
    return std::bit_cast<uint32_t>(1.0f / std::bit_cast<float>(scalar.bits));
  return scalar.bits;
}

bool has_reference(const FormView& view) {
  if (view.layout() == layouts::LayoutId::kPlain &&
      quant::encoding_name(static_cast<quant::Encoding>(view.form.dialect)) == "?")
    return false;
  if (model::is_quantized(view.scheme())) return can_invert(view);
  switch (view.scheme()) {
    case Scheme::kBf16:
    case Scheme::kF16:
    case Scheme::kF32:
    case Scheme::kF64:
      return true;
    default:
      return false;
  }
}

float part_multiplier(const FormView& view, const artifact::PartRecord& part, uint64_t expert) {
  if (part.multiplier_count == 0) return 1.0f;
  return std::bit_cast<float>(kernel_bits(view.reader.scalars()[part.first_multiplier + expert],
                                          ComponentKind::kMultiplier));
}

namespace {

/// A number of each part to the rows of the slab.
template <class OfPart>
std::vector<float> of_rows(const FormView& view, const SlabPlanes& slab, OfPart of_part) {
  std::vector<float> rows(slab.rows, 1.0f);
  const auto parts = view.reader.parts_of(view.operand);
  for (size_t p = 0; p < parts.size(); ++p) {
    const float value = of_part(p);
    for (uint64_t r = 0; r < slab.rows; ++r)
      if (slab.row0 + r >= parts[p].n0 && slab.row0 + r < parts[p].n0 + parts[p].n_count)
        rows[r] = value;
  }
  return rows;
}

}  // namespace

std::vector<float> row_multipliers(const FormView& view, const SlabPlanes& slab) {
  return of_rows(view, slab, [&](size_t p) {
    return has_folded_multiplier(view)
               ? 1.0f
               : part_multiplier(view, view.reader.parts_of(view.operand)[p], slab.expert);
  });
}

std::vector<float> kernel_multipliers(const FormView& view, const StoredSlab& slab) {
  return of_rows(view, slab, [&](size_t p) { return slab.multipliers[p]; });
}

void unscaled_row(const FormView& view, const CanonicalSlab& canonical, uint64_t row,
                  std::vector<float>& out) {
  if (view.is_engine()) return engine_row(view, canonical, row, out);
  if (const auto type = model::blocks_type(view.scheme())) {
    const uint64_t bytes = model::code_columns(view.scheme(), view.operand.k);
    out.resize(view.operand.k);
    return quant::decode_blocks(*type, Bytes(canonical.codes).subspan(row * bytes, bytes), out);
  }
  const quant::WeightFormat format = format_of(view);
  const auto from = [&](ComponentKind kind, Dtype dtype, uint64_t rows) -> Bytes {
    const std::vector<std::byte>& plane = canonical.of(kind);
    if (plane.empty()) return {};
    const auto coding = plane_coding(view.operand, kind, dtype, quant::Encoding::kRows, rows);
    return Bytes(plane).subspan(quant::canonical_bytes(coding));
  };
  const uint64_t first = row / view.group_rows() * view.group_rows();  // of its scales
  quant::CanonicalRows planes;
  planes.rows = 1;
  planes.codes = from(ComponentKind::kCodes, format.code_dtype, row);
  planes.scales = from(ComponentKind::kBlockScale, format.scale_dtype, first);
  planes.zero_points = from(ComponentKind::kZeroPoint, Dtype::kU8, first);
  planes.mins = from(ComponentKind::kGroupMin, format.scale_dtype, first);
  planes.super_scales = from(ComponentKind::kSuperScale, Dtype::kF16, first);
  planes.super_mins = from(ComponentKind::kSuperMin, Dtype::kF16, first);
  // Columns of a form are in the order of their groups, but where plain keeps the source's.
  const auto groups = quant::column_groups(format, canonical.group_index);
  std::vector<double> exact(format.columns);
  quant::decode_rows(format, planes, *groups, {}, exact);
  out.resize(exact.size());
  for (uint64_t i = 0; i < exact.size(); ++i) out[i] = static_cast<float>(exact[i]);
}

}  // namespace imp::verify
