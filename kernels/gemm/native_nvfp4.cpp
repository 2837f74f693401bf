#include "kernels/gemm/native_nvfp4.h"

#include <algorithm>
#include <string>
#include <utility>

#include "kernels/gemm/native_launch.h"
#include "kernels/gemm/native_tile.h"
#include "kernels/gemm/refusals.h"

namespace imp::kernels {
namespace {

constexpr uint16_t kNative = 3, kNvfp4 = 16;  // registry numbers (formats/imp/SPEC.md)
constexpr uint64_t kMaxExtent = uint64_t{1} << 30;

Error unsupported(std::string message) {
  return Error{ErrorKind::kUnsupportedLayout, std::move(message), "", ""};
}

uint64_t element_bytes(Float type) { return type == Float::kF32 ? 4 : 2; }

Status check_served(const NativeGemmCall& call, const cuda::Device& device) {
  const DeviceWeight& weight = call.weight;
  if (weight.layout != kNative || weight.scheme != kNvfp4)
    return unsupported("no native GEMM for layout " + std::to_string(weight.layout) + ", scheme " +
                       std::to_string(weight.scheme) + "; there is one for native (3) with NVFP4 " +
                       "(16)");
  if (weight.k_scale != nullptr || weight.k_gather != nullptr)
    return unsupported("k_scale and k_gather act on X before it is quantised");
  if (!native_gemm_serves(device))
    return unsupported("the native GEMM serves sm_120 and sm_121, this device is sm_" +
                       std::to_string(device.sm));
  return {};
}

Status check_parts(const DeviceWeight& weight) {
  if (weight.parts == 0 || weight.parts > kMaxParts)
    return bad_shape(std::to_string(weight.parts) + " parts, expected 1 to " +
                     std::to_string(kMaxParts));
  const auto* end = weight.part_end.begin() + weight.parts;
  if (weight.part_end[0] == 0 ||
      std::adjacent_find(weight.part_end.begin(), end, std::greater_equal<>()) != end ||
      end[-1] != weight.n)
    return bad_shape("ends of parts do not ascend to N = " + std::to_string(weight.n));
  return check_pointer("multiplier", weight.multiplier, 4);
}

Status check_shape(const NativeGemmCall& call) {
  const DeviceWeight& weight = call.weight;
  if (weight.n == 0 || weight.k == 0 || weight.k % 16 != 0 ||
      std::max({weight.n, weight.k, call.m}) > kMaxExtent)
    return bad_shape("W [" + std::to_string(weight.n) + ", " + std::to_string(weight.k) + "] and " +
                     std::to_string(call.m) +
                     " rows of X, expected at most 2^30 and K a multiple of 16");
  if (call.expert >= weight.experts)
    return bad_shape("expert " + std::to_string(call.expert) + " of " +
                     std::to_string(weight.experts));
  if (call.y_stride < weight.n || call.y_stride > kMaxExtent)
    return bad_shape("rows of y are " + std::to_string(call.y_stride) + " elements apart and " +
                     std::to_string(weight.n) + " long");
  if (weight.expert_stride_bytes % 16 != 0 || call.block_scale_stride_bytes % 16 != 0)
    return bad_shape("a stride between experts is not a multiple of 16 bytes");
  return {};
}

Status check_pointers(const NativeGemmCall& call) {
  IMP_TRY(check_pointer("codes", call.weight.blocks, 16));
  IMP_TRY(check_pointer("block_scale", call.block_scale, 16));
  IMP_TRY(check_pointer("x_codes", call.x_codes, 16));
  IMP_TRY(check_pointer("x_scales", call.x_scales, 16));
  IMP_TRY(check_pointer("x_multiplier", call.x_multiplier, 4));
  return check_pointer("y", call.y, element_bytes(call.y_type));
}

native::Arguments make_arguments(const NativeGemmCall& call) {
  const DeviceWeight& weight = call.weight;
  const uint64_t expert = call.expert;
  native::Arguments a{};
  a.x_codes = static_cast<const uint8_t*>(call.x_codes);
  a.x_scales = static_cast<const uint8_t*>(call.x_scales);
  a.w_codes = static_cast<const uint8_t*>(weight.blocks) + expert * weight.expert_stride_bytes;
  a.w_scales =
      static_cast<const uint8_t*>(call.block_scale) + expert * call.block_scale_stride_bytes;
  a.multiplier = weight.multiplier + expert * weight.parts;
  a.x_multiplier = call.x_multiplier;
  if (weight.bias != nullptr)
    a.bias = static_cast<const uint8_t*>(weight.bias) +
             expert * weight.n * element_bytes(weight.bias_type);
  a.y = call.y;
  a.y_stride = call.y_stride;
  std::copy(weight.part_end.begin(), weight.part_end.end(), a.part_end);
  a.parts = weight.parts;
  a.m = static_cast<uint32_t>(call.m);
  a.n = static_cast<uint32_t>(weight.n);
  a.k = static_cast<uint32_t>(weight.k);
  a.bias_type = weight.bias_type;
  a.has_pair_stores = call.y_stride % 2 == 0 &&
                      reinterpret_cast<uintptr_t>(call.y) % (2 * element_bytes(call.y_type)) == 0;
  return a;
}

}  // namespace

bool native_gemm_serves(const cuda::Device& device) {
  return (device.sm == 120 || device.sm == 121) &&
         device.shared_memory_per_block_bytes >= native::LargeTile::kSharedBytes;
}

Status native_gemm(const NativeGemmCall& call, const cuda::Device& device,
                   cuda::StreamHandle stream) {
  IMP_TRY(check_served(call, device));
  IMP_TRY(check_shape(call));
  IMP_TRY(check_parts(call.weight));
  if (call.m == 0) return {};
  IMP_TRY(check_pointers(call));
  return native::launch(make_arguments(call), call.y_type, stream);
}

}  // namespace imp::kernels
