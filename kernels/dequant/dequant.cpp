#include "kernels/dequant/dequant.h"

#include <algorithm>
#include <string>

#include "kernels/dequant/launch.h"
#include "kernels/gemm/device_view.h"
#include "kernels/gemm/plane_checks.h"
#include "kernels/readers/table.h"

namespace imp::kernels {
namespace {

// Registry numbers of form and operand records (formats/imp/SPEC.md).
constexpr uint16_t kPlain = 1, kMma64 = 2, kNative = 3;
constexpr uint16_t kNvfp4 = 16;
constexpr uint64_t kGroup = 16;
constexpr uint64_t kBlockRows = 64;  ///< of mma64
constexpr uint64_t kVectorBytes = 16;
constexpr uint64_t kWordBytes = 4;
/// Rows and columns beyond any model; sizes below stay far from the end of 64 bits.
constexpr uint64_t kMaxExtent = uint64_t{1} << 31;

Status check_aligned(const char* what, const void* pointer, uint64_t stride_bytes,
                     uint64_t alignment) {
  if (pointer == nullptr) return bad_shape(std::string(what) + " is a null pointer");
  if (reinterpret_cast<uintptr_t>(pointer) % alignment != 0 || stride_bytes % alignment != 0)
    return bad_shape(std::string(what) + ", or its stride of " + std::to_string(stride_bytes) +
                     " bytes, is not a multiple of " + std::to_string(alignment));
  return {};
}

/// NVFP4 in the orders that kernels of this folder were made for.
bool has_own_kernel(const DeviceWeight& weight) {
  return weight.scheme == kNvfp4 && weight.dialect == 0 &&
         (weight.layout == kPlain || weight.layout == kMma64 || weight.layout == kNative);
}

Status check_parts(const DeviceWeight& weight) {
  if (weight.parts == 0 || weight.parts > kMaxParts)
    return bad_shape(std::to_string(weight.parts) + " parts, expected 1 to " +
                     std::to_string(kMaxParts));
  uint64_t begin = 0;
  for (uint32_t p = 0; p < weight.parts; ++p) {
    const uint64_t end = weight.part_end[p];
    if (end <= begin || end > weight.n)
      return bad_shape("part " + std::to_string(p) + " ends at row " + std::to_string(end) +
                       ", after one that ends at " + std::to_string(begin) + " of " +
                       std::to_string(weight.n));
    if (has_own_kernel(weight) && weight.layout == kMma64 && end % kBlockRows != 0 &&
        p + 1 < weight.parts)
      return bad_shape("part " + std::to_string(p) + " ends at row " + std::to_string(end) +
                       ", inside a block of 64 rows");
    begin = end;
  }
  if (begin != weight.n)
    return bad_shape("the last part ends at row " + std::to_string(begin) + " of " +
                     std::to_string(weight.n));
  if (weight.multiplier == nullptr) return bad_shape("multiplier is a null pointer");
  return {};
}

/// What the kernels of NVFP4 ask for.
Status check_own(const DeviceWeight& weight) {
  if (weight.k % kGroup != 0)
    return bad_shape("shape [" + std::to_string(weight.n) + ", " + std::to_string(weight.k) +
                     "]: K is not a multiple of 16");
  // Planes of experts in layout plain follow each other without padding.
  const bool is_plain = weight.layout == kPlain;
  IMP_TRY(check_aligned("blocks or codes", weight.blocks, weight.expert_stride_bytes,
                        is_plain ? kWordBytes : kVectorBytes));
  if (weight.layout == kMma64) return {};
  return check_aligned("block_scale", weight.block_scale.data,
                       weight.block_scale.expert_stride_bytes, is_plain ? 1 : kVectorBytes);
}

Status check_of_reader(const DeviceWeight& weight) {
  if (weight.blocks == nullptr) return bad_shape("blocks or codes is a null pointer");
  IMP_ASSIGN(const ComponentBytes want, component_bytes(view_of(weight).first));
  if (weight.experts > 1 && weight.expert_stride_bytes < want.codes)
    return bad_shape("expert stride " + std::to_string(weight.expert_stride_bytes) +
                     ", expected at least " + std::to_string(want.codes));
  return check_planes(weight, want, true);
}

Status check_weight(const DeviceWeight& weight, uint32_t expert) {
  if (weight.n == 0 || weight.k == 0 || weight.n > kMaxExtent || weight.k > kMaxExtent)
    return bad_shape("shape [" + std::to_string(weight.n) + ", " + std::to_string(weight.k) +
                     "], expected 1 to 2^31 rows and columns");
  if (expert >= weight.experts)
    return bad_shape("expert " + std::to_string(expert) + " of " + std::to_string(weight.experts));
  IMP_TRY(check_parts(weight));
  return has_own_kernel(weight) ? check_own(weight) : check_of_reader(weight);
}

Status check_out(const DeviceWeight& weight, const void* out, Float out_type, uint64_t out_stride) {
  const uint64_t element_bytes = out_type == Float::kF32 ? 4 : 2;
  if (out_stride < weight.k || out_stride > kMaxExtent)
    return bad_shape("output rows are " + std::to_string(out_stride) + " elements apart and " +
                     std::to_string(weight.k) + " long");
  return check_aligned("output", out, out_stride * element_bytes, kVectorBytes);
}

dequant::Output output_of(const DeviceWeight& weight, uint32_t expert, void* out,
                          uint64_t out_stride) {
  dequant::Output output;
  output.multiplier = weight.multiplier + uint64_t{expert} * weight.parts;
  std::copy(weight.part_end.begin(), weight.part_end.end(), output.part_end);
  output.parts = weight.parts;
  output.n = weight.n;
  output.k = weight.k;
  output.out = out;
  output.out_stride = out_stride;
  return output;
}

}  // namespace

Status dequantise(const DeviceWeight& weight, uint32_t expert, void* out, Float out_type,
                  uint64_t out_stride, cuda::StreamHandle stream) {
  if (!has_reader(weight.layout, weight.scheme, weight.dialect))
    return Error{ErrorKind::kUnsupportedLayout,
                 "no dequantisation for layout " + std::to_string(weight.layout) + ", scheme " +
                     std::to_string(weight.scheme) + ", dialect " + std::to_string(weight.dialect),
                 "", ""};
  IMP_TRY(check_weight(weight, expert));
  IMP_TRY(check_out(weight, out, out_type, out_stride));
  const dequant::Output output = output_of(weight, expert, out, out_stride);
  const WeightView view = view_of(weight).expert(expert);
  if (!has_own_kernel(weight)) {
    const float unit = find_reader(weight.layout, weight.scheme)->unit;
    return dequant::launch_reader({output, view, unit, out_type}, stream);
  }
  const dequant::Arguments arguments{output, view.codes, view.block_scale};
  if (weight.layout == kMma64) return dequant::launch_mma64(arguments, out_type, stream);
  if (weight.layout == kNative) return dequant::launch_native(arguments, out_type, stream);
  return dequant::launch_plain(arguments, out_type, stream);
}

}  // namespace imp::kernels
