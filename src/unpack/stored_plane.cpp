#include "src/unpack/stored_plane.h"

#include <string>

#include "src/base/checked.h"
#include "src/base/dtype.h"
#include "src/model/group_planes.h"

namespace imp::unpack {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;
using artifact::PartRecord;
using artifact::Reader;

std::string num(uint64_t value) { return std::to_string(value); }

/// Bytes of one expert without the padding of its stride. The reader checked that the shape fits.
uint64_t bytes_of_expert(const ComponentRecord& component) {
  if (component.expert_stride_bytes == 0) return component.size_bytes;
  uint64_t elems = 1;
  for (uint32_t i = 1; i < component.rank; ++i) elems *= component.dims[i];
  return elems * dtype_bits(static_cast<Dtype>(component.dtype)) / 8;
}

/// Bytes of the parts before this one; 2^64 - 1 where the records are nonsense.
uint64_t offset_of_part(const Reader& reader, const Plane& plane, uint64_t expert_bytes) {
  const ComponentKind kind = plane.kind();
  if (kind == ComponentKind::kKScale || kind == ComponentKind::kKGather ||
      kind == ComponentKind::kGroupIndex)
    return 0;  // of all parts
  if (kind != ComponentKind::kCodes && kind != ComponentKind::kBias && !model::is_group_plane(kind))
    return checked_mul(plane.tensor->part, expert_bytes).value_or(~uint64_t{0});
  uint64_t before = 0;
  const auto parts = reader.parts_of(*plane.operand);
  for (uint32_t p = 0; p < plane.tensor->part; ++p)
    before =
        checked_add(before, quant::source_bytes(plane.coding_of(parts[p]))).value_or(~uint64_t{0});
  return before;
}

}  // namespace

Status StoredPlane::read(const Reader& reader, uint64_t expert, uint64_t offset,
                         MutableBytes out) const {
  return reader.read_component(
      *component, expert * component->expert_stride_bytes + offset_bytes + offset, out);
}

Result<StoredPlane> find_stored(const Reader& reader, const Plane& plane) {
  StoredPlane stored;
  stored.component = reader.find_component(*plane.form, plane.stored_kind());
  if (stored.component == nullptr || stored.component->dtype != plane.tensor->dtype)
    return plane_error(reader, plane, ErrorKind::kBadRecord,
                       "its form has no component " + num(plane.tensor->plane) + " of dtype " +
                           std::string(dtype_name(static_cast<Dtype>(plane.tensor->dtype))));
  const bool shared = stored.component->expert_stride_bytes == 0;
  stored.first_expert = shared ? 0 : plane.first_expert;
  stored.expert_count = shared ? 1 : plane.expert_count;
  stored.expert_bytes = plane.tensor->size_bytes / stored.expert_count;
  stored.offset_bytes = offset_of_part(reader, plane, stored.expert_bytes);
  const uint64_t available = bytes_of_expert(*stored.component);
  if (plane.tensor->size_bytes % stored.expert_count != 0 ||
      !range_fits(stored.offset_bytes, stored.expert_bytes, available))
    return plane_error(reader, plane, ErrorKind::kBadRecord,
                       "has " + num(plane.tensor->size_bytes) + " bytes, of " +
                           num(stored.expert_count) + " experts; they do not fit behind byte " +
                           num(stored.offset_bytes) + " of the " + num(available) +
                           " of one expert in the form");
  return stored;
}

Result<std::vector<std::byte>> read_stored(const Reader& reader, const Plane& plane,
                                           uint64_t expert) {
  IMP_ASSIGN(const StoredPlane stored, find_stored(reader, plane));
  std::vector<std::byte> bytes(stored.expert_bytes);
  IMP_TRY(stored.read(reader, expert, 0, bytes));
  return bytes;
}

}  // namespace imp::unpack
