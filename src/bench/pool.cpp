#include "src/bench/pool.h"

#include <algorithm>
#include <cmath>

#include "src/base/checked.h"

namespace imp::bench {

uint64_t cold_pool_bytes(uint64_t l2_bytes) {
  const auto past_l2 = static_cast<uint64_t>(std::ceil(kPoolPerL2 * static_cast<double>(l2_bytes)));
  return std::max(kLeastPoolBytes, past_l2);
}

uint64_t pool_slots(uint64_t slot_bytes, uint64_t pool_bytes) {
  return std::max<uint64_t>(2, div_up(pool_bytes, std::max<uint64_t>(slot_bytes, 1)));
}

Result<SlotPool> SlotPool::create(uint64_t slot_bytes, uint64_t slots) {
  SlotPool pool;
  pool.slot_bytes_ = slot_bytes;
  pool.stride_bytes_ = round_up(slot_bytes, 256);
  pool.slots_ = slots;
  IMP_ASSIGN(pool.buffer_, cuda::DeviceBuffer::allocate(pool.stride_bytes_ * slots));
  return pool;
}

Status SlotPool::copy_first_to_all(cuda::StreamHandle stream) const {
  for (uint64_t s = 1; s < slots_; ++s)
    IMP_TRY(cuda::copy_on_device(slot(s), slot(0), slot_bytes_, stream));
  return {};
}

Result<cuda::DeviceBuffer> to_device(Bytes host, cuda::StreamHandle stream) {
  IMP_ASSIGN(cuda::DeviceBuffer buffer, cuda::DeviceBuffer::allocate(host.size()));
  IMP_TRY(cuda::copy_to_device(buffer.data(), host, stream));
  return buffer;
}

}  // namespace imp::bench
