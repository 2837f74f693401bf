// The GPU's GEMM on slabs of packed bytes. Results start as NaN, and X has NaN behind each row.
#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>

#include "formats/imp/targets.h"
#include "kernels/gemm/gemm.h"
#include "src/base/checked.h"
#include "src/verify/comparisons.h"
#include "src/verify/device_slab.h"
#include "src/verify/reference.h"
#include "src/verify/slab_weight.h"

namespace imp::verify {
namespace {

using kernels::GemmKernel;

constexpr uint64_t kSlabBytes = 2u << 20;
constexpr uint64_t kTileRows = 64;       // of W: the tiles that sums are compared in
constexpr uint64_t kIdentityRows = 256;  // rows of X: one launch per so many columns of W
/// Both sides of each switch between kernels and token tiles (kernels/gemm).
constexpr uint64_t kRegimeRows[] = {1, 8, 16, 17, 32, 33, 64, 65, 128, 256, 300};
constexpr uint64_t kMostRegimeRows = kRegimeRows[std::size(kRegimeRows) - 1];
/// The scalar kernel takes 16 rows at once.
constexpr uint64_t kScalarRegimeRows[] = {1, 16, 17, 33};
constexpr uint64_t kSumRows[] = {1, 8, 16, 17, 32, 64, 65};

/// One way to call the GEMM.
struct Variant {
  GemmKernel kernel = GemmKernel::kAuto;
  bool f16 = false;
  uint64_t m = 0;
};

CheckName check_name(const char* check, const Variant& variant) {
  return {std::string(check) + " activations on cuda (" +
          std::string(kernels::gemm_kernel_name(variant.kernel)) + ", " +
          (variant.f16 ? "f16" : "bf16") + ", m " + std::to_string(variant.m) + ")"};
}

/// Of sum_bound.
double unit_of(const Variant& variant) {
  return variant.kernel == GemmKernel::kScalar ? kRoundingUnit : kTensorCoreUnit;
}

/// Unscaled weights of the slab, [rows, K].
std::vector<float> dequantised(const SlabUnderTest& slab) {
  const uint64_t k = slab.view.operand.k;
  std::vector<float> weights(slab.stored.rows * k), row;
  for (uint64_t r = 0; r < slab.stored.rows; ++r) {
    unscaled_row(slab.view, slab.canonical, r, row);
    std::copy(row.begin(), row.end(), weights.begin() + static_cast<std::ptrdiff_t>(r * k));
  }
  return weights;
}

/// With f16 activations the tuned MXFP4 kernels read scale bytes outside of 92 .. 128 as the
/// nearest of these (kernels/gemm/gemm.h), so f16 is compared only where every weight surely lies
/// under one inside: below 2, and above the largest under 91.
bool f16_holds(const SlabUnderTest& slab) {
  if (slab.view.scheme() != model::Scheme::kMxfp4) return true;
  const std::vector<float> weights = dequantised(slab);
  return std::ranges::all_of(weights, [](float weight) {
    const float size = std::fabs(weight);
    return size == 0.0f || (0x1.8p-34f < size && size < 2.0f);
  });
}

Status compare_window(const SlabUnderTest& slab, const CheckName& name,
                      std::span<const float> weights, std::span<const float> multipliers,
                      std::span<const uint64_t> columns, const std::vector<float>& y) {
  const uint64_t k = slab.view.operand.k, rows = slab.stored.rows;
  for (uint64_t r = 0; r < rows; ++r)
    IMP_TRY(compare_columns(slab, name, r, weights.subspan(r * k, k), multipliers[r], columns,
                            {y.data(), rows, 1}));
  return {};
}

/// First rows of the slab's first and last tile.
std::vector<uint64_t> tile_starts(const SlabUnderTest& slab) {
  const uint64_t last = (slab.stored.rows - 1) / kTileRows * kTileRows;
  return last == 0 ? std::vector<uint64_t>{0} : std::vector<uint64_t>{0, last};
}

/// X on both sides and what it must give.
struct SumCase {
  const char* check = "";
  Tolerance tolerance = Tolerance::kExact;
  DeviceActivations device;
  std::vector<ReferenceSums> want;
};

/// Rows of X for the largest regime; the others take the first of them.
struct RegimeCases {
  std::vector<uint64_t> columns;  ///< of the one in each row of one_hot
  DeviceActivations one_hot;
  SumCase sparse;
  SumCase dense;
};

class CudaBackend : public GemmBackend {
 public:
  CudaBackend(cuda::Device device, cuda::Stream stream)
      : device_(std::move(device)),
        target_mask_(artifact::target_mask(device_.sm).value_or(0) | artifact::kTargetAny),
        stream_(std::move(stream)) {}

  bool serves(const FormView& view) const override {
    return has_reader(view) && kernel_for(view, GemmKernel::kScalar).ok();
  }
  bool is_tuned_for(const FormView& view) const override {
    if ((view.form.targets & target_mask_) == 0) return false;
    const Result<GemmKernel> kernel = kernel_for(view, GemmKernel::kAuto);
    return kernel.ok() && *kernel != GemmKernel::kScalar;
  }
  uint64_t slab_bytes() const override { return kSlabBytes; }

  Status check_identity(const SlabUnderTest& slab, NumericsCounts& counts) override {
    return located(slab, identity(slab, counts));
  }
  Status check_sums(const SlabUnderTest& slab, NumericsCounts& counts) override {
    return located(slab, sums(slab, counts));
  }
  Status check_regimes(const SlabUnderTest& slab, NumericsCounts& counts) override {
    return located(slab, regimes(slab, counts));
  }

 private:
  static Status located(const SlabUnderTest& slab, Status status) {
    if (status.ok()) return status;
    Error error = std::move(status).error();
    if (error.tensor.empty()) error.tensor = slab.view.name();
    return std::move(error).in_file(slab.view.reader.path());
  }

  /// What a call that asks for `kernel` runs on this device. A shape that this refuses is a fault
  /// to be seen when the form is judged, not a reason to leave it to the CPU.
  Result<GemmKernel> kernel_for(const FormView& view, GemmKernel kernel) const {
    kernels::GemmCall call;
    call.weight = weight_shape(view);
    call.m = 1;
    call.x_stride = round_up(view.operand.k, 8);
    call.y_type = kernels::Float::kF32;
    call.y_stride = view.operand.n;
    call.kernel = kernel;
    Result<GemmKernel> chosen = kernels::choose_gemm_kernel(call, device_);
    if (chosen.ok() || chosen.error().kind == ErrorKind::kUnsupportedLayout) return chosen;
    return kernel;
  }

  /// The library's choice, or the scalar kernel for what the file does not serve this card with.
  GemmKernel usual_kernel(const FormView& view) const {
    return is_tuned_for(view) ? GemmKernel::kAuto : GemmKernel::kScalar;
  }

  Status identity(const SlabUnderTest& slab, NumericsCounts& counts) {
    const uint64_t k = slab.view.operand.k;
    IMP_ASSIGN(const DeviceSlab device, DeviceSlab::upload(slab, stream_.handle()));
    IMP_ASSIGN(const DeviceIdentity x,
               DeviceIdentity::create(k, kIdentityRows, false, stream_.handle()));
    const std::vector<float> weights = dequantised(slab);
    const std::vector<float> multipliers = row_multipliers(slab.view, slab.stored);
    const GemmKernel kernel = usual_kernel(slab.view);
    std::vector<float> y;
    for (uint64_t column0 = 0; column0 < k; column0 += kIdentityRows) {
      const Variant variant{kernel, false, std::min(kIdentityRows, k - column0)};
      IMP_TRY(multiply(device.weight, x.window(column0), x.stride(), variant, y));
      std::vector<uint64_t> columns(variant.m);
      std::iota(columns.begin(), columns.end(), column0);
      IMP_TRY(
          compare_window(slab, check_name("identity", variant), weights, multipliers, columns, y));
    }
    counts.identity_weights += slab.stored.rows * k;
    return {};
  }

  Result<SumCase> sum_case(const SlabUnderTest& slab, const char* check, Tolerance tolerance,
                           const Activations& x, bool f16) {
    SumCase made{check, tolerance, {}, {}};
    IMP_ASSIGN(made.device, DeviceActivations::upload(x, f16, stream_.handle()));
    for (const uint64_t row0 : tile_starts(slab))
      made.want.push_back(
          reference_sums(slab, row0, std::min(kTileRows, slab.stored.rows - row0), x));
    return made;
  }

  Status check_case(const SlabUnderTest& slab, const DeviceSlab& device, const SumCase& sum_case,
                    const Variant& variant, uint64_t& compared) {
    const std::vector<float> multipliers = row_multipliers(slab.view, slab.stored);
    std::vector<float> y;
    IMP_TRY(multiply(device.weight, sum_case.device.x, sum_case.device.stride, variant, y));
    for (const ReferenceSums& want : sum_case.want) {
      IMP_TRY(compare_sums(slab, check_name(sum_case.check, variant), want, variant.m, multipliers,
                           sum_case.tolerance, unit_of(variant), {y.data(), slab.stored.rows, 1}));
      compared += variant.m * want.rows;
    }
    return {};
  }

  Status sums(const SlabUnderTest& slab, NumericsCounts& counts) {
    std::mt19937_64 random = random_of(slab);
    Variant variant;
    variant.kernel = usual_kernel(slab.view);
    variant.m = kSumRows[random() % std::size(kSumRows)];
    variant.f16 = random() % 2 != 0 && f16_holds(slab);
    const uint64_t k = slab.view.operand.k;
    IMP_ASSIGN(const DeviceSlab device, DeviceSlab::upload(slab, stream_.handle()));
    IMP_ASSIGN(const SumCase sparse,
               sum_case(slab, "sparse", sparse_tolerance(slab.view),
                        sparse_activations(variant.m, k, random), variant.f16));
    IMP_TRY(check_case(slab, device, sparse, variant, counts.sparse_sums));
    IMP_ASSIGN(const SumCase dense,
               sum_case(slab, "random", Tolerance::kBound,
                        random_activations(variant.m, k, variant.f16, random), variant.f16));
    return check_case(slab, device, dense, variant, counts.random_sums);
  }

  /// Kernels that this device has for `m` rows; one that then refuses is a failure.
  std::vector<GemmKernel> kernels_for(const FormView& view, uint64_t m) const {
    const bool for_scalar = std::ranges::find(kScalarRegimeRows, m) != std::end(kScalarRegimeRows);
    if (!is_tuned_for(view))
      return for_scalar ? std::vector{GemmKernel::kScalar} : std::vector<GemmKernel>{};
    std::vector<GemmKernel> list;
    for (const GemmKernel kernel :
         {GemmKernel::kAuto, GemmKernel::kMmaTiled, GemmKernel::kMmaDecode, GemmKernel::kWgmma})
      if (kernel_for(view, kernel).ok() &&
          (kernel != GemmKernel::kMmaDecode || m <= kernels::kMaxDecodeRows))
        list.push_back(kernel);
    return list;
  }

  Result<RegimeCases> regime_cases(const SlabUnderTest& slab, bool f16) {
    const uint64_t k = slab.view.operand.k;
    std::mt19937_64 random = random_of(slab);
    RegimeCases cases;
    Activations one_hot{kMostRegimeRows, k, std::vector<float>(kMostRegimeRows * k, 0.0f)};
    for (uint64_t i = 0; i < kMostRegimeRows; ++i) {
      cases.columns.push_back(random() % k);
      one_hot.values[i * k + cases.columns[i]] = 1.0f;
    }
    IMP_ASSIGN(cases.one_hot, DeviceActivations::upload(one_hot, f16, stream_.handle()));
    IMP_ASSIGN(cases.sparse, sum_case(slab, "sparse", sparse_tolerance(slab.view),
                                      sparse_activations(kMostRegimeRows, k, random), f16));
    IMP_ASSIGN(cases.dense, sum_case(slab, "random", Tolerance::kBound,
                                     random_activations(kMostRegimeRows, k, f16, random), f16));
    return cases;
  }

  Status regimes(const SlabUnderTest& slab, NumericsCounts& counts) {
    IMP_ASSIGN(const DeviceSlab device, DeviceSlab::upload(slab, stream_.handle()));
    const std::vector<float> weights = dequantised(slab);
    const std::vector<float> multipliers = row_multipliers(slab.view, slab.stored);
    std::vector<float> y;
    for (const bool f16 : {false, true}) {
      if (f16 && !f16_holds(slab)) continue;
      IMP_ASSIGN(const RegimeCases cases, regime_cases(slab, f16));
      for (const uint64_t m : kRegimeRows)
        for (const GemmKernel kernel : kernels_for(slab.view, m)) {
          const Variant variant{kernel, f16, m};
          IMP_TRY(multiply(device.weight, cases.one_hot.x, cases.one_hot.stride, variant, y));
          IMP_TRY(compare_window(slab, check_name("identity", variant), weights, multipliers,
                                 std::span(cases.columns).first(m), y));
          IMP_TRY(check_case(slab, device, cases.sparse, variant, counts.sparse_sums));
          IMP_TRY(check_case(slab, device, cases.dense, variant, counts.random_sums));
          ++counts.kernel_shapes;
        }
    }
    return {};
  }

  /// y [m, n] f32 = X W^T on the device, waited for. Launches take turns: kernels that wait for
  /// each other's blocks may not share the device, and there is one workspace.
  Status multiply(const kernels::DeviceWeight& weight, const void* x, uint64_t x_stride,
                  const Variant& variant, std::vector<float>& y) {
    kernels::GemmCall call;
    call.weight = weight;
    call.x = x;
    call.x_type = variant.f16 ? kernels::Float::kF16 : kernels::Float::kBf16;
    call.m = variant.m;
    call.x_stride = x_stride;
    call.y_type = kernels::Float::kF32;
    call.y_stride = weight.n;
    call.kernel = variant.kernel;
    y.resize(variant.m * weight.n);
    const MutableBytes host = std::as_writable_bytes(std::span(y));
    const std::lock_guard lock(mutex_);
    IMP_ASSIGN(const cuda::DeviceBuffer out, cuda::DeviceBuffer::allocate(host.size()));
    call.y = out.data();
    IMP_TRY(cuda::fill(out.data(), 0xFF, host.size(), stream_.handle()));
    IMP_TRY(prepare_workspace(call));
    const Status launched = launch_and_wait(call);
    if (!launched.ok()) workspace_ = {};  // a failed launch may have left it half used
    IMP_TRY(launched);
    IMP_TRY(cuda::copy_to_host(host, out.data(), stream_.handle()));
    return stream_.synchronize();
  }

  Status launch_and_wait(const kernels::GemmCall& call) {
    IMP_TRY(kernels::gemm(call, device_, stream_.handle()));
    return stream_.synchronize();
  }

  Status prepare_workspace(kernels::GemmCall& call) {
    IMP_ASSIGN(const uint64_t bytes, kernels::gemm_workspace_bytes(call, device_));
    if (workspace_.data() == nullptr || workspace_.size_bytes() < bytes) {
      IMP_ASSIGN(workspace_, cuda::DeviceBuffer::allocate(bytes));
      IMP_TRY(kernels::gemm_workspace_init(workspace_.data(), workspace_.size_bytes(),
                                           stream_.handle()));
    }
    call.workspace = workspace_.data();
    call.workspace_bytes = workspace_.size_bytes();
    return {};
  }

  const cuda::Device device_;
  const uint64_t target_mask_;
  cuda::Stream stream_;
  std::mutex mutex_;
  cuda::DeviceBuffer workspace_;
};

}  // namespace

Result<std::unique_ptr<GemmBackend>> make_cuda_backend(const cuda::Device& device) {
  IMP_ASSIGN(cuda::Stream stream, cuda::Stream::create());
  return std::unique_ptr<GemmBackend>(std::make_unique<CudaBackend>(device, std::move(stream)));
}

}  // namespace imp::verify
