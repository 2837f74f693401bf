#include "kernels/gemm/gemm.h"

#include <algorithm>
#include <string>

#include "kernels/gemm/args.h"
#include "kernels/gemm/checks.h"
#include "kernels/gemm/k_order.h"
#include "kernels/gemm/scalar.h"
#include "kernels/readers/table.h"

namespace imp::kernels {
namespace {

constexpr uint64_t kAlignment = 256;
constexpr uint32_t kOldestSm = 80;
constexpr uint32_t kWgmmaSm = 90;

uint64_t align_up(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

/// Partials of every kernel lie at the front of a workspace, in a region of one size for a device,
/// so that calls of other shapes leave what they rely on: 128 KiB a multiprocessor is the largest
/// tile, 128 x 256 f32.
uint64_t partials_region_bytes(const cuda::Device& device) {
  return align_up(uint64_t{device.multiprocessors} * 128 * 1024);
}

uint32_t tiles(uint64_t size) { return static_cast<uint32_t>((size + 63) / 64); }

/// A call as one kernel will run it.
struct Plan {
  GemmKernel kernel = GemmKernel::kAuto;
  GemmArgs args;
  LaunchShape shape;
  bool prologue = false;
  PrologueArgs before;
  uint64_t workspace_bytes = 0;
};

Float float_of(Dtype dtype) {
  return dtype == Dtype::kBF16 ? Float::kBf16 : dtype == Dtype::kF16 ? Float::kF16 : Float::kF32;
}

void set_groups(const DeviceWeight& w, GemmArgs& a) {
  const bool whole = w.group_size >= w.k;
  a.scales = static_cast<const uint8_t*>(w.block_scale.data);
  a.zeros = static_cast<const uint8_t*>(w.zero_point.data);
  a.scale_type = float_of(w.scale_dtype);
  a.groups = whole ? 1 : static_cast<uint32_t>((w.k + w.group_size - 1) / w.group_size);
  // A scale a row serves pairs of blocks too, whatever the last one is.
  a.group_blocks = whole ? a.k_tiles + a.k_tiles % 2 : w.group_size / kBlockColumns;
}

GemmArgs args_of(const GemmCall& call) {
  const DeviceWeight& w = call.weight;
  GemmArgs a;
  a.blocks = static_cast<const uint8_t*>(w.blocks);
  a.expert_stride_bytes = w.expert_stride_bytes;
  a.x = call.x;
  a.x_stride = call.x_stride;
  a.rows_end = call.rows_end;
  a.y = call.y;
  a.y_stride = call.y_stride;
  a.multiplier = w.multiplier;
  a.bias = w.bias;
  a.m = static_cast<uint32_t>(call.m);
  a.n = static_cast<uint32_t>(w.n);
  a.k = static_cast<uint32_t>(w.k);
  a.n_tiles = tiles(w.n);
  a.k_tiles = tiles(w.k);
  a.experts = w.experts;
  a.parts = w.parts;
  for (uint32_t p = 0; p < w.parts; ++p) a.part_end[p] = static_cast<uint32_t>(w.part_end[p]);
  a.y_type = call.y_type;
  a.bias_type = w.bias_type;
  a.token_tile = call.token_tile;
  a.partials = static_cast<uint32_t*>(call.workspace);
  a.format = tuned_format(w).value_or(Mma64Format::kNvfp4);
  if (a.format == Mma64Format::kInt4) set_groups(w, a);
  return a;
}

Error no_kernel(const cuda::Device& device, const std::string& what) {
  return Error{ErrorKind::kUnsupportedLayout,
               what + "; this device is sm_" + std::to_string(device.sm), "", ""};
}

Status check_kernel(GemmKernel kernel, const GemmCall& call, const cuda::Device& device) {
  if (device.sm < kOldestSm) return no_kernel(device, "GEMM kernels need sm_80 or newer");
  if (kernel == GemmKernel::kAuto || kernel == GemmKernel::kScalar) return {};
  if (!has_tuned_kernels(call.weight))
    return no_kernel(device, "kernel " + std::string(gemm_kernel_name(kernel)) +
                                 " does not take layout " + std::to_string(call.weight.layout) +
                                 ", scheme " + std::to_string(call.weight.scheme));
  if (kernel == GemmKernel::kWgmma && device.sm != kWgmmaSm)
    return no_kernel(device, "the wgmma kernel runs on sm_90 only");
  if (kernel == GemmKernel::kMmaDecode && call.rows_end == nullptr && call.m > kMaxDecodeRows)
    return Error{ErrorKind::kBadShape,
                 "M is " + std::to_string(call.m) + ", the decode kernel takes " +
                     std::to_string(kMaxDecodeRows),
                 "", ""};
  return {};
}

Result<LaunchShape> shape_of(GemmKernel kernel, const GemmArgs& args, const cuda::Device& device,
                             uint64_t limit) {
  switch (kernel) {
    case GemmKernel::kMmaDecode:
      return decode_shape(args, device, limit);
    case GemmKernel::kWgmma:
      return wgmma_shape(args, device, limit);
    case GemmKernel::kScalar:
      return LaunchShape{};
    default:
      return tiled_shape(args, device, limit);
  }
}

/// X must come in the layout's k order for wgmma (int4 in groups of 32: in one of its own) and in
/// natural order for the others; what differs, or is gathered or scaled, passes through the
/// workspace first.
void add_prologue(const GemmCall& call, Plan& plan) {
  const DeviceWeight& w = call.weight;
  const bool want_layout_order = plan.kernel == GemmKernel::kWgmma;
  const bool have_layout_order = call.x_order == XOrder::kLayout;
  const bool want_halves =
      want_layout_order && plan.args.format == Mma64Format::kInt4 && plan.args.group_blocks == 0;
  plan.prologue = w.k_scale != nullptr || w.k_gather != nullptr || want_halves ||
                  want_layout_order != have_layout_order;
  if (!plan.prologue) return;
  PrologueArgs& p = plan.before;
  p.x = call.x;
  p.x_stride = call.x_stride;
  p.m = plan.args.m;
  p.k = plan.args.k;
  p.k_tiles = plan.args.k_tiles;
  p.out_stride = uint64_t{p.k_tiles} * kBlockColumns;
  p.k_scale = w.k_scale;
  p.k_gather = w.k_gather;
  p.from_layout_order = have_layout_order;
  p.to_layout_order = want_layout_order;
  p.halves_apart = want_halves;
  p.out = static_cast<std::byte*>(call.workspace) + plan.workspace_bytes;
  plan.args.x = p.out;
  plan.args.x_stride = p.out_stride;
  plan.workspace_bytes += align_up(uint64_t{p.m} * p.out_stride * 2);
}

Result<Plan> make_plan(const GemmCall& call, const cuda::Device& device) {
  Plan plan;
  IMP_ASSIGN(plan.kernel, choose_gemm_kernel(call, device));
  plan.args = args_of(call);
  const uint64_t limit =
      call.shared_memory_limit_bytes == 0
          ? device.shared_memory_per_block_bytes
          : std::min(call.shared_memory_limit_bytes, device.shared_memory_per_block_bytes);
  IMP_ASSIGN(plan.shape, shape_of(plan.kernel, plan.args, device, limit));
  plan.workspace_bytes = std::max(partials_region_bytes(device), plan.shape.partial_bytes);
  add_prologue(call, plan);
  return plan;
}

Status launch_main(const Plan& plan, const GemmCall& call, bool overlap,
                   cuda::StreamHandle stream) {
  const Float type = call.x_type;
  switch (plan.kernel) {
    case GemmKernel::kMmaDecode:
      return launch_decode(plan.args, plan.shape, type, overlap, stream);
    case GemmKernel::kWgmma:
      return launch_wgmma(plan.args, plan.shape, type, overlap, stream);
    case GemmKernel::kScalar: {
      const ReaderInfo* reader = find_reader(call.weight.layout, call.weight.scheme);
      return launch_scalar({plan.args, view_of(call.weight), reader->unit, type}, stream);
    }
    default:
      return launch_tiled(plan.args, plan.shape, type, overlap, stream);
  }
}

}  // namespace

std::string_view gemm_kernel_name(GemmKernel kernel) {
  switch (kernel) {
    case GemmKernel::kMmaDecode:
      return "mma-decode";
    case GemmKernel::kMmaTiled:
      return "mma-tiled";
    case GemmKernel::kWgmma:
      return "wgmma";
    case GemmKernel::kScalar:
      return "scalar";
    default:
      return "auto";
  }
}

Result<GemmKernel> choose_gemm_kernel(const GemmCall& call, const cuda::Device& device) {
  IMP_TRY(check_call(call, false));
  IMP_TRY(check_kernel(call.kernel, call, device));
  if (call.kernel != GemmKernel::kAuto) return call.kernel;
  if (!has_tuned_kernels(call.weight)) return GemmKernel::kScalar;
  const uint64_t rows =
      call.rows_end != nullptr ? (call.m + call.weight.experts - 1) / call.weight.experts : call.m;
  if (rows <= kMaxDecodeRows) return GemmKernel::kMmaDecode;
  return device.sm == kWgmmaSm ? GemmKernel::kWgmma : GemmKernel::kMmaTiled;
}

Result<uint64_t> gemm_workspace_bytes(const GemmCall& call, const cuda::Device& device) {
  IMP_TRY(check_call(call, false));
  IMP_ASSIGN(const Plan plan, make_plan(call, device));
  return plan.workspace_bytes;
}

Status gemm_workspace_init(void* workspace, uint64_t workspace_bytes, cuda::StreamHandle stream) {
  // Every word the pattern that means "nothing yet" (kernels/gemm/partials.cuh).
  return cuda::fill(workspace, 0xFF, workspace_bytes, stream);
}

Status gemm(const GemmCall& call, const cuda::Device& device, cuda::StreamHandle stream) {
  IMP_TRY(check_call(call, true));
  if (call.m == 0) return {};
  IMP_ASSIGN(const Plan plan, make_plan(call, device));
  if (call.workspace == nullptr || call.workspace_bytes < plan.workspace_bytes)
    return Error{ErrorKind::kBadShape,
                 "workspace of " + std::to_string(call.workspace_bytes) +
                     " bytes, this call needs " + std::to_string(plan.workspace_bytes),
                 "", ""};
  const bool can_overlap = device.sm >= kWgmmaSm;
  if (!plan.prologue) return launch_main(plan, call, call.overlap && can_overlap, stream);
  // The prologue itself does not overlap with the kernel before: its CTAs would take turns with
  // that kernel's for registers (2 to 3 us slower on an H200). The GEMM behind it does, and fetches
  // weights meanwhile.
  IMP_TRY(launch_prologue(plan.before, call.x_type, false, stream));
  return launch_main(plan, call, can_overlap, stream);
}

Status to_mma64_k_order(const void* x, Float type, uint64_t m, uint64_t k, uint64_t x_stride,
                        void* out, uint64_t out_stride, cuda::StreamHandle stream) {
  const bool fits = type != Float::kF32 && k > 0 && k < uint64_t{1} << 31 &&
                    m < uint64_t{1} << 31 && x_stride >= k &&
                    out_stride >= uint64_t{tiles(k)} * 64 && x_stride % 8 == 0 &&
                    out_stride % 8 == 0;
  if (!fits)
    return Error{ErrorKind::kBadShape,
                 "k order of X [" + std::to_string(m) + ", " + std::to_string(k) + "], strides " +
                     std::to_string(x_stride) + " and " + std::to_string(out_stride) +
                     ": expected 16-bit values, strides multiples of 8 that hold a row",
                 "", ""};
  if (m == 0) return {};
  PrologueArgs args;
  args.x = x;
  args.x_stride = x_stride;
  args.out = out;
  args.out_stride = out_stride;
  args.m = static_cast<uint32_t>(m);
  args.k = static_cast<uint32_t>(k);
  args.k_tiles = tiles(k);
  args.to_layout_order = true;
  return launch_prologue(args, type, false, stream);
}

}  // namespace imp::kernels
