#include "src/verify/device_slab.h"

#include <algorithm>

#include "src/base/checked.h"
#include "src/quant/bf16.h"
#include "src/quant/f16.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;

constexpr uint64_t kRowUnit = 8;     // 16-bit elements in the 16 bytes that rows begin at
constexpr uint16_t kNan16 = 0x7FFF;  // in bf16 and in f16
constexpr uint16_t kOneBf16 = 0x3F80, kOneF16 = 0x3C00;

/// A buffer with a copy of `host`; the copy is complete when this returns, so that `host` may go.
Result<cuda::DeviceBuffer> to_device(Bytes host, cuda::StreamHandle stream) {
  IMP_ASSIGN(cuda::DeviceBuffer buffer, cuda::DeviceBuffer::allocate(host.size()));
  IMP_TRY(cuda::copy_to_device(buffer.data(), host, stream));
  return buffer;
}

/// The f32 of each part, from the file's component and not from the index that references use.
Result<std::vector<float>> stored_multipliers(const FormView& view, uint64_t expert) {
  const ComponentRecord* component =
      view.reader.find_component(view.form, ComponentKind::kMultiplier);
  std::vector<float> values(view.operand.part_count, 1.0f);
  if (component == nullptr) return values;  // a format that defines it as 1 where it is not written
  IMP_TRY(view.reader.read_component(*component, expert * component->expert_stride_bytes,
                                     std::as_writable_bytes(std::span(values))));
  return values;
}

/// Parts that have rows in the slab: their ends in it and their multipliers.
Status place_parts(const SlabUnderTest& slab, const std::vector<float>& stored,
                   kernels::DeviceWeight& weight, std::vector<float>& multipliers) {
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
    multipliers.push_back(stored[p]);
  }
  weight.parts = static_cast<uint32_t>(multipliers.size());
  return {};
}

}  // namespace

kernels::DeviceWeight weight_shape(const FormView& view) {
  kernels::DeviceWeight weight;
  weight.layout = view.form.layout;
  weight.scheme = view.operand.scheme;
  weight.n = view.operand.n;
  weight.k = view.operand.k;
  weight.part_end[0] = view.operand.n;
  return weight;
}

Result<DeviceSlab> DeviceSlab::upload(const SlabUnderTest& slab, cuda::StreamHandle stream) {
  DeviceSlab device;
  device.weight = weight_shape(slab.view);
  device.weight.n = slab.stored.rows;
  IMP_ASSIGN(const std::vector<float> stored, stored_multipliers(slab.view, slab.stored.expert));
  std::vector<float> multipliers;
  IMP_TRY(place_parts(slab, stored, device.weight, multipliers));
  IMP_ASSIGN(device.blocks, to_device(slab.stored.codes, stream));
  IMP_ASSIGN(device.multipliers, to_device(std::as_bytes(std::span(multipliers)), stream));
  device.weight.blocks = device.blocks.data();
  device.weight.multiplier = device.multipliers.as<float>();
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
