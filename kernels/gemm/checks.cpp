#include "kernels/gemm/checks.h"

#include <string>

#include "kernels/gemm/device_view.h"
#include "kernels/gemm/plane_checks.h"
#include "kernels/gemm/refusals.h"
#include "kernels/readers/table.h"

namespace imp::kernels {
namespace {

constexpr uint16_t kMma64 = 2;   // layout numbers of form records
constexpr uint16_t kNvfp4 = 16;  // scheme numbers of operand records
// NVFP4 with a scale per 32: the same blocks, every scale standing twice.
constexpr uint16_t kNvfp4G32 = 17;
constexpr uint16_t kMxfp4 = 18;
constexpr uint16_t kInt4 = 36;
constexpr uint64_t kMaxSize = uint64_t{1} << 31;
constexpr uint64_t kColumnsOfLane = 16;

bool aligned(const void* pointer, uint64_t bytes) {
  return reinterpret_cast<uintptr_t>(pointer) % bytes == 0;
}

/// One scale a row and group of 32, of a multiple of 64 or of all columns; planes whose elements 32
/// bits count, of one expert after the other.
bool int4_is_tuned(const DeviceWeight& w) {
  const bool whole = w.group_size >= w.k;
  if (w.group_rows > 1 || w.group_size == 0) return false;
  if (!whole && w.group_size != 32 && w.group_size % 64 != 0) return false;
  if (w.scale_dtype != Dtype::kBF16 && w.scale_dtype != Dtype::kF16 && w.scale_dtype != Dtype::kF32)
    return false;
  const uint64_t groups = whole ? 1 : (w.k + w.group_size - 1) / w.group_size;
  const uint64_t elements = (w.n + 63) / 64 * 64 * groups;
  if (elements >= kMaxSize || elements * w.experts >= uint64_t{1} << 32) return false;
  const uint64_t scale = w.scale_dtype == Dtype::kF32 ? 4 : 2;
  const auto follows = [&](const DevicePlane& plane, uint64_t bytes) {
    return w.experts == 1 || plane.data == nullptr || plane.expert_stride_bytes == bytes;
  };
  return follows(w.block_scale, elements * scale) && follows(w.zero_point, elements);
}

Status check_weight(const DeviceWeight& w, bool pointers) {
  if (!has_reader(w.layout, w.scheme, w.dialect))
    return Error{ErrorKind::kUnsupportedLayout,
                 "no GEMM for layout " + std::to_string(w.layout) + ", scheme " +
                     std::to_string(w.scheme) + ", dialect " + std::to_string(w.dialect),
                 "", ""};
  if (w.n == 0 || w.k == 0 || w.n >= kMaxSize || w.k >= kMaxSize)
    return bad_shape("W is [" + std::to_string(w.n) + ", " + std::to_string(w.k) +
                     "], expected sizes from 1 to 2^31 - 1");
  if (has_tuned_kernels(w) && w.k % 16 != 0)
    return bad_shape("K is " + std::to_string(w.k) + ", expected a multiple of the group of 16");
  if (w.experts == 0 || w.experts > kMaxExperts)
    return bad_shape(std::to_string(w.experts) + " experts, expected 1 to " +
                     std::to_string(kMaxExperts));
  IMP_ASSIGN(const ComponentBytes want, component_bytes(view_of(w).first));
  const uint64_t alignment = w.layout == kMma64 ? 16 : 1;
  if (w.experts > 1 &&
      (w.expert_stride_bytes < want.codes || w.expert_stride_bytes % alignment != 0))
    return bad_shape("expert stride " + std::to_string(w.expert_stride_bytes) +
                     ", expected a multiple of " + std::to_string(alignment) + " and at least " +
                     std::to_string(want.codes));
  return check_planes(w, want, pointers);
}

Status check_parts(const DeviceWeight& w) {
  if (w.parts == 0 || w.parts > kMaxParts)
    return bad_shape(std::to_string(w.parts) + " parts, expected 1 to " +
                     std::to_string(kMaxParts));
  uint64_t before = 0;
  for (uint32_t p = 0; p < w.parts; ++p) {
    if (w.part_end[p] <= before)
      return bad_shape("part " + std::to_string(p) + " ends at row " +
                       std::to_string(w.part_end[p]) + ", expected more than " +
                       std::to_string(before));
    before = w.part_end[p];
  }
  if (before != w.n)
    return bad_shape("the last part ends at row " + std::to_string(before) +
                     ", expected N = " + std::to_string(w.n));
  return {};
}

Status check_activations(const GemmCall& call) {
  const uint64_t columns =
      call.x_order == XOrder::kLayout ? (call.weight.k + 63) / 64 * 64 : call.weight.k;
  if (call.m >= kMaxSize) return bad_shape("M is " + std::to_string(call.m));
  if (call.x_type == Float::kF32) return bad_shape("X is f32, expected bf16 or f16");
  if (call.y_type != call.x_type && call.y_type != Float::kF32)
    return bad_shape("Y has neither the type of X nor f32");
  if (call.x_stride < columns || call.x_stride % 8 != 0)
    return bad_shape("rows of X are " + std::to_string(call.x_stride) +
                     " elements apart, expected a multiple of 8 and at least " +
                     std::to_string(columns));
  if (call.y_stride < call.weight.n)
    return bad_shape("rows of Y are " + std::to_string(call.y_stride) +
                     " elements apart, expected at least N = " + std::to_string(call.weight.n));
  if (call.weight.experts > 1 && call.rows_end == nullptr)
    return bad_shape(std::to_string(call.weight.experts) + " experts without rows_end");
  return {};
}

/// Kernels count blocks and steps of all items in 32 bits.
Status check_counts(const GemmCall& call) {
  const DeviceWeight& w = call.weight;
  const uint64_t blocks = ((w.n + 63) / 64) * ((w.k + 63) / 64);
  const uint64_t token_tiles = (call.m + 7) / 8 + (w.experts > 1 ? w.experts : 0);
  if (blocks >= kMaxSize || blocks * token_tiles >= uint64_t{1} << 32)
    return bad_shape("M " + std::to_string(call.m) + ", N " + std::to_string(w.n) + ", K " +
                     std::to_string(w.k) + " have more tiles than 32 bits count");
  return {};
}

Status check_pointers(const GemmCall& call) {
  const DeviceWeight& w = call.weight;
  if (w.blocks == nullptr || w.multiplier == nullptr || call.x == nullptr || call.y == nullptr)
    return bad_shape("blocks, multiplier, X or Y is null");
  if (!aligned(w.blocks, 16) || !aligned(call.x, 16))
    return bad_shape("blocks or X is not 16-byte aligned");
  if (tuned_format(w) == Mma64Format::kInt4 &&
      (!aligned(w.block_scale.data, 16) || !aligned(w.zero_point.data, 16)))
    return bad_shape("block_scale or zero_point is not 16-byte aligned");
  if (!aligned(call.y, call.y_type == Float::kF32 ? 4 : 2) || !aligned(w.multiplier, 4) ||
      !aligned(call.workspace, 256))
    return bad_shape("Y, multiplier or workspace is not aligned to its elements (workspace: 256)");
  return {};
}

}  // namespace

std::optional<Mma64Format> tuned_format(const DeviceWeight& w) {
  if (w.layout != kMma64) return std::nullopt;
  if (w.scheme == kNvfp4 || w.scheme == kNvfp4G32) return Mma64Format::kNvfp4;
  if (w.k % kColumnsOfLane != 0) return std::nullopt;
  if (w.scheme == kMxfp4) return Mma64Format::kMxfp4;
  return w.scheme == kInt4 && int4_is_tuned(w) ? std::optional(Mma64Format::kInt4) : std::nullopt;
}
bool has_tuned_kernels(const DeviceWeight& w) { return tuned_format(w).has_value(); }

Status check_call(const GemmCall& call, bool pointers) {
  IMP_TRY(check_weight(call.weight, pointers));
  IMP_TRY(check_parts(call.weight));
  IMP_TRY(check_activations(call));
  IMP_TRY(check_counts(call));
  return pointers ? check_pointers(call) : Status{};
}

}  // namespace imp::kernels
