// Rules for all components together: nothing overlaps, sections end where components end, the chunk
// table is the one that follows from the components. REQUIRES: check_components passed.
#include <algorithm>
#include <tuple>
#include <vector>

#include "formats/imp/chunks.h"
#include "formats/imp/index_checks.h"
#include "formats/imp/section_layout.h"

namespace imp::artifact {
namespace {

std::string num(uint64_t value) { return std::to_string(value); }

/// A component's bytes.
struct Placed {
  uint64_t offset_bytes;
  uint64_t size_bytes;
  uint32_t payload_file;
  uint32_t form;
  uint32_t component;

  uint64_t end_bytes() const { return offset_bytes + size_bytes; }
  auto key() const { return std::tie(payload_file, offset_bytes, size_bytes, form); }
  bool same_range(const Placed& other) const {
    return std::tie(payload_file, offset_bytes, size_bytes) ==
           std::tie(other.payload_file, other.offset_bytes, other.size_bytes);
  }
};

Place place_of(const IndexTables& t, uint32_t component) {
  const auto form = std::partition_point(t.forms.begin(), t.forms.end(), [&](const FormRecord& f) {
    return f.first_component + f.component_count <= component;
  });
  const auto form_index = static_cast<uint32_t>(form - t.forms.begin());
  const auto operand = std::partition_point(
      t.operands.begin(), t.operands.end(),
      [&](const OperandRecord& o) { return o.first_form + o.form_count <= form_index; });
  return Place{"component", component, t.text(operand->name), true};
}

std::vector<Placed> sorted_payload(const IndexTables& t) {
  std::vector<Placed> placed;
  placed.reserve(t.components.size());
  for (uint32_t form = 0; form < t.forms.size(); ++form) {
    const FormRecord& f = t.forms[form];
    for (uint32_t c = f.first_component; c < f.first_component + f.component_count; ++c) {
      const ComponentRecord& r = t.components[c];
      if (r.kind == static_cast<uint16_t>(ComponentKind::kExceptions) || r.size_bytes == 0)
        continue;
      placed.push_back({r.offset_bytes, r.size_bytes, r.payload_file, form, c});
    }
  }
  const auto by_key = [](const Placed& a, const Placed& b) { return a.key() < b.key(); };
  if (!std::ranges::is_sorted(placed, by_key)) std::ranges::sort(placed, by_key);
  return placed;
}

/// Ranges are disjoint, but two forms may share one. Leaves each range once.
Status check_disjoint(const IndexTables& t, std::vector<Placed>& placed) {
  for (size_t i = 1; i < placed.size(); ++i) {
    const Placed& a = placed[i - 1];
    const Placed& b = placed[i];
    if (a.payload_file != b.payload_file || b.offset_bytes >= a.end_bytes()) continue;
    if (a.same_range(b) && a.form != b.form) continue;
    return place_of(t, b.component)
        .error(ErrorKind::kOverlap, "bytes " + num(b.offset_bytes) + " + " + num(b.size_bytes) +
                                        " overlap those of component " + num(a.component));
  }
  const auto same = [](const Placed& a, const Placed& b) { return a.same_range(b); };
  placed.erase(std::unique(placed.begin(), placed.end(), same), placed.end());
  return {};
}

Status check_payload_end(const std::vector<Placed>& placed, const PayloadBounds& bounds) {
  uint64_t end = bounds.payload_offset_bytes;
  for (const Placed& p : placed)
    if (p.payload_file == 0) end = std::max(end, p.end_bytes());
  const uint64_t expected = end - bounds.payload_offset_bytes;
  if (expected == bounds.payload_size_bytes) return {};
  return Error{ErrorKind::kBadSection,
               "section payload has " + num(bounds.payload_size_bytes) + " bytes, expected " +
                   num(expected) + ", the end of the last component",
               "", ""};
}

/// Exceptions lie one after another in the order of the components and fill their section.
Status check_exceptions(const IndexTables& t, const PayloadBounds& bounds) {
  uint64_t used = 0;
  for (uint32_t i = 0; i < t.components.size(); ++i) {
    const ComponentRecord& c = t.components[i];
    if (c.kind != static_cast<uint16_t>(ComponentKind::kExceptions)) continue;
    used = round_up(used, kExceptionsAlignmentBytes);
    if (c.offset_bytes != bounds.exceptions_offset_bytes + used ||
        !range_fits(used, c.size_bytes, bounds.exceptions_size_bytes))
      return place_of(t, i).error(
          ErrorKind::kBadRecord,
          "exceptions are bytes " + num(c.offset_bytes) + " + " + num(c.size_bytes) +
              ", expected to start at " + num(bounds.exceptions_offset_bytes + used) +
              " and end by " + num(bounds.exceptions_offset_bytes + bounds.exceptions_size_bytes));
    used += c.size_bytes;
  }
  if (used == bounds.exceptions_size_bytes) return {};
  return Error{ErrorKind::kBadSection,
               "section exceptions has " + num(bounds.exceptions_size_bytes) + " bytes, expected " +
                   num(used) + ", the end of the last exceptions component",
               "", ""};
}

/// Compares the chunk table with the expected one while that is generated.
class ChunkChecker {
 public:
  explicit ChunkChecker(std::span<const ChunkRecord> chunks) : chunks_(chunks) {}

  /// False once something is wrong, which ends the generation.
  bool expect(uint64_t offset, uint64_t size, uint64_t payload_file) {
    if (next_ < chunks_.size()) {
      const ChunkRecord& c = chunks_[next_];
      if (c.offset_bytes == offset && c.size_bytes == size && c.payload_file == payload_file)
        return ++next_, true;
    }
    failed_ = true;
    expected_ = "expected bytes " + num(offset) + " + " + num(size) + " of payload file " +
                num(payload_file);
    return false;
  }

  Status finish() const {
    const Place place{"chunk", next_, {}};
    if (next_ == chunks_.size() && failed_)
      return place.error(ErrorKind::kBadRecord, "is missing, " + expected_);
    if (next_ == chunks_.size()) return {};
    const ChunkRecord& c = chunks_[next_];
    const std::string is = "is bytes " + num(c.offset_bytes) + " + " + num(c.size_bytes) +
                           " of payload file " + num(c.payload_file) + ", ";
    return place.error(ErrorKind::kBadRecord, is + (failed_ ? expected_ : "expected no further"));
  }

  bool failed() const { return failed_; }

 private:
  std::span<const ChunkRecord> chunks_;
  size_t next_ = 0;
  bool failed_ = false;
  std::string expected_;
};

Status check_chunks(const IndexTables& t, const PayloadBounds& bounds,
                    const std::vector<Placed>& placed) {
  ChunkChecker checker(t.chunks);
  std::vector<PayloadExtent> extents;
  auto at = placed.begin();
  for (uint32_t file = 0; file < t.payload_files.size() && !checker.failed(); ++file) {
    const auto expect = [&](uint64_t offset, uint64_t size) {
      return checker.expect(offset, size, file);
    };
    extents.clear();
    for (; at != placed.end() && at->payload_file == file; ++at)
      extents.push_back({at->offset_bytes, at->size_bytes});
    for_each_chunk(extents, expect);
    if (file == 0 && !checker.failed())
      for_each_exceptions_chunk(bounds.exceptions_offset_bytes, bounds.exceptions_size_bytes,
                                expect);
  }
  return checker.finish();
}

}  // namespace

Status check_placement(const IndexTables& t, const PayloadBounds& bounds) {
  std::vector<Placed> placed = sorted_payload(t);
  IMP_TRY(check_disjoint(t, placed));
  IMP_TRY(check_payload_end(placed, bounds));
  IMP_TRY(check_exceptions(t, bounds));
  return check_chunks(t, bounds, placed);
}

}  // namespace imp::artifact
