#include "src/verify/units.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "src/base/checked.h"

namespace imp::verify {
namespace {

constexpr uint64_t kUnitBytes = 2u << 20;    // of packed codes
constexpr uint64_t kRegimeBytes = 8u << 20;  // enough tiles that every split of a launch has work

void add_units(const FormView& view, const Unit& whole, std::vector<Unit>& units) {
  const uint64_t step = slab_rows(view, kUnitBytes);
  for (uint64_t e = 0; e < view.operand.experts; ++e)
    for (uint64_t row = 0; row < view.operand.n;) {
      Unit unit = whole;
      unit.expert = e;
      unit.row0 = row;
      unit.rows = slab_end(view, row, step) - row;
      units.push_back(unit);
      row += unit.rows;
    }
}

/// The last rows of a form: where padding begins, if there is any.
Unit regime_unit(const FormView& view, Unit unit) {
  const uint64_t most = slab_rows(view, kRegimeBytes), n = view.operand.n;
  unit.row0 = n > most ? round_up(n - most, slab_unit_rows(view)) : 0;
  // Where gate and up are padded each for itself a slab begins with one of them.
  for (uint64_t row = 0; row < n; row = slab_end(view, row, n))
    if (slab_end(view, row, n) == n)
      unit.row0 = std::max(unit.row0, row) - (std::max(unit.row0, row) - row) % kSlabUnitRows;
  unit.rows = n - unit.row0;
  unit.expert = view.operand.experts - 1;
  unit.regimes = true;
  return unit;
}

/// One of each (layout, scheme, role), and one with its last rows, where padding begins; then a
/// fixed shuffle until the budget is spent.
void keep_budget(const artifact::Reader& reader, uint64_t budget, std::vector<Unit>& units) {
  std::mt19937_64 random(20261121);
  std::shuffle(units.begin(), units.end(), random);
  std::set<std::tuple<uint16_t, uint16_t, uint16_t, bool>> met;
  std::stable_partition(units.begin(), units.end(), [&](const Unit& unit) {
    const artifact::OperandRecord& operand = reader.operands()[unit.operand];
    const bool last = unit.row0 + unit.rows == operand.n;
    return met.insert({reader.forms()[unit.form].layout, operand.scheme, operand.role, last})
        .second;
  });
  uint64_t spent = 0;
  size_t count = 0;
  for (; count < units.size(); ++count) {
    spent += units[count].rows * reader.operands()[units[count].operand].k;
    if (count >= met.size() && spent > budget) break;
  }
  units.resize(count);
}

}  // namespace

GemmBackend* Backends::find(const FormView& view) const {
  if (cuda != nullptr && cuda->serves(view)) return cuda;
  return cpu != nullptr && cpu->serves(view) ? cpu : nullptr;
}

std::vector<Unit> choose_units(const artifact::Reader& reader, const std::vector<uint32_t>& forms,
                               uint64_t budget_weights, const Backends& backends,
                               NumericsCounts& counts) {
  const std::set<uint32_t> wanted(forms.begin(), forms.end());
  std::vector<Unit> units;
  std::map<std::pair<uint16_t, uint16_t>, Unit> largest;
  for (uint32_t o = 0; o < reader.operands().size(); ++o) {
    const artifact::OperandRecord& operand = reader.operands()[o];
    if ((operand.flags & artifact::kOperandGemm) == 0) continue;
    for (uint32_t f = operand.first_form; f < operand.first_form + operand.form_count; ++f) {
      if (!wanted.contains(f)) continue;
      const FormView view{reader, operand, reader.forms()[f]};
      const Unit whole{f, o, 0, 0, operand.n, backends.find(view)};
      if (whole.backend == nullptr) {
        ++counts.content_only;
        continue;
      }
      ++counts.forms_total;
      add_units(view, whole, units);
      if (whole.backend != backends.cuda) continue;
      Unit& kept = largest.try_emplace({view.form.layout, operand.scheme}, whole).first->second;
      const artifact::OperandRecord& before = reader.operands()[kept.operand];
      if (operand.n * operand.k > before.n * before.k) kept = whole;
    }
  }
  if (budget_weights != 0) keep_budget(reader, budget_weights, units);
  for (const auto& [kind, unit] : largest)
    units.push_back(regime_unit(view_of(reader, unit), unit));
  return units;
}

}  // namespace imp::verify
