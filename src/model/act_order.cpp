#include "src/model/act_order.h"

#include <algorithm>
#include <numeric>

#include "src/base/checked.h"
#include "src/model/scalars.h"

namespace imp::model {
namespace {

constexpr Suffix kIndex = Suffix::kGroupIndex;

Status check_range(const Siblings& s, const std::vector<int64_t>& groups, uint64_t count) {
  for (size_t k = 0; k < groups.size(); ++k)
    if (groups[k] < 0 || static_cast<uint64_t>(groups[k]) >= count)
      return s.error(kIndex, ErrorKind::kShapeMismatch,
                     "column " + std::to_string(k) + " is in group " + std::to_string(groups[k]) +
                         ", expected 0 to " + std::to_string(count - 1));
  return {};
}

bool groups_are_full(const std::vector<int64_t>& groups, uint64_t count, uint64_t group_size) {
  std::vector<uint64_t> columns(count, 0);
  for (const int64_t group : groups) ++columns[static_cast<size_t>(group)];
  for (size_t g = 0; g + 1 < columns.size(); ++g)
    if (columns[g] != group_size) return false;
  return true;
}

}  // namespace

Result<std::vector<uint32_t>> read_k_gather(ImportContext& context, const Siblings& s,
                                            const WeightForm& form) {
  std::vector<uint32_t> order;
  if (!s.has(kIndex)) return order;
  const SourceTensor& t = s.at(kIndex);
  if (t.shape != Shape{form.k} || form.group_rows != 1 || form.group_size == 0)
    return s.error(kIndex, ErrorKind::kShapeMismatch,
                   shape_text(t) + ", expected I32 " + Shape{form.k}.to_string() +
                       " beside scales of groups along K");
  IMP_ASSIGN(const std::vector<int64_t> groups, read_integers(context.source, s.tensors[kIndex]));
  if (std::all_of(groups.begin(), groups.end(), [](int64_t g) { return g == -1; })) {
    context.counts.group_order.add(t.name);
    return order;
  }
  const uint64_t count = div_up(form.k, form.group_size);
  IMP_TRY(check_range(s, groups, count));
  if (!groups_are_full(groups, count, form.group_size)) return order;
  if (std::is_sorted(groups.begin(), groups.end())) return order;
  order.resize(groups.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return groups[a] < groups[b]; });
  return order;
}

}  // namespace imp::model
