// The CPU's GEMM: identity is one pass in fragment order, tile by tile.
#include <algorithm>
#include <limits>
#include <numeric>

#include "kernels/cpu/gemm.h"
#include "src/verify/comparisons.h"
#include "src/verify/reference.h"
#include "src/verify/slab_weight.h"

namespace imp::verify {
namespace {

using kernels::kTileRows;

constexpr uint64_t kSlabBytes = 1u << 20;
constexpr uint64_t kSparseRows = 16;  // rows of X
constexpr uint64_t kRandomRows = 4;

class CpuBackend : public GemmBackend {
 public:
  bool serves(const FormView& view) const override { return has_reader(view); }
  uint64_t slab_bytes() const override { return kSlabBytes; }

  Status check_identity(const SlabUnderTest& slab, NumericsCounts& counts) override {
    const kernels::PackedWeight weight = packed_weight(slab.view, slab.stored);
    const std::vector<float> multipliers = row_multipliers(slab.view, slab.stored);
    const std::vector<float> factors = kernel_multipliers(slab.view, slab.stored);
    const float unit = kernels::accumulator_unit(weight.layout, weight.scheme);
    const uint64_t k = slab.view.operand.k;
    std::vector<uint64_t> columns(k);
    std::iota(columns.begin(), columns.end(), uint64_t{0});
    std::vector<float> acc(kTileRows * k), want;
    for (uint64_t row0 = 0; row0 < slab.stored.rows; row0 += kTileRows) {
      const uint64_t rows = std::min(kTileRows, slab.stored.rows - row0);
      std::fill(acc.begin(), acc.end(), std::numeric_limits<float>::quiet_NaN());
      IMP_TRY(kernels::cpu_gemm_identity(weight, row0, rows, acc.data()));
      for (uint64_t r = 0; r < rows; ++r) {
        const uint64_t row = row0 + r;
        unscaled_row(slab.view, slab.canonical, row, want);
        for (uint64_t i = 0; i < k; ++i)
          acc[r * k + i] = kernels::cpu_gemm_epilogue(acc[r * k + i], factors[row], unit, nullptr);
        IMP_TRY(compare_columns(slab, {"identity activations"}, row, want, multipliers[row],
                                columns, {acc.data() + r * k, 1, k, row}));
      }
      counts.identity_weights += rows * k;
    }
    return {};
  }

  Status check_sums(const SlabUnderTest& slab, NumericsCounts& counts) override {
    std::mt19937_64 random = random_of(slab);
    const uint64_t k = slab.view.operand.k;
    const Activations sparse = sparse_activations(kSparseRows, k, random);
    const Activations dense = random_activations(kRandomRows, k, false, random);
    for (const uint64_t row0 : {uint64_t{0}, (slab.stored.rows - 1) / kTileRows * kTileRows}) {
      IMP_TRY(check_tile(slab, row0, sparse, {"sparse activations"}, sparse_tolerance(slab.view),
                         counts.sparse_sums));
      IMP_TRY(check_tile(slab, row0, dense, {"random activations"}, Tolerance::kBound,
                         counts.random_sums));
      if (slab.stored.rows <= kTileRows) break;
    }
    return {};
  }

  Status check_regimes(const SlabUnderTest&, NumericsCounts&) override { return {}; }

 private:
  static Status check_tile(const SlabUnderTest& slab, uint64_t row0, const Activations& x,
                           const CheckName& name, Tolerance tolerance, uint64_t& compared) {
    const kernels::PackedWeight weight = packed_weight(slab.view, slab.stored);
    const std::vector<float> multipliers = row_multipliers(slab.view, slab.stored);
    const std::vector<float> factors = kernel_multipliers(slab.view, slab.stored);
    const float unit = kernels::accumulator_unit(weight.layout, weight.scheme);
    const uint64_t rows = std::min(kTileRows, slab.stored.rows - row0);
    std::vector<float> y(x.m * rows, std::numeric_limits<float>::quiet_NaN());
    IMP_TRY(kernels::cpu_gemm_accumulate(weight, row0, rows, x.values.data(), x.m, y.data()));
    for (uint64_t i = 0; i < x.m; ++i)
      for (uint64_t r = 0; r < rows; ++r)
        y[i * rows + r] =
            kernels::cpu_gemm_epilogue(y[i * rows + r], factors[row0 + r], unit, nullptr);
    IMP_TRY(compare_sums(slab, name, reference_sums(slab, row0, rows, x), x.m, multipliers,
                         tolerance, kRoundingUnit, {y.data(), rows, 1, row0}));
    compared += x.m * rows;
    return {};
  }
};

}  // namespace

std::unique_ptr<GemmBackend> make_cpu_backend() { return std::make_unique<CpuBackend>(); }

}  // namespace imp::verify
