// Rules of source file, source tensor, payload file and companion records.
#include <algorithm>
#include <vector>

#include "formats/imp/index_checks.h"
#include "formats/imp/section_layout.h"

namespace imp::artifact {
namespace {

std::string num(uint64_t value) { return std::to_string(value); }

Status check_origin(const IndexTables& t, const SourceTensorRecord& s, const Place& place) {
  if (s.operand >= t.operands.size())
    return place.error(ErrorKind::kBadRecord, "operand is " + num(s.operand) +
                                                  ", expected less than " + num(t.operands.size()));
  const OperandRecord& o = t.operands[s.operand];
  if (s.part >= o.part_count)
    return place.error(ErrorKind::kBadRecord,
                       "part is " + num(s.part) + ", expected less than " + num(o.part_count));
  if (s.expert != kNone && s.expert >= o.experts)
    return place.error(ErrorKind::kBadRecord,
                       "expert is " + num(s.expert) + ", expected less than " + num(o.experts));
  if (s.plane == 0 || s.plane > kLastComponentKind)
    return place.error(ErrorKind::kBadRecord,
                       "plane is " + num(s.plane) + ", which is no component kind");
  if (s.reason.size_bytes != 0)
    return place.error(ErrorKind::kBadRecord, "has a reason though it is not ignored");
  return {};
}

Status check_ignored(const SourceTensorRecord& s, const Place& place) {
  if (s.operand != kNone)
    return place.error(ErrorKind::kBadRecord, "is ignored, expected no operand");
  if (s.reason.size_bytes == 0)
    return place.error(ErrorKind::kBadRecord, "is ignored, expected a reason");
  if (!all_zero(s.digest, sizeof s.digest))
    return place.error(ErrorKind::kBadRecord, "is ignored, expected a digest of zero");
  if (s.encoding != 0)
    return place.error(ErrorKind::kBadRecord,
                       "is ignored, expected encoding 0, not " + num(s.encoding));
  return {};
}

Status check_source_tensor(const IndexTables& t, size_t i) {
  const SourceTensorRecord& s = t.source_tensors[i];
  IMP_TRY(check_name(t, s.name, NameUse::kName, Place{"source tensor", i, {}}, "name"));
  const Place place{"source tensor", i, t.text(s.name)};
  IMP_TRY(check_name(t, s.reason, NameUse::kMayBeEmpty, place, "reason"));
  IMP_TRY(check_reserved(s.reserved0, place));
  IMP_TRY(check_reserved(s.reserved, place));
  IMP_ASSIGN(const uint64_t bytes, shape_bytes(s.dtype, s.rank, s.dims, place));
  if (bytes != s.size_bytes)
    return place.error(
        ErrorKind::kBadShape,
        "the shape takes " + num(bytes) + " bytes, expected size_bytes, " + num(s.size_bytes));
  switch (static_cast<Disposition>(s.disposition)) {
    case Disposition::kConverted:
    case Disposition::kCopied:
      return check_origin(t, s, place);
    case Disposition::kIgnored:
      return check_ignored(s, place);
  }
  return place.error(ErrorKind::kBadRecord,
                     "disposition is " + num(s.disposition) + ", expected 1, 2 or 3");
}

Status check_source_files(const IndexTables& t) {
  uint64_t next = 0;
  for (size_t i = 0; i < t.source_files.size(); ++i) {
    const SourceFileRecord& f = t.source_files[i];
    IMP_TRY(check_name(t, f.name, NameUse::kFileName, Place{"source file", i, {}}, "name"));
    const Place place{"source file", i, t.text(f.name)};
    if (!t.holds(f.metadata))
      return place.error(ErrorKind::kBadRecord, "metadata lies outside the strings");
    if (f.first_tensor != next || !range_fits(next, f.tensor_count, t.source_tensors.size()))
      return place.error(ErrorKind::kBadRecord, "its tensors are " + num(f.first_tensor) + " + " +
                                                    num(f.tensor_count) +
                                                    ", expected to start at " + num(next) +
                                                    " and end by " + num(t.source_tensors.size()));
    next += f.tensor_count;
  }
  if (next == t.source_tensors.size()) return {};
  return Place{"source tensor", next, {}}.error(ErrorKind::kBadRecord, "belongs to nothing");
}

/// File names: no two equal, in any order.
template <class Record>
Status check_distinct(const IndexTables& t, std::span<const Record> records, const char* table) {
  std::vector<std::string_view> names;
  for (const Record& r : records) names.push_back(t.text(r.name));
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice == names.end()) return {};
  return Error{ErrorKind::kDuplicateName,
               std::string("two records of ") + table + " are named '" + std::string(*twice) + "'",
               "", ""};
}

Status check_payload_files(const IndexTables& t) {
  if (t.payload_files.empty())
    return Error{ErrorKind::kBadRecord, "payload file 0 is missing, expected this file", "", ""};
  const PayloadFileRecord& self = t.payload_files[0];
  if (self.name.offset_bytes != 0 || self.name.size_bytes != 0 || self.size_bytes != 0)
    return Place{"payload file", 0, {}}.error(
        ErrorKind::kBadRecord, "is this file, expected an empty name and a size of 0");
  for (size_t i = 1; i < t.payload_files.size(); ++i)
    IMP_TRY(check_name(t, t.payload_files[i].name, NameUse::kFileName, Place{"payload file", i, {}},
                       "name"));
  return check_distinct(t, t.payload_files, "payload_files");
}

}  // namespace

Status check_sources(const IndexTables& t) {
  IMP_TRY(check_source_files(t));
  IMP_TRY(check_distinct(t, t.source_files, "source_files"));
  for (size_t i = 0; i < t.source_tensors.size(); ++i) IMP_TRY(check_source_tensor(t, i));
  return check_payload_files(t);
}

Status check_companions(const IndexTables& t, const PayloadBounds& bounds) {
  uint64_t used = 0;
  uint64_t raw = 0;
  for (size_t i = 0; i < t.companions.size(); ++i) {
    const CompanionRecord& c = t.companions[i];
    IMP_TRY(check_name(t, c.name, NameUse::kFileName, Place{"companion", i, {}}, "name"));
    const Place place{"companion", i, t.text(c.name)};
    if (i > 0 && t.text(t.companions[i - 1].name) == place.name)
      return place.error(ErrorKind::kDuplicateName, "a companion has this name already");
    if (i > 0 && t.text(t.companions[i - 1].name) > place.name)
      return place.error(ErrorKind::kBadRecord, "stands after a name that sorts after it");
    if (c.offset_bytes != used || !range_fits(used, c.stored_bytes, bounds.companion_size_bytes))
      return place.error(ErrorKind::kBadRecord,
                         "is bytes " + num(c.offset_bytes) + " + " + num(c.stored_bytes) +
                             " of the companion bytes, expected to start at " + num(used) +
                             " and end by " + num(bounds.companion_size_bytes));
    used += c.stored_bytes;
    if (!range_fits(raw, c.raw_bytes, kMaxCompanionBytes))
      return place.error(ErrorKind::kBadRecord,
                         "inflates to " + num(c.raw_bytes) + " bytes, expected at most " +
                             num(kMaxCompanionBytes) + " for all companions together");
    raw += c.raw_bytes;
  }
  if (used == bounds.companion_size_bytes) return {};
  return Error{ErrorKind::kBadSection,
               "section companion_bytes has " + num(bounds.companion_size_bytes) +
                   " bytes, expected " + num(used) + ", the end of the last companion",
               "", ""};
}

}  // namespace imp::artifact
