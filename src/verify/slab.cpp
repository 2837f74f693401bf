#include "src/verify/slab.h"

#include <numeric>
#include <string>

#include "kernels/layouts/mma64_bytes.h"
#include "kernels/layouts/mma64_int4.h"
#include "kernels/layouts/mma64_mxfp4.h"
#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_bytes.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/checked.h"
#include "src/verify/engine_form.h"
#include "src/verify/plain_form.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;
using layouts::LayoutId;
using model::Scheme;
using quant::Encoding;

namespace mma64 = layouts::mma64_nvfp4;
namespace sf = layouts::sf128x4;

uint64_t mma64_bytes(const FormView& view, ComponentKind plane, Dtype dtype, uint64_t rows) {
  if (plane == ComponentKind::kCodes)
    return div_up(rows, mma64::kTileN) * div_up(view.operand.k, mma64::kTileK) *
           mma64_block_bytes(view.scheme());
  if (!view.is_packed(plane))
    return quant::source_bytes(plane_coding(view.operand, plane, dtype, Encoding::kRows, rows));
  return round_up(rows, mma64::kTileN) * view.groups(plane) * dtype_bits(dtype) / 8;
}

uint64_t native_bytes(const FormView& view, ComponentKind plane, uint64_t rows) {
  if (plane != ComponentKind::kCodes) return sf::size_bytes(rows, view.groups());
  const uint64_t k = view.operand.k;
  return rows * (model::code_bits(view.scheme()) == 4 ? layouts::native_rows::pitch_bytes(k)
                                                      : layouts::native_bytes::pitch_bytes(k));
}

/// Bytes of rows [0, rows) of one expert in the component that holds the plane.
uint64_t stored_bytes(const FormView& view, ComponentKind plane, Dtype dtype, uint64_t rows) {
  switch (view.layout()) {
    case LayoutId::kMma64:
      return mma64_bytes(view, plane, dtype, rows);
    case LayoutId::kNative:
      return native_bytes(view, plane, rows);
    default:
      break;
  }
  if (view.is_engine()) return engine_bytes(view, plane, rows);
  return quant::source_bytes(
      plane_coding(view.operand, plane, dtype, plain_encoding(view, plane), rows));
}

const ComponentRecord* component_of(const FormView& view, ComponentKind plane) {
  const bool blocks =
      plane == ComponentKind::kCodes && (view.layout() == LayoutId::kMma64 || view.is_engine());
  return view.reader.find_component(view.form, blocks ? ComponentKind::kBlocks : plane);
}

Status read_plane(const FormView& view, ComponentKind plane, StoredSlab& slab) {
  if (view.is_engine()) return read_engine_plane(view, plane, slab, slab.of(plane));
  const ComponentRecord* component = component_of(view, plane);
  if (component == nullptr)
    return Error{ErrorKind::kBadRecord,
                 "form has no component of kind " + std::to_string(static_cast<int>(plane)),
                 view.reader.path(), view.name()};
  const auto dtype = static_cast<Dtype>(component->dtype);
  std::vector<std::byte>& out = slab.of(plane);
  if (view.layout() == LayoutId::kPlain && !quant::has_canonical(plain_encoding(view, plane)))
    out.resize(expert_bytes(view, *component));
  else
    out.resize(stored_bytes(view, plane, dtype, slab.rows));
  return view.reader.read_component(
      *component,
      slab.expert * component->expert_stride_bytes + stored_bytes(view, plane, dtype, slab.row0),
      out);
}

}  // namespace

std::vector<std::byte>& SlabPlanes::of(ComponentKind kind) {
  switch (kind) {
    case ComponentKind::kBlockScale:
      return scales;
    case ComponentKind::kZeroPoint:
      return zero_points;
    case ComponentKind::kGroupMin:
      return mins;
    case ComponentKind::kSuperScale:
      return super_scales;
    case ComponentKind::kSuperMin:
      return super_mins;
    default:
      return codes;
  }
}

bool FormView::has_scales_in_blocks() const {
  return layout() == LayoutId::kMaxSm8x ||
         (layout() == LayoutId::kMma64 &&
          (model::has_two_levels(scheme()) || scheme() == Scheme::kMxfp4));
}

bool FormView::needs(ComponentKind plane) const {
  switch (plane) {
    case ComponentKind::kBlockScale:
      return (operand.group_size != 0 || is_engine()) && !has_scales_in_blocks();
    case ComponentKind::kGroupMin:
      return model::has_group_min(scheme());
    case ComponentKind::kSuperScale:
      return model::has_super_scale(scheme());
    case ComponentKind::kSuperMin:
      return model::has_super_scale(scheme()) && model::has_group_min(scheme());
    default:
      return false;
  }
}

bool FormView::is_packed(ComponentKind plane) const {
  if (layout() == LayoutId::kPlain || !is_gemm()) return false;
  if (plane == ComponentKind::kCodes) return true;
  if (!is_engine()) return model::is_group_plane(plane) && operand.group_rows == 0;
  const bool machete = layout() == LayoutId::kMachete4 || layout() == LayoutId::kMachete8;
  if (plane == ComponentKind::kZeroPoint) return !machete;
  return plane == ComponentKind::kBlockScale && !is_derived(plane);
}

bool FormView::is_derived(ComponentKind plane) const {
  return is_engine() && (plane == ComponentKind::kGroupMin ||
                         (plane == ComponentKind::kBlockScale && scheme() == Scheme::kFp8));
}

ComponentKind FormView::source_component(ComponentKind plane) const {
  return plane == ComponentKind::kBlockScale && is_derived(plane) ? ComponentKind::kSourceScale
                                                                  : plane;
}

quant::PlaneCoding plane_coding(const artifact::OperandRecord& operand, ComponentKind plane,
                                Dtype dtype, Encoding encoding, uint64_t rows) {
  const uint32_t code_bits = model::code_bits(static_cast<Scheme>(operand.scheme));
  const uint32_t bits = dtype_bits(dtype);
  if (plane == ComponentKind::kCodes)
    return {encoding, code_bits == 0 ? bits : code_bits, rows,
            model::code_columns(static_cast<Scheme>(operand.scheme), operand.k)};
  if (!model::is_group_plane(plane)) return {encoding, bits, rows, 1};
  const uint64_t group_rows = std::max(operand.group_rows, 1u);
  return {encoding, plane == ComponentKind::kZeroPoint ? code_bits : bits,
          rows / group_rows + (rows % group_rows != 0),
          model::groups_of(plane, operand.group_size, operand.k)};
}

uint64_t mma64_block_bytes(Scheme scheme) {
  if (model::has_two_levels(scheme)) return mma64::kBlockBytes;
  if (scheme == Scheme::kMxfp4) return layouts::mma64_mxfp4::kBlockBytes;
  return model::code_bits(scheme) == 4 ? layouts::mma64_int4::kBlockBytes
                                       : layouts::mma64_bytes::kBlockBytes;
}

uint64_t slab_end(const FormView& view, uint64_t row0, uint64_t step) {
  const uint64_t end = view.is_engine() ? padded_end(view, row0) : view.operand.n;
  return step < end - row0 ? row0 + step : end;
}

uint64_t slab_unit_rows(const FormView& view) {
  const uint64_t unit = std::lcm(kSlabUnitRows, view.group_rows());
  if (view.layout() != LayoutId::kPlain) return unit;
  const uint64_t of_planes = plain_unit_rows(view);
  return of_planes == 0 ? view.operand.n : std::lcm(unit, of_planes);
}

uint64_t slab_rows(const FormView& view, uint64_t bytes) {
  const uint64_t unit = slab_unit_rows(view);
  const ComponentRecord* codes = component_of(view, ComponentKind::kCodes);
  const Dtype dtype = codes == nullptr ? Dtype::kU8 : static_cast<Dtype>(codes->dtype);
  const uint64_t unit_bytes = stored_bytes(view, ComponentKind::kCodes, dtype, unit);
  return std::max<uint64_t>(bytes / std::max<uint64_t>(unit_bytes, 1), 1) * unit;
}

bool can_invert(const FormView& view) {
  if (view.layout() == LayoutId::kPlain) return true;
  const auto* variant = layouts::find_variant(view.layout(), view.operand.scheme);
  return variant != nullptr && variant->scheme != layouts::kEveryScheme;
}

Result<StoredSlab> read_slab(const FormView& view, uint64_t expert, uint64_t row0, uint64_t rows) {
  StoredSlab slab;
  slab.expert = expert;
  slab.row0 = row0;
  slab.rows = rows;
  const layouts::LayoutInfo& layout = *layouts::find_layout(view.form.layout);
  slab.padded_rows = view.is_engine() ? packed_range(view, row0, rows).rows
                                      : round_up(rows, uint64_t{layout.pad_n});
  IMP_ASSIGN(slab.multipliers, stored_multipliers(view, expert));
  IMP_TRY(read_plane(view, ComponentKind::kCodes, slab));
  for (const ComponentKind plane : kGroupPlanes) {
    if (view.is_engine() && !view.is_packed(plane) && !view.is_derived(plane)) continue;
    if (view.reader.find_component(view.form, plane) != nullptr || view.needs(plane))
      IMP_TRY(read_plane(view, plane, slab));
  }
  if (view.layout() == LayoutId::kPlain) IMP_TRY(read_plain_extras(view, slab));
  if (const auto* lut = view.reader.find_component(view.form, ComponentKind::kLut)) {
    slab.lut.resize(std::size(quant::kIq4NlValues));
    IMP_TRY(view.reader.read_component(*lut, 0, slab.lut));
  }
  return slab;
}

}  // namespace imp::verify
