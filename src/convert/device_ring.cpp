#include "src/convert/device_ring.h"

#include <algorithm>
#include <string>

#include "src/base/checked.h"

namespace imp::convert {
namespace {

/// Below this a slab is not worth a copy of its own.
constexpr uint64_t kSmallestSlabBytes = 64u << 10;

uint64_t out_region_bytes(const SlabNeed& need) {
  return kPlaneAlignment + round_up(need.out_bytes, kPlaneAlignment);
}

}  // namespace

uint64_t RingShape::slot_bytes() const {
  return round_up(need.in_bytes, kPlaneAlignment) + out_region_bytes(need) + kLostListBytes;
}

Result<RingShape> fit_ring(const model::Source& source, const plan::Plan& plan, uint64_t slab_bytes,
                           uint64_t budget_bytes) {
  RingShape shape{slab_bytes, kRingSlots, slab_need(source, plan, slab_bytes)};
  while (shape.slots * shape.slot_bytes() > budget_bytes && shape.slab_bytes > kSmallestSlabBytes) {
    shape.slab_bytes = std::max(shape.slab_bytes / 2, kSmallestSlabBytes);
    shape.need = slab_need(source, plan, shape.slab_bytes);
  }
  shape.slots = std::min(kRingSlots, budget_bytes / shape.slot_bytes());
  if (shape.slots == 0)
    return Error{ErrorKind::kNoDevice,
                 "packing needs " + std::to_string(shape.slot_bytes()) +
                     " bytes of device memory at least, expected no more than " +
                     std::to_string(budget_bytes),
                 "", ""};
  return shape;
}

Result<std::unique_ptr<DeviceRing>> DeviceRing::create(const RingShape& shape) {
  auto ring = std::make_unique<DeviceRing>();
  for (uint64_t i = 0; i < shape.slots; ++i) {
    IMP_ASSIGN(cuda::Stream stream, cuda::Stream::create());
    IMP_ASSIGN(cuda::PinnedBuffer in, cuda::PinnedBuffer::allocate(shape.need.in_bytes));
    IMP_ASSIGN(cuda::PinnedBuffer out, cuda::PinnedBuffer::allocate(out_region_bytes(shape.need)));
    IMP_ASSIGN(cuda::DeviceBuffer device, cuda::DeviceBuffer::allocate(shape.slot_bytes()));
    ring->slots_.push_back(std::make_unique<RingSlot>(
        RingSlot{std::move(stream), std::move(in), std::move(out), std::move(device)}));
    ring->free_.push_back(ring->slots_.back().get());
  }
  return ring;
}

std::shared_ptr<RingSlot> DeviceRing::take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !free_.empty(); });
  RingSlot* slot = free_.back();
  free_.pop_back();
  return std::shared_ptr<RingSlot>(slot, [this](RingSlot* used) { give_back(used); });
}

void DeviceRing::give_back(RingSlot* slot) {
  {
    const std::lock_guard lock(mutex_);
    free_.push_back(slot);
  }
  changed_.notify_one();
}

}  // namespace imp::convert
