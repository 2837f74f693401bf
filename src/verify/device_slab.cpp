#include "src/verify/device_slab.h"

#include <algorithm>

#include "src/base/checked.h"
#include "src/quant/bf16.h"
#include "src/quant/f16.h"
#include "src/verify/slab_weight.h"

namespace imp::verify {
namespace {

constexpr uint64_t kRowUnit = 8;     // 16-bit elements in the 16 bytes that rows begin at
constexpr uint16_t kNan16 = 0x7FFF;  // in bf16 and in f16
constexpr uint16_t kOneBf16 = 0x3F80, kOneF16 = 0x3C00;

/// A buffer with a copy of `host`; the copy is complete when this returns, so that `host` may go.
Result<cuda::DeviceBuffer> to_device(Bytes host, cuda::StreamHandle stream) {
  IMP_ASSIGN(cuda::DeviceBuffer buffer, cuda::DeviceBuffer::allocate(host.size()));
  IMP_TRY(cuda::copy_to_device(buffer.data(), host, stream));
  return buffer;
}

/// Parts that have rows in the slab: their ends in it and their multipliers.
Status place_parts(const SlabUnderTest& slab, kernels::DeviceWeight& weight,
                   std::vector<float>& multipliers) {
  const uint64_t row0 = slab.stored.row0, end = row0 + slab.stored.rows;
  const auto parts = slab.view.reader.parts_of(slab.view.operand);
  for (size_t p = 0; p < parts.size(); ++p) {
    const uint64_t part_end = parts[p].n0 + parts[p].n_count;
    if (part_end <= row0 || parts[p].n0 >= end) continue;
    if (multipliers.size() == kernels::kMaxParts)
      return Error{ErrorKind::kBadShape,
                   "operand has more than " + std::to_string(kernels::kMaxParts) + " parts",
                   slab.view.reader.path(), slab.view.name()};
    weight.part_end[multipliers.size()] = std::min(part_end, end) - row0;
    multipliers.push_back(slab.stored.multipliers[p]);
  }
  weight.parts = static_cast<uint32_t>(multipliers.size());
  return {};
}

void fill_shape(const kernels::PackedWeight& from, kernels::DeviceWeight& weight) {
  weight.layout = from.layout;
  weight.scheme = from.scheme;
  weight.dialect = from.encoding;
  weight.group_size = static_cast<uint32_t>(from.group_size);
  weight.group_rows = static_cast<uint32_t>(from.group_rows);
  weight.codes_dtype = from.dtype;
  weight.scale_dtype = from.scale_dtype;
  weight.padded_n = from.padded_n;
  weight.padded_k = from.padded_k;
  weight.n = from.n;
  weight.k = from.k;
}

}  // namespace

kernels::DeviceWeight weight_shape(const FormView& view) {
  StoredSlab whole;
  whole.rows = view.operand.n;
  whole.padded_rows = view.form.padded_n;
  kernels::DeviceWeight weight;
  fill_shape(packed_weight(view, whole), weight);
  weight.part_end[0] = view.operand.n;
  return weight;
}

Result<DeviceSlab> DeviceSlab::upload(const SlabUnderTest& slab, cuda::StreamHandle stream) {
  DeviceSlab device;
  const kernels::PackedWeight host = packed_weight(slab.view, slab.stored);
  fill_shape(host, device.weight);
  const auto place = [&](Bytes plane, const void*& at) -> Status {
    if (plane.empty()) return {};
    IMP_ASSIGN(cuda::DeviceBuffer buffer, to_device(plane, stream));
    at = buffer.data();
    device.planes.push_back(std::move(buffer));
    return {};
  };
  kernels::DeviceWeight& weight = device.weight;
  // A sparse weight may store no element at all, but a call has a pointer to codes.
  static constexpr std::byte kNoCodes[1] = {};
  IMP_TRY(place(host.codes.empty() ? Bytes(kNoCodes) : host.codes, weight.blocks));
  IMP_TRY(place(host.block_scale, weight.block_scale.data));
  IMP_TRY(place(host.zero_point, weight.zero_point.data));
  IMP_TRY(place(host.group_min, weight.group_min.data));
  IMP_TRY(place(host.super_scale, weight.super_scale.data));
  IMP_TRY(place(host.super_min, weight.super_min.data));
  IMP_TRY(place(host.lut, weight.lut.data));
  IMP_TRY(place(host.bitmask, weight.bitmask.data));
  IMP_TRY(place(host.row_offsets, weight.row_offsets.data));
  IMP_TRY(place(host.group_index, weight.group_index.data));
  std::vector<float> multipliers;
  IMP_TRY(place_parts(slab, weight, multipliers));
  const void* at = nullptr;
  IMP_TRY(place(std::as_bytes(std::span(multipliers)), at));
  weight.multiplier = static_cast<const float*>(at);
  return device;
}

Result<DeviceActivations> DeviceActivations::upload(const Activations& x, bool f16,
                                                    cuda::StreamHandle stream) {
  DeviceActivations device;
  device.stride = round_up(x.k, kRowUnit) + kRowUnit;
  std::vector<uint16_t> bits(x.m * device.stride, kNan16);
  for (uint64_t i = 0; i < x.m; ++i)
    for (uint64_t k = 0; k < x.k; ++k) {
      const float value = x.values[i * x.k + k];
      bits[i * device.stride + k] =
          f16 ? quant::f16_from_float(value) : quant::bf16_from_float(value);
    }
  IMP_ASSIGN(device.buffer, to_device(std::as_bytes(std::span(bits)), stream));
  device.x = device.buffer.data();
  return device;
}

IdentityPlan IdentityPlan::make(uint64_t k, uint64_t max_rows) {
  IdentityPlan plan;
  plan.origin = round_up(k, kRowUnit);
  plan.stride = plan.origin + kRowUnit;
  plan.ones = std::min(k, max_rows);
  plan.elements = plan.origin + plan.ones * (plan.stride + 1);
  return plan;
}

Result<DeviceIdentity> DeviceIdentity::create(uint64_t k, uint64_t max_rows, bool f16,
                                              cuda::StreamHandle stream) {
  const IdentityPlan plan = IdentityPlan::make(k, max_rows);
  std::vector<uint16_t> bits(plan.elements, 0);
  for (uint64_t i = 0; i < plan.ones; ++i)
    bits[plan.origin + i * (plan.stride + 1)] = f16 ? kOneF16 : kOneBf16;
  DeviceIdentity identity;
  identity.origin_ = plan.origin;
  identity.stride_ = plan.stride;
  IMP_ASSIGN(identity.buffer_, to_device(std::as_bytes(std::span(bits)), stream));
  return identity;
}

}  // namespace imp::verify
