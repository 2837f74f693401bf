// Rules of component records, each for itself. REQUIRES of everything here: check_operands passed.
#include "formats/imp/index_checks.h"

namespace imp::artifact {
namespace {

std::string num(uint64_t value) { return std::to_string(value); }

bool is_known(uint16_t kind) {
  return kind >= static_cast<uint16_t>(ComponentKind::kCodes) && kind <= kLastComponentKind;
}
bool is_exceptions(const ComponentRecord& c) {
  return c.kind == static_cast<uint16_t>(ComponentKind::kExceptions);
}

/// Experts at a stride: the last one may end with its own bytes or fill its stride.
Status check_expert_sizes(const ComponentRecord& c, uint64_t experts, uint64_t shape_size,
                          const Place& place) {
  if (experts == 1)
    return place.error(ErrorKind::kBadRecord, "has an expert stride, expected 0 for one expert");
  if (c.rank == 0 || c.dims[0] != experts)
    return place.error(ErrorKind::kBadShape, "dims[0] is " + num(c.rank == 0 ? 0 : c.dims[0]) +
                                                 ", expected the number of experts, " +
                                                 num(experts));
  if (shape_size % experts != 0)
    return place.error(ErrorKind::kBadShape, "one expert is not a whole number of bytes");
  const uint64_t one = shape_size / experts;
  const auto all = checked_mul(experts, c.expert_stride_bytes);
  if (one > c.expert_stride_bytes || !all || c.size_bytes > *all ||
      c.size_bytes < *all - (c.expert_stride_bytes - one))
    return place.error(ErrorKind::kBadRecord, "has " + num(c.size_bytes) + " bytes, expected " +
                                                  num(experts) + " experts of " + num(one) +
                                                  " bytes at a stride of " +
                                                  num(c.expert_stride_bytes));
  return {};
}

Status check_shape(const ComponentRecord& c, uint64_t experts, const Place& place) {
  IMP_ASSIGN(const uint64_t shape_size, shape_bytes(c.dtype, c.rank, c.dims, place));
  if (c.expert_stride_bytes != 0) return check_expert_sizes(c, experts, shape_size, place);
  if (shape_size != c.size_bytes)
    return place.error(
        ErrorKind::kBadShape,
        "the shape takes " + num(shape_size) + " bytes, expected size_bytes, " + num(c.size_bytes));
  return {};
}

/// In file 0 the payload section, in another the whole file.
Status check_inside(const IndexTables& t, const PayloadBounds& bounds, const ComponentRecord& c,
                    const Place& place) {
  if (c.payload_file >= t.payload_files.size())
    return place.error(ErrorKind::kBadRecord, "payload_file is " + num(c.payload_file) +
                                                  ", expected less than " +
                                                  num(t.payload_files.size()));
  const bool here = c.payload_file == 0;
  const uint64_t start = here ? bounds.payload_offset_bytes : 0;
  const uint64_t size =
      here ? bounds.payload_size_bytes : t.payload_files[c.payload_file].size_bytes;
  if (c.offset_bytes < start || !range_fits(c.offset_bytes - start, c.size_bytes, size))
    return place.error(ErrorKind::kBadRecord,
                       "bytes " + num(c.offset_bytes) + " + " + num(c.size_bytes) +
                           " lie outside the payload, which is " + num(start) + " + " + num(size));
  const uint64_t alignment =
      c.size_bytes >= kSmallComponentBytes ? kLargeAlignmentBytes : kPoolAlignmentBytes;
  if (c.offset_bytes % alignment != 0)
    return place.error(ErrorKind::kBadRecord,
                       "offset " + num(c.offset_bytes) + " is not a multiple of " + num(alignment));
  return {};
}

Status check_component(const IndexTables& t, const PayloadBounds& bounds, const OperandRecord& o,
                       uint32_t index) {
  const ComponentRecord& c = t.components[index];
  const Place place{"component", index, t.text(o.name), true};
  IMP_TRY(check_reserved(c.reserved0, place));
  IMP_TRY(check_reserved(c.reserved, place));
  if (c.kind == 0) return place.error(ErrorKind::kBadRecord, "kind is 0, which is no kind");
  if (c.flags & ~kComponentRequired)
    return place.error(ErrorKind::kBadRecord, "flags " + num(c.flags) + " have an unknown bit");
  if (is_known(c.kind)) IMP_TRY(check_shape(c, o.experts, place));
  if (!is_exceptions(c)) return check_inside(t, bounds, c, place);
  if (c.payload_file != 0 || c.expert_stride_bytes != 0)
    return place.error(ErrorKind::kBadRecord,
                       "holds exceptions, expected payload_file 0 and expert stride 0");
  return {};
}

/// At most one component of each known kind.
Status check_kinds(const IndexTables& t, const FormRecord& f, const Place& place) {
  uint64_t seen = 0;
  for (const ComponentRecord& c : t.components.subspan(f.first_component, f.component_count)) {
    if (!is_known(c.kind)) continue;
    const uint64_t bit = uint64_t{1} << c.kind;
    if (seen & bit)
      return place.error(ErrorKind::kBadRecord, "has two components of kind " + num(c.kind));
    seen |= bit;
  }
  return {};
}

}  // namespace

Status check_components(const IndexTables& t, const PayloadBounds& bounds) {
  for (const OperandRecord& o : t.operands) {
    for (uint32_t form = o.first_form; form < o.first_form + o.form_count; ++form) {
      const FormRecord& f = t.forms[form];
      for (uint32_t c = f.first_component; c < f.first_component + f.component_count; ++c)
        IMP_TRY(check_component(t, bounds, o, c));
      IMP_TRY(check_kinds(t, f, Place{"form", form, t.text(o.name), true}));
    }
  }
  return {};
}

}  // namespace imp::artifact
