#include "src/bench/gemm_bench.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <memory>

#include "kernels/bench/cold_read.h"
#include "kernels/dequant/dequant.h"
#include "kernels/gemm/gemm.h"
#include "kernels/repack/repack.h"
#include "src/base/checked.h"
#include "src/base/work_queue.h"
#include "src/bench/cublas.h"
#include "src/bench/float16.h"
#include "src/bench/gate.h"
#include "src/bench/pool.h"
#include "src/bench/timer.h"
#include "src/repack/mma64_variants.h"

namespace imp::bench {
namespace {

using kernels::Float;
using kernels::GemmCall;
using kernels::GemmKernel;
using kernels::XOrder;

constexpr uint16_t kMma64 = 2;  // registry numbers (formats/imp/SPEC.md)
constexpr uint64_t kTile = 64;
constexpr float kMultiplier = 0.00137f;  // not a power of two; keeps f16 outputs far from overflow
constexpr uint64_t kDequantiseFrom = 256;  // rows of X from which dequantising first can pay
constexpr uint64_t kLongCalls = 512;       // rows of X from which calls are long

Error usage(const std::string& text) { return Error{ErrorKind::kUsage, text, "", ""}; }

Result<GemmKernel> parse_kernel(const std::string& text) {
  std::string names;
  for (const GemmKernel kernel :
       {GemmKernel::kAuto, GemmKernel::kMmaDecode, GemmKernel::kMmaTiled, GemmKernel::kWgmma}) {
    const std::string name(kernels::gemm_kernel_name(kernel));
    if (name == text) return kernel;
    names += " " + name;
  }
  return usage("kernel '" + text + "' is not known; there are" + names);
}

uint16_t scheme_number(Scheme scheme) {
  return scheme == Scheme::kNvfp4 ? 16 : scheme == Scheme::kMxfp4 ? 18 : 36;
}

/// Options with every name turned into what it means.
struct Plan {
  WeightKind kind;  ///< group 0: a scale a row
  std::vector<Shape> shapes;
  std::vector<uint64_t> m;  ///< rows of X, of all experts together
  GemmKernel kernel = GemmKernel::kAuto;
  std::vector<XOrder> orders;
  bool f16 = false;
  bool overlap = false;
  uint64_t replays = 0;
};

Result<WeightKind> parse_kind(const GemmOptions& options) {
  const bool integer = options.scheme == "int4";
  if (!integer && options.zero_points) return usage("--zero-points is of int4");
  if (options.scheme == "nvfp4") return WeightKind{};
  if (options.scheme == "mxfp4") return WeightKind{Scheme::kMxfp4, 32, false};
  if (!integer)
    return usage("scheme '" + options.scheme + "' is not known; there are nvfp4 mxfp4 int4");
  if (options.group != 32 && options.group % kTile != 0)
    return usage("--group takes 32, multiples of 64, and 0 for a scale a row");
  return WeightKind{Scheme::kInt4, options.group, options.zero_points};
}

Result<Plan> make_plan(const GemmOptions& options) {
  Plan plan;
  IMP_ASSIGN(plan.kind, parse_kind(options));
  IMP_ASSIGN(plan.kernel, parse_kernel(options.kernel));
  plan.shapes = options.shapes.empty() ? default_shapes() : options.shapes;
  for (Shape& shape : plan.shapes) {
    shape.experts = options.experts;
    if (plan.kind.scheme == Scheme::kMxfp4 && shape.k % 32 != 0)
      return usage("K must be a multiple of 32");
    if (options.experts > 1 && shape.n % kTile != 0)
      return usage("N must be a multiple of 64 with more than one expert");
  }
  plan.m = options.m.empty() ? default_m() : options.m;
  if (options.experts > 1 && !options.m.empty())
    return usage("--experts takes --tokens-per-expert instead of --m");
  if (options.experts > 1) {
    const std::vector<uint64_t> usual{1, 8, 16, 64};
    plan.m = options.tokens_per_expert.empty() ? usual : options.tokens_per_expert;
    for (uint64_t& m : plan.m) m *= options.experts;
  } else if (!options.tokens_per_expert.empty()) {
    return usage("--tokens-per-expert needs --experts of 2 or more");
  }
  if (std::find(plan.m.begin(), plan.m.end(), 0u) != plan.m.end() || options.replays == 0)
    return usage("rows of X and replays must be at least 1");
  if (plan.kernel == GemmKernel::kMmaDecode && options.experts == 1)
    std::erase_if(plan.m, [](uint64_t m) { return m > kernels::kMaxDecodeRows; });
  if (plan.m.empty())
    return usage("this kernel takes at most " + std::to_string(kernels::kMaxDecodeRows) +
                 " rows of X");
  if (options.x_order != "layout") plan.orders.push_back(XOrder::kNatural);
  if (options.x_order != "natural") plan.orders.push_back(XOrder::kLayout);
  plan.f16 = options.activation == "f16";
  plan.overlap = options.overlap;
  plan.replays = options.replays;
  return plan;
}

/// Device, stream and baseline of a run.
struct Bench {
  cuda::Device device;
  cuda::Stream stream;
  std::unique_ptr<Cublas> cublas;  ///< null: there is none
  std::string cublas_text;
  cuda::DeviceBuffer sink;
  uint64_t pool_bytes = 0;
};

Result<Bench> make_bench(uint64_t pool_bytes) {
  IMP_ASSIGN(const cuda::Device device, cuda::current_device());
  IMP_ASSIGN(cuda::Stream stream, cuda::Stream::create());
  Bench bench{device, std::move(stream), nullptr, "", {}, pool_bytes};
  if (pool_bytes == 0) bench.pool_bytes = cold_pool_bytes(device.l2_bytes);
  Result<Cublas> cublas = Cublas::load(bench.stream);
  if (cublas.ok()) {
    bench.cublas = std::make_unique<Cublas>(std::move(cublas).take());
    bench.cublas_text = bench.cublas->name();
  } else {
    bench.cublas_text = cublas.error().message;
  }
  IMP_ASSIGN(bench.sink,
             cuda::DeviceBuffer::allocate(4 * kernels::cold_read_sink_words(bench.device)));
  return bench;
}

/// One shape's weights on the device.
struct DeviceWeights {
  SlotPool packed;
  SlotPool plain;  ///< dequantised; without slots where there is no cuBLAS
  cuda::DeviceBuffer multipliers;
  kernels::DeviceWeight weight;

  /// Component by component in a slot.
  uint64_t scales_at = 0, zeros_at = 0;

  kernels::DeviceWeight at_slot(uint64_t call) const {
    kernels::DeviceWeight w = weight;
    w.blocks = packed.slot(call);
    if (scales_at != 0) w.block_scale.data = packed.slot(call) + scales_at;
    if (zeros_at != 0) w.zero_point.data = packed.slot(call) + zeros_at;
    return w;
  }
};

Status pack_nvfp4(const Bench& bench, const CanonicalWeights& host, DeviceWeights& device) {
  const cuda::StreamHandle stream = bench.stream.handle();
  const uint64_t rows = host.shape.n * host.shape.experts;
  IMP_ASSIGN(const cuda::DeviceBuffer codes, to_device(host.codes, stream));
  IMP_ASSIGN(const cuda::DeviceBuffer scales, to_device(host.scales, stream));
  IMP_ASSIGN(const cuda::DeviceBuffer lost, cuda::DeviceBuffer::allocate(64));
  IMP_TRY(cuda::fill(lost.data(), 0, 64, stream));
  const uint64_t bytes = kernels::mma64_nvfp4_packed_bytes(rows, host.shape.k);
  IMP_ASSIGN(device.packed, SlotPool::create(bytes, pool_slots(bytes, bench.pool_bytes)));
  // No scale is zero, so no group is lost and the list may be empty.
  const kernels::LostGroups none{lost.as<kernels::LostGroup>() + 1, 0, lost.as<uint64_t>()};
  IMP_TRY(kernels::pack_mma64_nvfp4({codes.data(), scales.data(), rows, host.shape.k},
                                    kernels::RepackPath::kWord, device.packed.slot(0), none,
                                    stream));
  IMP_TRY(device.packed.copy_first_to_all(stream));
  return bench.stream.synchronize();
}

/// The other schemes by the CPU's repack. Components of a slot begin at multiples of 256.
Status pack_others(const Bench& bench, const CanonicalWeights& host, DeviceWeights& device) {
  constexpr repack::Path kPath = repack::Path::kWord;
  const uint64_t rows = host.shape.n * host.shape.experts, k = host.shape.k;
  const uint64_t groups = host.groups();
  const bool integer = host.kind.scheme == Scheme::kInt4;
  const uint64_t blocks =
      integer ? repack::mma64_codes_bytes(4, rows, k) : repack::mma64_mxfp4_bytes(rows, k);
  const uint64_t scales = integer ? repack::mma64_plane_bytes(16, rows, groups) : 0;
  const uint64_t zeros = host.kind.zero_points ? repack::mma64_plane_bytes(4, rows, groups) : 0;
  std::vector<std::byte> slot(round_up(round_up(blocks, 256) + scales, 256) + zeros);
  const std::span<std::byte> all(slot);
  if (integer) {
    repack::mma64_codes_pack(4, host.codes, rows, k, kPath, all.first(blocks));
    device.scales_at = round_up(blocks, 256);
    repack::mma64_plane_pack(16, host.scales, rows, groups, kPath,
                             all.subspan(device.scales_at, scales));
    if (zeros != 0) {
      device.zeros_at = slot.size() - zeros;
      repack::mma64_plane_pack(4, host.zero_points, rows, groups, kPath, all.last(zeros));
    }
  } else {
    repack::mma64_mxfp4_pack(host.codes, host.scales, rows, k, kPath, all.first(blocks));
  }
  kernels::DeviceWeight& w = device.weight;
  w.group_size = static_cast<uint32_t>(host.kind.group);
  w.scale_dtype = integer ? Dtype::kBF16 : Dtype::kU8;
  if (host.shape.experts > 1) {
    w.expert_stride_bytes = blocks / host.shape.experts;
    w.block_scale.expert_stride_bytes = scales / host.shape.experts;
    w.zero_point.expert_stride_bytes = zeros / host.shape.experts;
  }
  IMP_ASSIGN(device.packed,
             SlotPool::create(slot.size(), pool_slots(slot.size(), bench.pool_bytes)));
  IMP_TRY(cuda::copy_to_device(device.packed.slot(0), slot, bench.stream.handle()));
  IMP_TRY(device.packed.copy_first_to_all(bench.stream.handle()));
  return bench.stream.synchronize();
}

/// Plain 16-bit weights of the schemes that have no dequantising kernel here.
Status plain_from_host(const Bench& bench, const CanonicalWeights& host, bool f16, std::byte* out) {
  const uint64_t rows = host.shape.n * host.shape.experts, k = host.shape.k;
  std::vector<uint16_t> plain(rows * k);
  WorkQueue queue(default_thread_count(), default_thread_count());
  for (uint64_t row0 = 0; row0 < rows; row0 += kTile) {
    const Status pushed = queue.push([&, row0]() -> Status {
      for (uint64_t row = row0; row < std::min(rows, row0 + kTile); ++row)
        for (uint64_t c = 0; c < k; ++c)
          plain[row * k + c] = cut_to_16(host.at(row, c) * kMultiplier, f16);
      return {};
    });
    if (!pushed.ok()) break;
  }
  IMP_TRY(queue.drain());
  IMP_TRY(cuda::copy_to_device(out, std::as_bytes(std::span(plain)), bench.stream.handle()));
  return bench.stream.synchronize();
}

Status dequantise_all(const DeviceWeights& device, uint64_t slot, std::byte* out, bool f16,
                      cuda::StreamHandle stream) {
  const kernels::DeviceWeight weight = device.at_slot(slot);
  for (uint32_t e = 0; e < weight.experts; ++e)
    IMP_TRY(kernels::dequantise(weight, e, out + e * weight.n * weight.k * 2,
                                f16 ? Float::kF16 : Float::kBf16, weight.k, stream));
  return {};
}

Result<DeviceWeights> make_weights(const Bench& bench, const CanonicalWeights& host, bool f16) {
  const Shape& shape = host.shape;
  DeviceWeights device;
  kernels::DeviceWeight& w = device.weight;
  w.layout = kMma64;
  w.scheme = scheme_number(host.kind.scheme);
  w.n = shape.n;
  w.k = shape.k;
  w.experts = static_cast<uint32_t>(shape.experts);
  const bool nvfp4 = host.kind.scheme == Scheme::kNvfp4;
  IMP_TRY(nvfp4 ? pack_nvfp4(bench, host, device) : pack_others(bench, host, device));
  const std::vector<float> multipliers(shape.experts, kMultiplier);
  IMP_ASSIGN(device.multipliers,
             to_device(std::as_bytes(std::span(multipliers)), bench.stream.handle()));
  if (nvfp4 && shape.experts > 1)
    w.expert_stride_bytes = kernels::mma64_nvfp4_packed_bytes(shape.n, shape.k);
  w.multiplier = device.multipliers.as<float>();
  w.part_end[0] = shape.n;
  if (bench.cublas == nullptr) return device;
  const uint64_t plain_bytes = 2 * shape.weights();
  IMP_ASSIGN(device.plain,
             SlotPool::create(plain_bytes, pool_slots(plain_bytes, bench.pool_bytes)));
  IMP_TRY(nvfp4 ? dequantise_all(device, 0, device.plain.slot(0), f16, bench.stream.handle())
                : plain_from_host(bench, host, f16, device.plain.slot(0)));
  IMP_TRY(device.plain.copy_first_to_all(bench.stream.handle()));
  IMP_TRY(bench.stream.synchronize());
  return device;
}

/// X of a shape for the largest M, and what it must give; smaller M take its first rows. With
/// experts the rows of each M lie elsewhere, so these are made for each M.
struct Inputs {
  uint64_t m = 0;
  cuda::DeviceBuffer natural;
  cuda::DeviceBuffer ordered;
  cuda::DeviceBuffer rows_end;
  Reference reference;
};

Result<Inputs> make_inputs(const Bench& bench, const Plan& plan, const CanonicalWeights& weights,
                           uint64_t m) {
  const Shape& shape = weights.shape;
  const cuda::StreamHandle stream = bench.stream.handle();
  const std::vector<uint16_t> x = random_activations(m, shape.k, plan.f16, 7);
  Inputs inputs;
  inputs.m = m;
  IMP_ASSIGN(inputs.natural, to_device(std::as_bytes(std::span(x)), stream));
  const std::vector<uint16_t> ordered = in_layout_order(x, m, shape.k);
  IMP_ASSIGN(inputs.ordered, to_device(std::as_bytes(std::span(ordered)), stream));
  std::vector<uint32_t> ends;
  for (uint64_t e = 1; e <= shape.experts; ++e)
    ends.push_back(static_cast<uint32_t>(e * m / shape.experts));
  IMP_ASSIGN(inputs.rows_end, to_device(std::as_bytes(std::span(ends)), stream));
  inputs.reference = reference(weights, x, m, plan.f16, default_thread_count());
  return inputs;
}

/// One column of the comparison that writes outputs: how to call it, and what it wrote.
struct Subject {
  GemmRow row;
  std::function<Status(uint64_t call, cuda::StreamHandle stream)> enqueue;
  uint64_t slots = 1;
  double weight_unit = 0;  ///< relative error of the weights it multiplies by
  cuda::DeviceBuffer y;
  cuda::DeviceBuffer workspace;
  std::vector<uint16_t> first, last;
};

/// Everything measured for one shape and one M.
class Point {
 public:
  Point(const Bench& bench, const Plan& plan, const DeviceWeights& weights, const Inputs& inputs,
        uint64_t m)
      : bench_(bench), plan_(plan), weights_(weights), inputs_(inputs), m_(m) {}

  Result<std::vector<GemmRow>> run() {
    for (const XOrder order : plan_.orders) IMP_TRY(add_ours(order));
    if (bench_.cublas != nullptr && m_ >= kDequantiseFrom && plan_.kind.scheme == Scheme::kNvfp4)
      IMP_TRY(add_dequantise());
    for (const auto& subject : subjects_) IMP_TRY(call_once(*subject));
    IMP_TRY(measure());
    std::vector<GemmRow> rows;
    for (const auto& subject : subjects_) {
      IMP_TRY(judge(*subject));
      rows.push_back(std::move(subject->row));
    }
    return rows;
  }

 private:
  uint64_t n() const { return weights_.weight.n; }
  uint64_t k() const { return weights_.weight.k; }
  uint64_t experts() const { return weights_.weight.experts; }
  uint64_t y_bytes() const { return 2 * m_ * n(); }

  GemmRow empty_row() const {
    GemmRow row;
    row.n = n();
    row.k = k();
    row.experts = experts();
    row.m = m_;
    row.x_order = "natural";
    row.weight_bytes = weights_.packed.slot_bytes();
    return row;
  }

  GemmCall call_for(XOrder order) const {
    GemmCall call;
    call.weight = weights_.weight;
    call.x = order == XOrder::kLayout ? inputs_.ordered.data() : inputs_.natural.data();
    call.x_type = call.y_type = plan_.f16 ? Float::kF16 : Float::kBf16;
    call.m = m_;
    call.x_stride = order == XOrder::kLayout ? round_up(k(), kTile) : k();
    call.x_order = order;
    call.rows_end = experts() > 1 ? inputs_.rows_end.as<uint32_t>() : nullptr;
    call.y_stride = n();
    call.kernel = plan_.kernel;
    call.overlap = plan_.overlap;
    return call;
  }

  Status add_ours(XOrder order) {
    auto subject = std::make_unique<Subject>();
    GemmCall call = call_for(order);
    subject->row = empty_row();
    if (order == XOrder::kLayout) subject->row.x_order = "layout";
    subject->row.overlap = plan_.overlap;
    IMP_ASSIGN(const GemmKernel kernel, kernels::choose_gemm_kernel(call, bench_.device));
    subject->row.kernel = kernels::gemm_kernel_name(kernel);
    IMP_ASSIGN(const uint64_t bytes, kernels::gemm_workspace_bytes(call, bench_.device));
    IMP_ASSIGN(subject->workspace, cuda::DeviceBuffer::allocate(bytes));
    IMP_TRY(kernels::gemm_workspace_init(subject->workspace.data(), bytes, bench_.stream.handle()));
    IMP_ASSIGN(subject->y, cuda::DeviceBuffer::allocate(y_bytes()));
    call.y = subject->y.data();
    call.workspace = subject->workspace.data();
    call.workspace_bytes = bytes;
    subject->slots = weights_.packed.slots();
    subject->enqueue = [this, call](uint64_t index, cuda::StreamHandle stream) {
      GemmCall one = call;
      one.weight = weights_.at_slot(index);
      return kernels::gemm(one, bench_.device, stream);
    };
    subjects_.push_back(std::move(subject));
    return {};
  }

  /// cuBLAS on plain weights at `w`, an expert after the other.
  Status cublas_all(const std::byte* w, std::byte* y) const {
    const uint64_t tokens = m_ / experts();
    for (uint64_t e = 0; e < experts(); ++e)
      IMP_TRY(bench_.cublas->gemm(w + 2 * e * n() * k(),
                                  inputs_.natural.data() + 2 * e * tokens * k(),
                                  y + 2 * e * tokens * n(), tokens, n(), k(), plan_.f16));
    return {};
  }

  Status add_dequantise() {
    auto subject = std::make_unique<Subject>();
    subject->row = empty_row();
    subject->row.kernel = "dequantise+cublas";
    // One matrix of scratch, as an engine would keep it.
    IMP_ASSIGN(subject->workspace, cuda::DeviceBuffer::allocate(2 * n() * k() * experts()));
    IMP_ASSIGN(subject->y, cuda::DeviceBuffer::allocate(y_bytes()));
    subject->slots = weights_.packed.slots();
    subject->weight_unit = unit_roundoff(plan_.f16);
    std::byte* scratch = subject->workspace.data();
    std::byte* y = subject->y.data();
    subject->enqueue = [this, scratch, y](uint64_t index, cuda::StreamHandle stream) -> Status {
      IMP_TRY(dequantise_all(weights_, index, scratch, plan_.f16, stream));
      return cublas_all(scratch, y);
    };
    subjects_.push_back(std::move(subject));
    return {};
  }

  Status read_y(const Subject& subject, std::vector<uint16_t>& host) const {
    host.resize(m_ * n());
    IMP_TRY(cuda::copy_to_host(std::as_writable_bytes(std::span(host)), subject.y.data(),
                               bench_.stream.handle()));
    return bench_.stream.synchronize();
  }

  Status mark_y(const Subject& subject) const {
    return cuda::fill(subject.y.data(), 0xFF, y_bytes(), bench_.stream.handle());  // NaN
  }

  Status call_once(Subject& subject) {
    IMP_TRY(mark_y(subject));
    IMP_TRY(subject.enqueue(0, bench_.stream.handle()));
    return read_y(subject, subject.first);
  }

  Contender contender(const Subject& subject, uint64_t least) const {
    return {subject.row.kernel, subject.enqueue, graph_calls(subject.slots, least),
            [this, &subject](cuda::StreamHandle) { return mark_y(subject); }};
  }

  Contender cold_read(uint64_t least) const {
    return {"cold read",
            [this](uint64_t call, cuda::StreamHandle stream) {
              return kernels::cold_read(weights_.packed.slot(call), weights_.packed.slot_bytes(),
                                        bench_.sink.as<uint32_t>(), bench_.device, stream);
            },
            graph_calls(weights_.packed.slots(), least),
            {}};
  }

  Status measure() {
    const uint64_t least = m_ >= kLongCalls ? 4 : 24;
    std::vector<Contender> contenders;
    for (const auto& subject : subjects_) contenders.push_back(contender(*subject, least));
    cuda::DeviceBuffer y;
    if (bench_.cublas != nullptr) {
      IMP_ASSIGN(y, cuda::DeviceBuffer::allocate(y_bytes()));
      contenders.push_back({"cublas",
                            [this, &y](uint64_t call, cuda::StreamHandle) {
                              return cublas_all(weights_.plain.slot(call), y.data());
                            },
                            graph_calls(weights_.plain.slots(), least),
                            {}});
    }
    contenders.push_back(cold_read(24));
    IMP_ASSIGN(const std::vector<double> us,
               time_contenders(contenders, plan_.replays, bench_.stream));
    for (size_t i = 0; i < subjects_.size(); ++i) {
      GemmRow& row = subjects_[i]->row;
      row.us = us[i];
      row.floor_us = us.back();
      if (bench_.cublas != nullptr) row.cublas_us = us[subjects_.size()];
    }
    return {};
  }

  Status judge(Subject& subject) {
    IMP_TRY(read_y(subject, subject.last));
    const Outputs y{subject.first, subject.last, m_, n(), plan_.f16};
    GateResult result = check_outputs(y, inputs_.reference, k(), kMultiplier, subject.weight_unit);
    subject.row.good = result.good;
    subject.row.check = std::move(result.text);
    return {};
  }

  const Bench& bench_;
  const Plan& plan_;
  const DeviceWeights& weights_;
  const Inputs& inputs_;
  const uint64_t m_;
  std::vector<std::unique_ptr<Subject>> subjects_;
};

Status run_shape(const Bench& bench, const Plan& plan, const Shape& shape, Log& log,
                 GemmReport& report) {
  log.note(std::to_string(shape.n) + "x" + std::to_string(shape.k));
  WeightKind kind = plan.kind;
  if (kind.group == 0) kind.group = shape.k;
  const CanonicalWeights host = CanonicalWeights::random(shape, 20261121, kind);
  IMP_ASSIGN(const DeviceWeights weights, make_weights(bench, host, plan.f16));
  Inputs inputs;
  if (shape.experts == 1) {
    const uint64_t most = *std::max_element(plan.m.begin(), plan.m.end());
    IMP_ASSIGN(inputs, make_inputs(bench, plan, host, most));
  }
  for (const uint64_t m : plan.m) {
    if (shape.experts > 1) {
      IMP_ASSIGN(inputs, make_inputs(bench, plan, host, m));
    }
    Point point(bench, plan, weights, inputs, m);
    IMP_ASSIGN(std::vector<GemmRow> rows, point.run());
    for (GemmRow& row : rows) report.rows.push_back(std::move(row));
  }
  return {};
}

}  // namespace

std::vector<Shape> default_shapes() {
  return {{21504, 5376}, {5376, 21504}, {4096, 4096}, {8192, 8192}, {28672, 8192}};
}

std::vector<uint64_t> default_m() { return {1, 8, 16, 32, 64, 128, 256, 512, 2048, 4096}; }

Result<Shape> parse_shape(const std::string& text) {
  const size_t x = text.find('x');
  Shape shape;
  const char* end = text.data() + text.size();
  if (x != std::string::npos) {
    const auto n = std::from_chars(text.data(), text.data() + x, shape.n);
    const auto k = std::from_chars(text.data() + x + 1, end, shape.k);
    constexpr uint64_t kMost = 1u << 20;
    if (n.ec == std::errc() && k.ec == std::errc() && n.ptr == text.data() + x && k.ptr == end &&
        shape.n >= 1 && shape.n <= kMost && shape.k >= 16 && shape.k <= kMost && shape.k % 16 == 0)
      return shape;
  }
  return usage("shape '" + text + "' is not NxK with K a multiple of 16, e.g. 4096x4096");
}

Result<GemmReport> run_gemm(const GemmOptions& options, Log& log) {
  IMP_ASSIGN(const Plan plan, make_plan(options));
  IMP_ASSIGN(const Bench bench, make_bench(options.pool_bytes));
  GemmReport report;
  report.device = bench.device;
  report.activation = options.activation;
  report.scheme = options.scheme;
  if (plan.kind.scheme == Scheme::kInt4)
    report.scheme +=
        (options.group == 0 ? ", a scale a row" : ", groups of " + std::to_string(options.group)) +
        (options.zero_points ? ", zero points" : "");
  report.replays = options.replays;
  report.cublas = bench.cublas_text;
  report.has_cublas = bench.cublas != nullptr;
  for (const Shape& shape : plan.shapes) IMP_TRY(run_shape(bench, plan, shape, log, report));
  return report;
}

}  // namespace imp::bench
