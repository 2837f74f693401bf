// Rules of operand, part, form and scalar records.
#include <vector>

#include "formats/imp/index_checks.h"

namespace imp::artifact {
namespace {

std::string num(uint64_t value) { return std::to_string(value); }

/// Records of one owner follow those of the owner before, so that each record has exactly one
/// owner.
Status check_run(uint64_t first, uint64_t count, uint64_t& next, uint64_t table_size,
                 const Place& place, const char* what) {
  if (first != next || !range_fits(first, count, table_size))
    return place.error(ErrorKind::kBadRecord, std::string("its ") + what + " are " + num(first) +
                                                  " + " + num(count) + ", expected to start at " +
                                                  num(next) + " and end by " + num(table_size));
  next += count;
  return {};
}

Status check_scalars(const IndexTables& t) {
  for (size_t i = 0; i < t.scalars.size(); ++i) {
    const ScalarRecord& s = t.scalars[i];
    const Place place{"scalar", i, {}};
    IMP_TRY(check_reserved(s.reserved, place));
    if (s.state > static_cast<uint8_t>(ScalarState::kUnused))
      return place.error(ErrorKind::kBadRecord, "state is " + num(s.state) + ", expected 0 to 3");
    if (s.state == static_cast<uint8_t>(ScalarState::kAbsent) && s.bits != 0)
      return place.error(ErrorKind::kBadRecord, "is absent, expected bits 0");
  }
  return {};
}

class OperandChecker {
 public:
  explicit OperandChecker(const IndexTables& tables)
      : t_(tables), execution_seen_(tables.operands.size()) {}

  Status run() {
    for (size_t i = 0; i < t_.operands.size(); ++i) IMP_TRY(check_operand(i));
    IMP_TRY(check_all_owned(next_part_, t_.parts.size(), "part"));
    IMP_TRY(check_all_owned(next_form_, t_.forms.size(), "form"));
    return check_all_owned(next_component_, t_.components.size(), "component");
  }

 private:
  Status check_operand(size_t i) {
    const OperandRecord& o = t_.operands[i];
    IMP_TRY(check_name(t_, o.name, NameUse::kName, Place{"operand", i, {}}, "name"));
    const Place place{"operand", i, t_.text(o.name)};
    IMP_TRY(check_order(i, place));
    IMP_TRY(check_reserved(o.reserved, place));
    IMP_TRY(check_fields(o, place));
    IMP_TRY(check_run(o.first_part, o.part_count, next_part_, t_.parts.size(), place, "parts"));
    IMP_TRY(check_run(o.first_form, o.form_count, next_form_, t_.forms.size(), place, "forms"));
    IMP_TRY(check_parts(o, place));
    for (uint32_t f = 0; f < o.form_count; ++f) IMP_TRY(check_form(o, o.first_form + f));
    return {};
  }

  Status check_order(size_t i, const Place& place) const {
    if (i == 0) return {};
    const std::string_view before = t_.text(t_.operands[i - 1].name);
    if (before == place.name)
      return place.error(ErrorKind::kDuplicateName, "an operand has this name already");
    if (before > place.name)
      return place.error(ErrorKind::kBadRecord, "stands after a name that sorts after it");
    return {};
  }

  Status check_fields(const OperandRecord& o, const Place& place) {
    const bool gemm = o.flags & kOperandGemm;
    if (o.flags & ~(kOperandTiedHead | kOperandGemm))
      return place.error(ErrorKind::kBadRecord, "flags " + num(o.flags) + " have an unknown bit");
    if (o.group_rows == 1 || (o.group_rows != 0 && o.group_size == 0))
      return place.error(ErrorKind::kBadRecord,
                         "group_rows is " + num(o.group_rows) + " with group_size " +
                             num(o.group_size) +
                             ", expected 0 for a scale of each row, else at least 2");
    if (o.experts == 0) return place.error(ErrorKind::kBadRecord, "experts is 0");
    if (gemm && (o.n == 0 || o.k == 0))
      return place.error(ErrorKind::kBadRecord, "is for a GEMM, n and k are " + num(o.n) + " and " +
                                                    num(o.k) + ", expected more than 0");
    if (o.part_count == 0 || (!gemm && o.part_count != 1))
      return place.error(ErrorKind::kBadRecord,
                         "has " + num(o.part_count) + " parts, expected " +
                             (gemm ? "at least 1" : "1 as no GEMM takes it"));
    const bool one_form = !gemm && !(o.flags & kOperandTiedHead);
    if (o.form_count == 0 || (one_form && o.form_count != 1))
      return place.error(ErrorKind::kBadRecord,
                         "has " + num(o.form_count) + " forms, expected " +
                             (one_form ? "1 as no GEMM takes it" : "at least 1"));
    if (o.execution_index >= t_.operands.size() || execution_seen_[o.execution_index])
      return place.error(ErrorKind::kBadRecord, "execution_index " + num(o.execution_index) +
                                                    " is taken or not below " +
                                                    num(t_.operands.size()));
    execution_seen_[o.execution_index] = true;
    return {};
  }

  Status check_parts(const OperandRecord& o, const Place& operand) const {
    uint64_t covered = 0;
    for (uint32_t i = o.first_part; i < o.first_part + o.part_count; ++i) {
      const PartRecord& p = t_.parts[i];
      const Place place{"part", i, operand.name, true};
      IMP_TRY(check_name(t_, p.module, NameUse::kName, place, "module"));
      IMP_TRY(check_reserved(p.reserved, place));
      IMP_TRY(check_scalar_run(p.first_multiplier, p.multiplier_count, o, place, "multipliers"));
      IMP_TRY(check_scalar_run(p.first_input_scale, p.input_scale_count, o, place, "input scales"));
      if (!(o.flags & kOperandGemm)) continue;
      const auto end = checked_add(p.n0, p.n_count);
      if (p.n0 != covered || p.n_count == 0 || !end || *end > o.n)
        return place.error(ErrorKind::kBadRecord, "rows are " + num(p.n0) + " + " + num(p.n_count) +
                                                      ", expected to start at " + num(covered) +
                                                      " and end by " + num(o.n));
      covered = *end;
    }
    if (o.flags & kOperandGemm && covered != o.n)
      return operand.error(ErrorKind::kBadRecord,
                           "its parts cover " + num(covered) + " rows, expected " + num(o.n));
    return {};
  }

  Status check_scalar_run(uint32_t first, uint32_t count, const OperandRecord& o,
                          const Place& place, const char* what) const {
    if (count != 0 && count != o.experts)
      return place.error(
          ErrorKind::kBadRecord,
          "has " + num(count) + " " + what + ", expected 0 or one per expert, " + num(o.experts));
    if (!range_fits(first, count, t_.scalars.size()))
      return place.error(ErrorKind::kBadRecord, std::string("its ") + what + " are scalars " +
                                                    num(first) + " + " + num(count) + " of " +
                                                    num(t_.scalars.size()));
    return {};
  }

  Status check_form(const OperandRecord& o, uint32_t index) {
    const FormRecord& f = t_.forms[index];
    const Place place{"form", index, t_.text(o.name), true};
    IMP_TRY(check_reserved(f.reserved0, place));
    IMP_TRY(check_reserved(f.reserved, place));
    if (f.targets == 0) return place.error(ErrorKind::kBadRecord, "serves no target");
    if (o.flags & kOperandGemm && (f.padded_n < o.n || f.padded_k < o.k))
      return place.error(ErrorKind::kBadRecord, "padded_n and padded_k are " + num(f.padded_n) +
                                                    " and " + num(f.padded_k) +
                                                    ", expected at least " + num(o.n) + " and " +
                                                    num(o.k));
    if (f.component_count == 0) return place.error(ErrorKind::kBadRecord, "has no component");
    return check_run(f.first_component, f.component_count, next_component_, t_.components.size(),
                     place, "components");
  }

  static Status check_all_owned(uint64_t next, uint64_t table_size, const char* table) {
    if (next == table_size) return {};
    return Place{table, next, {}}.error(ErrorKind::kBadRecord, "belongs to nothing");
  }

  const IndexTables& t_;
  std::vector<bool> execution_seen_;
  uint64_t next_part_ = 0;
  uint64_t next_form_ = 0;
  uint64_t next_component_ = 0;
};

}  // namespace

Status check_operands(const IndexTables& tables) {
  IMP_TRY(check_scalars(tables));
  return OperandChecker(tables).run();
}

}  // namespace imp::artifact
