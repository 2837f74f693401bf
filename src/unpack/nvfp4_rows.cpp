#include "src/unpack/nvfp4_rows.h"

#include <algorithm>
#include <utility>

#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/shape.h"
#include "src/model/schemes.h"
#include "src/repack/nvfp4.h"
#include "src/unpack/exceptions.h"

namespace imp::unpack {
namespace {

namespace mma64 = layouts::mma64_nvfp4;
namespace native_rows = layouts::native_rows;
namespace sf128x4 = layouts::sf128x4;
using artifact::ComponentKind;
using artifact::ComponentRecord;
using artifact::Reader;
using layouts::LayoutId;

/// div_up for a dividend that may be anything.
uint64_t tiles(uint64_t value, uint64_t unit) { return value / unit + (value % unit != 0); }

Shape shape_of(const ComponentRecord& component) {
  Shape shape;
  shape.rank = component.rank;
  std::copy(component.dims, component.dims + component.rank, shape.dims.begin());
  return shape;
}

}  // namespace

Nvfp4Rows::Nvfp4Rows(const Reader& reader, const Plane& plane)
    : reader_(reader),
      plane_(plane),
      k_(plane.operand->k),
      groups_(plane.operand->k / model::group_size_of(model::Scheme::kNvfp4)) {}

Result<Nvfp4Rows> Nvfp4Rows::open(const Reader& reader, const Plane& plane) {
  Nvfp4Rows rows(reader, plane);
  const uint32_t group = model::group_size_of(model::Scheme::kNvfp4);
  if (plane.operand->group_size != group || rows.k_ == 0 || rows.k_ % group != 0 ||
      !(plane.operand->flags & artifact::kOperandGemm))
    return plane_error(reader, plane, ErrorKind::kBadRecord,
                       "its operand has k " + std::to_string(rows.k_) + " in groups of " +
                           std::to_string(plane.operand->group_size) +
                           ", expected a GEMM operand with k a multiple of 16 in groups of 16");
  IMP_TRY(rows.check_shapes());
  return rows;
}

Result<const ComponentRecord*> Nvfp4Rows::component(ComponentKind kind, Dtype dtype,
                                                    std::initializer_list<uint64_t> dims) const {
  Shape expected;
  if (plane_.operand->experts != 1) expected.dims[expected.rank++] = plane_.operand->experts;
  for (const uint64_t d : dims) expected.dims[expected.rank++] = d;
  const ComponentRecord* found = reader_.find_component(*plane_.form, kind);
  const bool fits = found != nullptr && found->dtype == static_cast<uint16_t>(dtype) &&
                    shape_of(*found) == expected;
  if (fits) return found;
  return plane_error(reader_, plane_, ErrorKind::kBadRecord,
                     "component " + std::to_string(static_cast<uint16_t>(kind)) + " of layout " +
                         std::string(layouts::find_layout(plane_.form->layout)->name) + " is " +
                         (found == nullptr ? "missing" : shape_of(*found).to_string()) +
                         ", expected " + std::string(dtype_name(dtype)) + " " +
                         expected.to_string());
}

Status Nvfp4Rows::check_shapes() {
  const uint64_t n = plane_.operand->n;
  switch (plane_.layout()) {
    case LayoutId::kPlain: {
      IMP_ASSIGN(codes_, component(ComponentKind::kCodes, Dtype::kU8, {n, k_ / 2}));
      IMP_ASSIGN(scales_, component(ComponentKind::kBlockScale, Dtype::kF8E4M3, {n, groups_}));
      return {};
    }
    case LayoutId::kNative: {
      IMP_ASSIGN(codes_,
                 component(ComponentKind::kCodes, Dtype::kU8, {n, native_rows::pitch_bytes(k_)}));
      IMP_ASSIGN(scales_, component(ComponentKind::kBlockScale, Dtype::kF8E4M3,
                                    {tiles(n, sf128x4::kTileRows), sf128x4::group_tiles(groups_),
                                     sf128x4::kTileBytes}));
      return {};
    }
    case LayoutId::kMma64: {
      IMP_ASSIGN(codes_, component(ComponentKind::kBlocks, Dtype::kU8,
                                   {tiles(n, mma64::kTileN), tiles(k_, mma64::kTileK),
                                    mma64::kBlockBytes}));
      exceptions_ = reader_.find_component(*plane_.form, ComponentKind::kExceptions);
      return {};
    }
  }
  return plane_error(reader_, plane_, ErrorKind::kInternal, "a layout without an inverse");
}

uint64_t Nvfp4Rows::slab_rows(uint64_t code_bytes) const {
  return std::max(code_bytes / row_code_bytes() / kSlabUnitRows, uint64_t{1}) * kSlabUnitRows;
}

Status Nvfp4Rows::read(uint64_t expert, uint64_t first_row, uint64_t rows, Nvfp4Planes wanted,
                       Nvfp4Slab& slab) {
  const uint64_t row = plane_.part->n0 + first_row;
  const uint64_t unit = plane_.layout() == LayoutId::kMma64    ? mma64::kTileN
                        : plane_.layout() == LayoutId::kNative ? sf128x4::kTileRows
                                                               : 1;
  if (row % unit != 0)
    return plane_error(reader_, plane_, ErrorKind::kBadRecord,
                       "its part starts at row " + std::to_string(plane_.part->n0) +
                           ", expected a multiple of " + std::to_string(unit));
  slab.rows = rows;
  Status status;
  switch (plane_.layout()) {
    case LayoutId::kPlain:
      status = read_plain(expert, row, wanted, slab);
      break;
    case LayoutId::kNative:
      status = read_native(expert, row, wanted, slab);
      break;
    case LayoutId::kMma64:
      status = read_mma64(expert, row, slab);
      break;
  }
  if (status.ok()) return status;
  return with_place(reader_, plane_, std::move(status).error());
}

Status Nvfp4Rows::read_plain(uint64_t expert, uint64_t row, Nvfp4Planes wanted, Nvfp4Slab& slab) {
  if (wanted != Nvfp4Planes::kScales) {
    slab.codes.resize(slab.rows * row_code_bytes());
    IMP_TRY(reader_.read_component(
        *codes_, expert * codes_->expert_stride_bytes + row * row_code_bytes(), slab.codes));
  }
  if (wanted != Nvfp4Planes::kCodes) {
    slab.scales.resize(slab.rows * groups_);
    IMP_TRY(reader_.read_component(*scales_, expert * scales_->expert_stride_bytes + row * groups_,
                                   slab.scales));
  }
  return {};
}

Status Nvfp4Rows::read_native(uint64_t expert, uint64_t row, Nvfp4Planes wanted, Nvfp4Slab& slab) {
  if (wanted != Nvfp4Planes::kScales) {
    const uint64_t pitch = native_rows::pitch_bytes(k_);
    packed_.resize(slab.rows * pitch);
    slab.codes.resize(slab.rows * row_code_bytes());
    IMP_TRY(reader_.read_component(*codes_, expert * codes_->expert_stride_bytes + row * pitch,
                                   packed_));
    IMP_TRY(repack::native_rows_unpack(packed_, slab.rows, k_, repack::Path::kWord, slab.codes));
  }
  if (wanted != Nvfp4Planes::kCodes) {
    packed_.resize(sf128x4::size_bytes(slab.rows, groups_));
    slab.scales.resize(slab.rows * groups_);
    IMP_TRY(reader_.read_component(
        *scales_, expert * scales_->expert_stride_bytes + sf128x4::size_bytes(row, groups_),
        packed_));
    IMP_TRY(repack::sf128x4_unpack(packed_, slab.rows, groups_, repack::Path::kWord, slab.scales));
  }
  return {};
}

Status Nvfp4Rows::read_mma64(uint64_t expert, uint64_t row, Nvfp4Slab& slab) {
  packed_.resize(repack::mma64_nvfp4_bytes(slab.rows, k_));
  slab.codes.resize(slab.rows * row_code_bytes());
  slab.scales.resize(slab.rows * groups_);
  IMP_TRY(reader_.read_component(
      *codes_, expert * codes_->expert_stride_bytes + repack::mma64_nvfp4_bytes(row, k_), packed_));
  IMP_TRY(repack::mma64_nvfp4_unpack(packed_, slab.rows, k_, repack::Path::kWord, slab.codes,
                                     slab.scales));
  if (exceptions_ == nullptr) return {};
  const uint64_t first_group = (expert * plane_.operand->n + row) * groups_;
  return apply_exceptions(reader_, *exceptions_, first_group, slab.codes, slab.scales);
}

}  // namespace imp::unpack
