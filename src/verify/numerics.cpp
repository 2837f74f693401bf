#include "src/verify/numerics.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <tuple>

#include "kernels/cpu/gemm.h"
#include "src/base/interrupt.h"
#include "src/base/work_queue.h"
#include "src/quant/bf16.h"
#include "src/verify/exceptions.h"
#include "src/verify/reference.h"

namespace imp::verify {
namespace {

using kernels::kTileRows;

constexpr uint64_t kSlabBytes = 1u << 20;
constexpr uint64_t kUnitBytes = 2u << 20;  // of packed codes
constexpr uint64_t kSparseRows = 16;       // rows of X
constexpr uint64_t kSparseNonzeros = 4;
constexpr uint64_t kRandomRows = 4;

kernels::PackedWeight packed_weight(const FormView& view, const StoredSlab& slab) {
  kernels::PackedWeight weight;
  weight.layout = view.form.layout;
  weight.scheme = view.operand.scheme;
  if (const auto* codes = view.reader.find_component(view.form, artifact::ComponentKind::kCodes))
    weight.dtype = static_cast<Dtype>(codes->dtype);
  weight.codes = slab.codes;
  weight.block_scale = slab.block_scale;
  weight.n = slab.rows;
  weight.k = view.operand.k;
  return weight;
}

std::string value_text(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

Error mismatch(const FormView& view, const StoredSlab& slab, const char* check, uint64_t row,
               const std::string& column, double got, double want) {
  return Error{ErrorKind::kNumericsMismatch,
               std::string(check) + " activations: row " + std::to_string(slab.row0 + row) +
                   (view.operand.experts > 1 ? " of expert " + std::to_string(slab.expert) : "") +
                   column + ": kernel gives " + value_text(got) + ", reference " + value_text(want),
               view.reader.path(), view.name()};
}

/// A source may hold Inf or NaN in unquantised weights; they must stay what they are.
bool both_not_finite(float got, double want) {
  return !std::isfinite(got) && !std::isfinite(static_cast<float>(want));
}

struct Sums {
  std::vector<double> exact;      ///< sum of x * w
  std::vector<double> magnitude;  ///< sum of |x| |w|
};

Sums reference_sums(const std::vector<float>& x, uint64_t m, const std::vector<float>& w) {
  Sums sums{std::vector<double>(m), std::vector<double>(m)};
  for (uint64_t i = 0; i < m; ++i)
    for (uint64_t k = 0; k < w.size(); ++k) {
      const double product = static_cast<double>(x[i * w.size() + k]) * w[k];
      sums.exact[i] += product;
      sums.magnitude[i] += std::fabs(product);
    }
  return sums;
}

std::vector<float> sparse_activations(uint64_t k, std::mt19937_64& random) {
  std::vector<float> x(kSparseRows * k, 0.0f);
  for (uint64_t i = 0; i < kSparseRows; ++i)
    for (uint64_t j = 0; j < kSparseNonzeros; ++j)
      x[i * k + random() % k] = random() % 2 == 0 ? 1.0f : -1.0f;
  return x;
}

std::vector<float> random_activations(uint64_t k, std::mt19937_64& random) {
  std::vector<float> x(kRandomRows * k);
  std::normal_distribution<float> normal;
  for (float& value : x) value = quant::bf16_to_float(quant::bf16_from_float(normal(random)));
  return x;
}

/// Rows of one tile against their references; `exact` asks for ==.
struct TileCheck {
  const FormView& view;
  const StoredSlab& slab;
  const CanonicalSlab& canonical;
  const std::vector<float>& multipliers;
  uint64_t row0;
  uint64_t rows;
};

Status check_sums(const TileCheck& t, const std::vector<float>& x, uint64_t m, bool exact,
                  uint64_t& compared) {
  const kernels::PackedWeight weight = packed_weight(t.view, t.slab);
  std::vector<float> acc(m * t.rows, std::numeric_limits<float>::quiet_NaN());
  IMP_TRY(kernels::cpu_gemm_accumulate(weight, t.row0, t.rows, x.data(), m, acc.data()));
  const float unit = kernels::accumulator_unit(weight.layout, weight.scheme);
  std::vector<float> w;
  for (uint64_t r = 0; r < t.rows; ++r) {
    unscaled_row(t.view, t.canonical, t.row0 + r, w);
    const Sums sums = reference_sums(x, m, w);
    const float multiplier = t.multipliers[t.row0 + r];
    for (uint64_t i = 0; i < m; ++i) {
      const float got = kernels::cpu_gemm_epilogue(acc[i * t.rows + r], multiplier, unit, nullptr);
      const double want = sums.exact[i] * multiplier;
      const auto terms = static_cast<double>(t.view.operand.k + 2);
      // The second summand: a product or sum that is subnormal is off by up to half of the smallest
      // float.
      const double bound =
          terms * (0x1p-23 * sums.magnitude[i] * multiplier + 0x1p-149 * (1.0 + multiplier));
      const bool good = exact ? got == static_cast<float>(want)
                              : std::fabs(got - want) <= bound || both_not_finite(got, want);
      if (!good)
        return mismatch(t.view, t.slab, exact ? "sparse" : "random", t.row0 + r,
                        ", X row " + std::to_string(i), got, want);
      ++compared;
    }
  }
  return {};
}

/// Rows of one expert of a form to look at: small enough that a budget can be spread over many.
struct Unit {
  uint32_t form;
  uint32_t operand;
  uint64_t expert;
  uint64_t row0;
  uint64_t rows;
};

void add_units(const FormView& view, uint32_t operand, uint32_t form, std::vector<Unit>& units) {
  const uint64_t step = slab_rows(view, kUnitBytes);
  for (uint64_t e = 0; e < view.operand.experts; ++e)
    for (uint64_t row = 0; row < view.operand.n; row += step)
      units.push_back({form, operand, e, row, std::min(step, view.operand.n - row)});
}

std::vector<Unit> all_units(const artifact::Reader& reader, const std::vector<uint32_t>& forms,
                            NumericsCounts& counts) {
  const std::set<uint32_t> wanted(forms.begin(), forms.end());
  std::vector<Unit> units;
  for (uint32_t o = 0; o < reader.operands().size(); ++o) {
    const artifact::OperandRecord& operand = reader.operands()[o];
    if ((operand.flags & artifact::kOperandGemm) == 0) continue;
    for (uint32_t f = operand.first_form; f < operand.first_form + operand.form_count; ++f) {
      if (!wanted.contains(f)) continue;
      const FormView view{reader, operand, reader.forms()[f]};
      if (!kernels::cpu_gemm_supports(view.form.layout, operand.scheme) || !has_reference(view)) {
        ++counts.content_only;
        continue;
      }
      ++counts.forms_total;
      add_units(view, o, f, units);
    }
  }
  return units;
}

/// One of each (layout, scheme, role), and one with its last rows, where padding begins; then a
/// fixed shuffle until the budget is spent.
std::vector<Unit> choose(const artifact::Reader& reader, std::vector<Unit> units, uint64_t budget) {
  if (budget == 0) return units;
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
  return units;
}

void merge(NumericsCounts& into, const NumericsCounts& from) {
  into.identity_weights += from.identity_weights;
  into.sparse_sums += from.sparse_sums;
  into.random_sums += from.random_sums;
}

/// Every slab through identity; the sums visit the first and the last.
Status check_unit(const FormView& view, const Unit& unit, NumericsCounts& counts) {
  const uint64_t end = unit.row0 + unit.rows, step = slab_rows(view, kSlabBytes);
  for (uint64_t row0 = unit.row0; row0 < end; row0 += step) {
    IMP_TRY(check_interrupted());
    IMP_ASSIGN(const StoredSlab stored,
               read_slab(view, unit.expert, row0, std::min(step, end - row0)));
    IMP_ASSIGN(const CanonicalSlab canonical, invert(view, stored));
    const bool sums = row0 == unit.row0 || row0 + step >= end;
    IMP_TRY(sums ? check_slab(view, stored, canonical, counts)
                 : check_identity(view, stored, canonical, counts.identity_weights));
  }
  return {};
}

}  // namespace

Status check_identity(const FormView& view, const StoredSlab& slab, const CanonicalSlab& canonical,
                      uint64_t& weights) {
  const kernels::PackedWeight weight = packed_weight(view, slab);
  const std::vector<float> multipliers = row_multipliers(view, slab);
  const float unit = kernels::accumulator_unit(weight.layout, weight.scheme);
  const uint64_t k = view.operand.k;
  std::vector<float> acc(kTileRows * k), want;
  for (uint64_t row0 = 0; row0 < slab.rows; row0 += kTileRows) {
    const uint64_t rows = std::min(kTileRows, slab.rows - row0);
    std::fill(acc.begin(), acc.end(), std::numeric_limits<float>::quiet_NaN());
    IMP_TRY(kernels::cpu_gemm_identity(weight, row0, rows, acc.data()));
    for (uint64_t r = 0; r < rows; ++r) {
      unscaled_row(view, canonical, row0 + r, want);
      for (uint64_t i = 0; i < k; ++i) {
        const float got =
            kernels::cpu_gemm_epilogue(acc[r * k + i], multipliers[row0 + r], unit, nullptr);
        const float reference = want[i] * multipliers[row0 + r];
        if (!(got == reference) && !(std::isnan(got) && std::isnan(reference)))
          return mismatch(view, slab, "identity", row0 + r, ", column " + std::to_string(i), got,
                          reference);
      }
    }
    weights += rows * k;
  }
  return {};
}

Status check_slab(const FormView& view, const StoredSlab& slab, const CanonicalSlab& canonical,
                  NumericsCounts& counts) {
  IMP_TRY(check_identity(view, slab, canonical, counts.identity_weights));
  const std::vector<float> multipliers = row_multipliers(view, slab);
  std::mt19937_64 random(view.operand.execution_index * 1000003ull + slab.expert * 1009ull +
                         slab.row0);
  const uint64_t k = view.operand.k;
  const std::vector<float> sparse = sparse_activations(k, random);
  const std::vector<float> dense = random_activations(k, random);
  for (const uint64_t row0 : {uint64_t{0}, (slab.rows - 1) / kTileRows * kTileRows}) {
    const TileCheck tile{view,        slab, canonical,
                         multipliers, row0, std::min(kTileRows, slab.rows - row0)};
    // Sums of four arbitrary 16-bit floats are not exact, NVFP4's are.
    IMP_TRY(check_sums(tile, sparse, kSparseRows, view.scheme() == model::Scheme::kNvfp4,
                       counts.sparse_sums));
    IMP_TRY(check_sums(tile, dense, kRandomRows, false, counts.random_sums));
    if (slab.rows <= kTileRows) break;
  }
  return {};
}

NumericsCounts check_numerics(const artifact::Reader& reader, const std::vector<uint32_t>& forms,
                              uint64_t budget_weights, uint64_t threads, Problems& problems) {
  NumericsCounts counts;
  const std::vector<Unit> units = choose(reader, all_units(reader, forms, counts), budget_weights);
  std::set<uint32_t> looked_at;
  std::mutex mutex;
  WorkQueue queue(threads, threads);
  for (const Unit& unit : units) {
    looked_at.insert(unit.form);
    const Status status = queue.push([&, unit]() -> Status {
      NumericsCounts mine;
      problems.add(check_unit({reader, reader.operands()[unit.operand], reader.forms()[unit.form]},
                              unit, mine));
      const std::lock_guard lock(mutex);
      merge(counts, mine);
      return {};
    });
    if (!status.ok()) break;
  }
  problems.add(queue.drain());
  counts.operands = looked_at.size();
  return counts;
}

}  // namespace imp::verify
