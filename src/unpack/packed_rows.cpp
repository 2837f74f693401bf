#include "src/unpack/packed_rows.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/little_endian.h"
#include "src/base/shape.h"
#include "src/model/group_planes.h"
#include "src/repack/mma64_variants.h"
#include "src/unpack/exceptions.h"

namespace imp::unpack {
namespace {

namespace mma64 = layouts::mma64_nvfp4;
namespace sf128x4 = layouts::sf128x4;
using artifact::ComponentKind;
using artifact::ComponentRecord;
using artifact::Reader;
using layouts::LayoutId;
using model::Scheme;
using repack::Path;

/// div_up for a dividend that may be anything.
uint64_t tiles(uint64_t value, uint64_t unit) { return value / unit + (value % unit != 0); }

Shape shape_of(const ComponentRecord& component) {
  Shape shape;
  shape.rank = component.rank;
  std::copy(component.dims, component.dims + component.rank, shape.dims.begin());
  return shape;
}

bool in_blocks(Scheme scheme) { return model::has_two_levels(scheme) || scheme == Scheme::kMxfp4; }

uint64_t block_bytes(Scheme scheme) {
  if (model::has_two_levels(scheme)) return mma64::kBlockBytes;
  if (scheme == Scheme::kMxfp4) return repack::mma64_mxfp4_bytes(mma64::kTileN, mma64::kTileK);
  return repack::mma64_codes_bytes(model::code_bits(scheme), mma64::kTileN, mma64::kTileK);
}

uint64_t native_pitch(uint32_t bits, uint64_t k) {
  return bits == 4 ? layouts::native_rows::pitch_bytes(k) : repack::native_bytes_pitch(k);
}

}  // namespace

PackedRows::PackedRows(const Reader& reader, const Plane& plane)
    : reader_(reader),
      plane_(plane),
      k_(plane.operand->k),
      bits_(plane.coding().bits),
      groups_(plane.operand->group_size == 0
                  ? 0
                  : model::groups_of(plane.kind(), plane.operand->group_size, k_)),
      pitch_(quant::canonical_bytes({{}, bits_, 1, plane.coding().columns})) {}

Result<PackedRows> PackedRows::open(const Reader& reader, const Plane& plane) {
  PackedRows rows(reader, plane);
  IMP_TRY(rows.check_groups());
  IMP_TRY(rows.check_shapes());
  return rows;
}

Status PackedRows::check_groups() const {
  const uint32_t group = model::group_size_of(plane_.scheme());
  const bool fits = group == 0 || (plane_.operand->group_size == group && k_ % group == 0);
  if (fits && k_ != 0) return {};
  return plane_error(reader_, plane_, ErrorKind::kBadRecord,
                     "its operand has k " + std::to_string(k_) + " in groups of " +
                         std::to_string(plane_.operand->group_size) + ", expected groups of " +
                         std::to_string(group) + " and k a multiple of them");
}

Result<const ComponentRecord*> PackedRows::component(ComponentKind kind, Dtype dtype,
                                                     std::initializer_list<uint64_t> dims) const {
  Shape expected;
  if (plane_.operand->experts != 1) expected.dims[expected.rank++] = plane_.operand->experts;
  for (const uint64_t d : dims) expected.dims[expected.rank++] = d;
  const ComponentRecord* found = reader_.find_component(*plane_.form, kind);
  const bool fits = found != nullptr &&
                    dtype_bits(static_cast<Dtype>(found->dtype)) == dtype_bits(dtype) &&
                    shape_of(*found) == expected;
  if (fits) return found;
  return plane_error(reader_, plane_, ErrorKind::kBadRecord,
                     "component " + std::to_string(static_cast<uint16_t>(kind)) + " of layout " +
                         std::string(layouts::find_layout(plane_.form->layout)->name) + " is " +
                         (found == nullptr ? "missing" : shape_of(*found).to_string()) +
                         ", expected " + std::string(dtype_name(dtype)) + " " +
                         expected.to_string());
}

Status PackedRows::open_engine() {
  Result<EngineRows> rows = EngineRows::open(reader_, plane_);
  if (!rows.ok()) return with_place(reader_, plane_, std::move(rows).error());
  engine_.emplace(std::move(rows).take());
  return find_gather();
}

Status PackedRows::find_gather() {
  if (!is_codes() || reader_.find_component(*plane_.form, ComponentKind::kKGather) == nullptr)
    return {};
  IMP_ASSIGN(gather_, component(ComponentKind::kKGather, Dtype::kU32, {k_}));
  return {};
}

Status PackedRows::check_shapes() {
  if (plane_.is_engine()) return open_engine();
  const uint64_t n = plane_.operand->n;
  if (plane_.layout() == LayoutId::kNative) {
    if (is_codes()) {
      IMP_ASSIGN(stored_,
                 component(ComponentKind::kCodes, Dtype::kU8, {n, native_pitch(bits_, k_)}));
    } else {
      IMP_ASSIGN(stored_, component(ComponentKind::kBlockScale, Dtype::kU8,
                                    {tiles(n, sf128x4::kTileRows), sf128x4::group_tiles(groups_),
                                     sf128x4::kTileBytes}));
    }
    return {};
  }
  if (!is_codes() && !in_blocks(plane_.scheme())) {
    const Dtype dtype = plane_.kind() == ComponentKind::kZeroPoint
                            ? Dtype::kU8
                            : static_cast<Dtype>(plane_.tensor->dtype);
    IMP_ASSIGN(stored_, component(plane_.kind(), dtype,
                                  {tiles(n, mma64::kTileN), groups_, uint64_t{mma64::kTileN}}));
    return {};
  }
  IMP_ASSIGN(stored_, component(ComponentKind::kBlocks, Dtype::kU8,
                                {tiles(n, mma64::kTileN), tiles(k_, mma64::kTileK),
                                 block_bytes(plane_.scheme())}));
  exceptions_ = reader_.find_component(*plane_.form, ComponentKind::kExceptions);
  return find_gather();
}

uint64_t PackedRows::unit_rows() const {
  if (plane_.layout() == LayoutId::kMma64) return mma64::kTileN;
  return is_codes() ? 1 : sf128x4::kTileRows;
}

uint64_t PackedRows::packed_bytes(uint64_t rows) const {
  if (plane_.layout() == LayoutId::kNative)
    return is_codes() ? rows * native_pitch(bits_, k_) : sf128x4::size_bytes(rows, groups_);
  if (!is_codes() && !in_blocks(plane_.scheme()))
    return repack::mma64_plane_bytes(bits_, rows, groups_);
  return tiles(rows, mma64::kTileN) * tiles(k_, mma64::kTileK) * block_bytes(plane_.scheme());
}

Status PackedRows::read(uint64_t expert, uint64_t first_row, uint64_t rows, MutableBytes out) {
  if (engine_) {
    Status status = engine_->read(expert, first_row, rows, out);
    if (status.ok() && gather_ != nullptr) status = ungather(expert, rows, out);
    return status.ok() ? Status{} : with_place(reader_, plane_, std::move(status).error());
  }
  const uint64_t row = plane_.part->n0 + first_row;
  if (row % unit_rows() != 0)
    return plane_error(reader_, plane_, ErrorKind::kBadRecord,
                       "its part starts at row " + std::to_string(plane_.part->n0) +
                           ", expected a multiple of " + std::to_string(unit_rows()));
  packed_.resize(packed_bytes(rows));
  IMP_TRY(reader_.read_component(
      *stored_, expert * stored_->expert_stride_bytes + packed_bytes(row), packed_));
  Status status = unpack(expert * plane_.operand->n + row, rows, out);
  if (status.ok() && gather_ != nullptr) status = ungather(expert, rows, out);
  if (status.ok()) return status;
  return with_place(reader_, plane_, std::move(status).error());
}

Status PackedRows::unpack(uint64_t operand_row, uint64_t rows, MutableBytes out) {
  if (plane_.layout() == LayoutId::kNative) return unpack_native(rows, out);
  if (in_blocks(plane_.scheme())) return unpack_blocks(operand_row, rows, out);
  if (is_codes()) return repack::mma64_codes_unpack(bits_, packed_, rows, k_, Path::kWord, out);
  return repack::mma64_plane_unpack(bits_, packed_, rows, groups_, Path::kWord, out);
}

Status PackedRows::unpack_native(uint64_t rows, MutableBytes out) {
  if (!is_codes()) return repack::sf128x4_unpack(packed_, rows, groups_, Path::kWord, out);
  return bits_ == 4 ? repack::native_rows_unpack(packed_, rows, k_, Path::kWord, out)
                    : repack::native_bytes_unpack(packed_, rows, k_, Path::kWord, out);
}

/// Blocks that hold codes and scales: both come out, one is wanted.
Status PackedRows::unpack_blocks(uint64_t operand_row, uint64_t rows, MutableBytes out) {
  codes_.resize(rows * (k_ / 2));
  if (plane_.scheme() == Scheme::kMxfp4) {
    scales_.resize(rows * groups_);
    IMP_TRY(repack::mma64_mxfp4_unpack(packed_, rows, k_, Path::kWord, codes_, scales_));
  } else {
    const uint64_t blocks = k_ / mma64::kGroup;
    scales_.resize(rows * blocks);
    IMP_TRY(repack::mma64_nvfp4_unpack(packed_, rows, k_, Path::kWord, codes_, scales_));
    if (exceptions_ != nullptr)
      IMP_TRY(apply_exceptions(reader_, *exceptions_, operand_row * blocks, codes_, scales_));
    if (!is_codes() && plane_.scheme() == Scheme::kNvfp4G32)
      return repack::halve_scales(scales_, groups_, out);
  }
  const std::vector<std::byte>& wanted = is_codes() ? codes_ : scales_;
  std::copy(wanted.begin(), wanted.end(), out.begin());
  return {};
}

/// Packed column i is the source's column gather[i].
Status PackedRows::ungather(uint64_t expert, uint64_t rows, MutableBytes out) const {
  std::vector<std::byte> raw(4 * k_);
  IMP_TRY(reader_.read_component(*gather_, expert * gather_->expert_stride_bytes, raw));
  std::vector<bool> seen(k_);
  for (uint64_t i = 0; i < k_; ++i) {
    const auto column = load_le<uint32_t>(&raw[4 * i]);
    if (column >= k_ || seen[column])
      return Error{ErrorKind::kBadRecord,
                   "k_gather is no order of the columns: " + std::to_string(column) +
                       " at column " + std::to_string(i),
                   "", ""};
    seen[column] = true;
  }
  std::vector<std::byte> line(pitch_);
  for (uint64_t row = 0; row < rows; ++row) {
    const MutableBytes at = out.subspan(row * pitch_, pitch_);
    std::copy(at.begin(), at.end(), line.begin());
    if (bits_ == 4) std::fill(at.begin(), at.end(), std::byte{0});
    for (uint64_t i = 0; i < k_; ++i) {
      const auto column = load_le<uint32_t>(&raw[4 * i]);
      if (bits_ == 4)
        at[column / 2] |= (line[i / 2] >> (4 * (i % 2)) & std::byte{0xF}) << (4 * (column % 2));
      else
        at[column] = line[i];
    }
  }
  return {};
}

}  // namespace imp::unpack
