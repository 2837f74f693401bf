#include "src/unpack/weight_values.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <string>
#include <utility>

#include "src/base/checked.h"
#include "src/base/interrupt.h"
#include "src/model/weight_format.h"
#include "src/quant/bitmask.h"
#include "src/unpack/followed_plane.h"
#include "src/unpack/stream.h"

namespace imp::unpack {
namespace {

using artifact::ComponentKind;
using artifact::Reader;
using artifact::ScalarRecord;
using artifact::ScalarState;
using quant::CodeKind;
using quant::WeightFormat;

/// Rows of values that exist as doubles at a time.
constexpr uint64_t kValueRows = 64;

WeightFormat format_of(const Plane& codes) {
  const artifact::OperandRecord& operand = *codes.operand;
  WeightFormat format = model::weight_format(codes.scheme());
  format.code_dtype = static_cast<Dtype>(codes.tensor->dtype);
  format.bits = codes.coding().bits;
  format.rows = codes.part->n_count;
  format.columns = operand.k;
  format.group_size = operand.group_size;
  format.group_rows = std::max(operand.group_rows, 1u);
  return format;
}

class ValueStream {
 public:
  ValueStream(const Reader& reader, const Plane& codes, const FindSibling& find,
              uint64_t slab_bytes, const ValueSink& sink)
      : reader_(reader),
        plane_(codes),
        find_(find),
        slab_bytes_(slab_bytes),
        sink_(sink),
        format_(format_of(codes)),
        codes_(reader),
        scales_(reader),
        zero_points_(reader),
        mins_(reader),
        super_scales_(reader),
        super_mins_(reader),
        bitmask_(reader),
        row_offsets_(reader) {}

  Status run() {
    IMP_TRY(codes_.open(plane_));
    const uint64_t end = plane_.first_expert + plane_.expert_count;
    for (uint64_t e = plane_.first_expert; e < end; ++e) {
      IMP_TRY(open_expert(e));
      for (uint64_t row = 0; row < format_.rows; row += step_) {
        IMP_TRY(check_interrupted());
        IMP_TRY(read_slab(e, row, std::min(step_, format_.rows - row)));
      }
    }
    for (FollowedPlane* plane : {&codes_, &bitmask_, &row_offsets_}) IMP_TRY(plane->finish());
    for (FollowedPlane* plane : group_planes()) IMP_TRY(plane->finish());
    return {};
  }

 private:
  std::array<FollowedPlane*, 5> group_planes() {
    return {&scales_, &zero_points_, &mins_, &super_scales_, &super_mins_};
  }

  bool is_sparse() const {
    return !quant::has_canonical(static_cast<quant::Encoding>(plane_.tensor->encoding));
  }

  Error missing(const std::string& what) const {
    return plane_error(reader_, plane_, ErrorKind::kBadRecord, what);
  }

  Status open_expert(uint64_t expert) {
    IMP_TRY(follow(ComponentKind::kBlockScale, expert, scales_));
    IMP_TRY(follow(ComponentKind::kZeroPoint, expert, zero_points_));
    IMP_TRY(follow(ComponentKind::kGroupMin, expert, mins_));
    IMP_TRY(follow(ComponentKind::kSuperScale, expert, super_scales_));
    IMP_TRY(follow(ComponentKind::kSuperMin, expert, super_mins_));
    IMP_TRY(follow(ComponentKind::kBitmask, expert, bitmask_));
    IMP_TRY(follow(ComponentKind::kRowOffsets, expert, row_offsets_));
    IMP_TRY(check_group_planes());
    if (scales_.is_open()) format_.scale_dtype = static_cast<Dtype>(scales_.plane().tensor->dtype);
    if (is_sparse() && !bitmask_.is_open()) return missing("no source tensor is its bitmask");
    IMP_TRY(read_groups(expert));
    IMP_TRY(read_global(expert));
    step_ = step_rows();
    return {};
  }

  Status check_group_planes() const {
    const model::Scheme scheme = plane_.scheme();
    if (model::is_ggml_planes(scheme) && format_.group_size == 0)
      return missing("its operand has no groups");
    if (format_.group_size != 0 && !scales_.is_open())
      return missing("no source tensor is its block scales");
    const bool min = model::has_group_min(scheme), super = model::has_super_scale(scheme);
    IMP_TRY(check_plane(mins_, min, "group mins"));
    IMP_TRY(check_plane(super_scales_, super, "super scales"));
    IMP_TRY(check_plane(super_mins_, super && min, "super mins"));
    return scales_.is_open() ? check_dtype(scales_) : Status{};
  }

  Status check_plane(const FollowedPlane& plane, bool wanted, const std::string& what) const {
    if (plane.is_open() != wanted)
      return missing(wanted ? "no source tensor is its " + what
                            : "has " + what + ", which its scheme has not");
    return wanted ? check_dtype(plane) : Status{};
  }

  Status check_dtype(const FollowedPlane& plane) const {
    const auto dtype = static_cast<Dtype>(plane.plane().tensor->dtype);
    if (model::is_scale_dtype(plane_.scheme(), plane.plane().kind(), dtype)) return {};
    return missing("its scales have dtype " + std::string(dtype_name(dtype)) +
                   ", which its scheme has not");
  }

  Status follow(ComponentKind kind, uint64_t expert, FollowedPlane& plane) {
    IMP_ASSIGN(const std::optional<Plane> found, find_(kind, expert));
    return found ? plane.open(*found) : Status{};
  }

  Status read_groups(uint64_t expert) {
    IMP_ASSIGN(const std::optional<Plane> found, find_(ComponentKind::kGroupIndex, expert));
    std::vector<std::byte> index;
    if (found) {
      IMP_ASSIGN(index, read_stored(reader_, *found, expert));
      Xxh3Stream digest;
      digest.update(index);
      if (index.size() == found->tensor->size_bytes)
        IMP_TRY(check_digest(reader_, *found, digest.digest()));
    }
    auto groups = quant::column_groups(format_, index);
    if (!groups.ok()) return with_place(reader_, plane_, std::move(groups).error());
    groups_ = std::move(groups).take();
    return {};
  }

  Status read_global(uint64_t expert) {
    global_ = {};
    if (plane_.part->multiplier_count == 0) {
      // NVFP4 in GGUF without a global scale means 1.
      IMP_ASSIGN(const std::optional<Plane> scale, find_(ComponentKind::kMultiplier, expert));
      return scale ? missing("its part has no global scale, but the source has") : Status{};
    }
    const ScalarRecord& scalar = reader_.scalars()[plane_.part->first_multiplier + expert];
    const auto state = static_cast<ScalarState>(scalar.state);
    if (state == ScalarState::kAbsent)
      return missing("the global scale of expert " + std::to_string(expert) + " is absent");
    if (state == ScalarState::kUnused) return {};
    global_ = {std::bit_cast<float>(scalar.bits), state == ScalarState::kDivisor
                                                      ? quant::Convention::kDivisor
                                                      : quant::Convention::kMultiplier};
    return {};
  }

  /// Rows of W at multiples of which every plane can be cut.
  uint64_t step_rows() {
    if (is_sparse()) return format_.rows;
    uint64_t unit = codes_.rows().unit_rows();
    for (const FollowedPlane* plane : group_planes())
      if (plane->is_open()) {
        const uint64_t rows =
            checked_mul(plane->rows().unit_rows(), format_.group_rows).value_or(format_.rows);
        // An lcm of numbers up to n: more than n is all of it.
        unit = rows >= format_.rows || unit >= format_.rows ? format_.rows : std::lcm(unit, rows);
      }
    if (unit >= format_.rows) return format_.rows;
    return std::max<uint64_t>(codes_.rows().slab_rows(slab_bytes_) / unit, 1) * unit;
  }

  Status read_slab(uint64_t expert, uint64_t row, uint64_t rows) {
    IMP_TRY(is_sparse() ? expand(expert) : codes_.read(expert, row, rows));
    for (FollowedPlane* plane : group_planes())
      if (plane->is_open())
        IMP_TRY(plane->read(expert, row / format_.group_rows, format_.scale_rows(rows)));
    for (uint64_t at = 0; at < rows; at += kValueRows) {
      const uint64_t count = std::min(kValueRows, rows - at);
      out_.expert = expert;
      out_.row0 = row + at;
      out_.rows = count;
      out_.values.resize(count * format_.columns);
      quant::decode_rows(format_, canonical_rows(at, count), groups_, global_, out_.values);
      IMP_TRY(sink_(out_));
    }
    return {};
  }

  quant::CanonicalRows canonical_rows(uint64_t row, uint64_t rows) const {
    quant::CanonicalRows planes;
    planes.rows = rows;
    planes.row_in_group = row % format_.group_rows;
    const uint64_t before = quant::canonical_bytes(quant::with_rows(plane_.coding(), row));
    planes.codes = (is_sparse() ? Bytes(dense_) : codes_.canonical()).subspan(before);
    const uint64_t group_row = row / format_.group_rows;
    if (scales_.is_open()) planes.scales = scales_.canonical_from(group_row);
    if (zero_points_.is_open()) planes.zero_points = zero_points_.canonical_from(group_row);
    if (mins_.is_open()) planes.mins = mins_.canonical_from(group_row);
    if (super_scales_.is_open()) planes.super_scales = super_scales_.canonical_from(group_row);
    if (super_mins_.is_open()) planes.super_mins = super_mins_.canonical_from(group_row);
    return planes;
  }

  /// A sparse plane of one expert to canonical rows.
  Status expand(uint64_t expert) {
    IMP_TRY(codes_.read_whole(expert));
    IMP_TRY(bitmask_.read_whole(expert));
    if (row_offsets_.is_open()) IMP_TRY(row_offsets_.read_whole(expert));
    quant::PlaneCoding coding = plane_.coding();
    const uint64_t mask_bytes = checked_mul(coding.rows, coding.columns / 8).value_or(~uint64_t{0});
    if (mask_bytes > bitmask_.source().size())  // so that the file backs what is allocated
      return missing("its bitmask is smaller than its shape");
    std::vector<std::byte> elements(coding.rows * coding.columns * (coding.bits / 8));
    Status status =
        quant::expand_bitmask(coding,
                              {codes_.source(), bitmask_.source(),
                               row_offsets_.is_open() ? row_offsets_.source() : Bytes{}},
                              elements);
    coding.encoding =
        format_.kind == CodeKind::kInteger ? quant::Encoding::kSignedBytes : quant::Encoding::kRows;
    dense_.resize(quant::canonical_bytes(coding));
    if (status.ok()) status = quant::to_canonical(coding, elements, dense_);
    return status.ok() ? Status{} : with_place(reader_, plane_, std::move(status).error());
  }

  const Reader& reader_;
  const Plane plane_;
  const FindSibling& find_;
  const uint64_t slab_bytes_;
  const ValueSink& sink_;
  WeightFormat format_;
  FollowedPlane codes_, scales_, zero_points_, mins_, super_scales_, super_mins_, bitmask_,
      row_offsets_;
  std::vector<uint32_t> groups_;
  quant::GlobalScale global_;
  uint64_t step_ = 1;
  std::vector<std::byte> dense_;
  ValueRows out_;
};

}  // namespace

Status stream_values(const Reader& reader, const Plane& codes, const FindSibling& find_sibling,
                     uint64_t slab_bytes, const ValueSink& sink) {
  return ValueStream(reader, codes, find_sibling, slab_bytes, sink).run();
}

}  // namespace imp::unpack
