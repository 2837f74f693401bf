#include "src/unpack/plane_rows.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

namespace imp::unpack {

using artifact::Reader;
using layouts::LayoutId;
using quant::PlaneCoding;
using quant::with_rows;

PlaneRows::PlaneRows(const Reader& reader, const Plane& plane)
    : reader_(reader), plane_(plane), coding_(plane.coding()) {
  const uint64_t cut = quant::cut_rows(coding_);
  const uint64_t layout_unit = plane.is_packed() ? kSlabUnitRows : 1;
  unit_rows_ = cut == 0 ? std::max<uint64_t>(coding_.rows, 1) : std::lcm(cut, layout_unit);
}

Result<PlaneRows> PlaneRows::open(const Reader& reader, const Plane& plane) {
  PlaneRows rows(reader, plane);
  if (plane.is_packed()) {
    IMP_ASSIGN(PackedRows packed, PackedRows::open(reader, plane));
    rows.packed_.emplace(std::move(packed));
  } else {
    IMP_ASSIGN(rows.stored_, find_stored(reader, plane));
  }
  const uint64_t expected = quant::source_bytes(rows.coding_);
  if (plane.tensor->size_bytes / plane.expert_count != expected ||
      plane.tensor->size_bytes % plane.expert_count != 0)
    return plane_error(reader, plane, ErrorKind::kBadRecord,
                       "has " + std::to_string(plane.tensor->size_bytes) + " bytes, expected " +
                           std::to_string(expected) + " for each of " +
                           std::to_string(plane.expert_count) + " experts");
  return rows;
}

bool PlaneRows::is_reordered() const {
  return plane_.layout() != LayoutId::kPlain && !packed_ &&
         plane_.kind() == artifact::ComponentKind::kBias;
}

uint64_t PlaneRows::slab_rows(uint64_t bytes) const {
  const uint64_t unit_bytes = quant::canonical_bytes(with_rows(coding_, unit_rows_));
  return std::max<uint64_t>(bytes / std::max<uint64_t>(unit_bytes, 1), 1) * unit_rows_;
}

Status PlaneRows::read(uint64_t expert, uint64_t row, uint64_t rows, bool canonical,
                       PlaneSlab& slab) {
  const PlaneCoding coding = with_rows(coding_, rows);
  const bool same = coding.encoding == quant::Encoding::kRows;
  slab.source.resize(quant::source_bytes(coding));
  slab.converted.clear();
  if (!packed_ && !is_reordered()) {
    IMP_TRY(
        stored_.read(reader_, expert, quant::source_bytes(with_rows(coding_, row)), slab.source));
    if (same || !canonical) return {};
    slab.converted.resize(quant::canonical_bytes(coding));
    Status status = quant::to_canonical(coding, slab.source, slab.converted);
    return status.ok() ? Status{} : with_place(reader_, plane_, std::move(status).error());
  }
  std::vector<std::byte>& rows_of_form = same ? slab.source : slab.converted;
  rows_of_form.resize(quant::canonical_bytes(coding));
  if (packed_)
    IMP_TRY(packed_->read(expert, row, rows, rows_of_form));
  else
    IMP_TRY(stored_.read(reader_, expert, quant::canonical_bytes(with_rows(coding_, row)),
                         rows_of_form));
  if (!same) quant::from_canonical(coding, slab.converted, slab.source);
  return {};
}

}  // namespace imp::unpack
