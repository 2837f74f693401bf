#include "src/verify/numerics.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "src/base/interrupt.h"
#include "src/base/work_queue.h"
#include "src/verify/units.h"

namespace imp::verify {
namespace {

// Jobs on the GPU take turns there; more of them only hold memory.
constexpr uint64_t kCudaThreads = 4;

void merge(NumericsCounts& into, const NumericsCounts& from) {
  into.identity_weights += from.identity_weights;
  into.sparse_sums += from.sparse_sums;
  into.random_sums += from.random_sums;
  into.kernel_shapes += from.kernel_shapes;
}

Status check_rows(const FormView& view, const Unit& unit, uint64_t row0, uint64_t rows, bool sums,
                  NumericsCounts& counts) {
  IMP_ASSIGN(const StoredSlab stored, read_slab(view, unit.expert, row0, rows));
  IMP_ASSIGN(const CanonicalSlab canonical, invert(view, stored));
  const SlabUnderTest slab{view, stored, canonical};
  if (unit.regimes) return unit.backend->check_regimes(slab, counts);
  IMP_TRY(unit.backend->check_identity(slab, counts));
  return sums ? unit.backend->check_sums(slab, counts) : Status{};
}

/// Every slab through identity; the sums visit the first and the last.
Status check_unit(const FormView& view, const Unit& unit, NumericsCounts& counts) {
  const uint64_t end = unit.row0 + unit.rows;
  const uint64_t step = unit.regimes ? unit.rows : slab_rows(view, unit.backend->slab_bytes());
  for (uint64_t row0 = unit.row0; row0 < end;) {
    IMP_TRY(check_interrupted());
    const uint64_t next = std::min(end, slab_end(view, row0, step));
    IMP_TRY(check_rows(view, unit, row0, next - row0, row0 == unit.row0 || next == end, counts));
    row0 = next;
  }
  return {};
}

void run_units(const artifact::Reader& reader, const std::vector<Unit>& units,
               const GemmBackend* backend, uint64_t threads, NumericsCounts& counts,
               Problems& problems) {
  std::mutex mutex;
  WorkQueue queue(threads, threads);
  for (const Unit& unit : units) {
    if (unit.backend != backend) continue;
    const Status status = queue.push([&, unit]() -> Status {
      NumericsCounts mine;
      problems.add(check_unit(view_of(reader, unit), unit, mine));
      const std::lock_guard lock(mutex);
      merge(counts, mine);
      return {};
    });
    if (!status.ok()) break;
  }
  problems.add(queue.drain());
}

uint64_t count_forms(const artifact::Reader& reader, const std::vector<Unit>& units,
                     const GemmBackend* backend, bool tuned_alone = false) {
  std::set<uint32_t> forms;
  for (const Unit& unit : units)
    if (unit.backend == backend && (!tuned_alone || backend->is_tuned_for(view_of(reader, unit))))
      forms.insert(unit.form);
  return forms.size();
}

}  // namespace

NumericsCounts check_numerics(const artifact::Reader& reader, const std::vector<uint32_t>& forms,
                              uint64_t budget_weights, uint64_t threads, Problems& problems,
                              GemmBackend* cuda) {
  NumericsCounts counts;
  const std::unique_ptr<GemmBackend> cpu = make_cpu_backend();
  const std::vector<Unit> units =
      choose_units(reader, forms, budget_weights, {cuda, cpu.get()}, counts);
  if (cuda != nullptr)
    run_units(reader, units, cuda, std::min(threads, kCudaThreads), counts, problems);
  run_units(reader, units, cpu.get(), threads, counts, problems);
  if (cuda != nullptr) {
    counts.cuda_forms = count_forms(reader, units, cuda);
    counts.tuned_forms = count_forms(reader, units, cuda, true);
  }
  counts.cpu_forms = count_forms(reader, units, cpu.get());
  counts.operands = counts.cuda_forms + counts.cpu_forms;
  return counts;
}

Status check_slab(const FormView& view, const StoredSlab& slab, const CanonicalSlab& canonical,
                  NumericsCounts& counts) {
  const std::unique_ptr<GemmBackend> cpu = make_cpu_backend();
  IMP_TRY(cpu->check_identity({view, slab, canonical}, counts));
  return cpu->check_sums({view, slab, canonical}, counts);
}

}  // namespace imp::verify
