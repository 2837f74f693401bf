// Cold weights: several copies of the same bytes, used in turn, so that no call finds its weights
// in the L2 that the call before has filled.
#pragma once

#include <cstdint>

#include "kernels/cuda/runtime.h"
#include "src/base/result.h"

namespace imp::bench {

inline constexpr uint64_t kLeastPoolBytes = 320ull << 20;
inline constexpr double kPoolPerL2 = 5.6;

/// Bytes that make a pool cold on a card: at least 5.6 times its L2, and 320 MiB.
uint64_t cold_pool_bytes(uint64_t l2_bytes);
/// Copies of `slot_bytes` in a pool of `pool_bytes`: at least two.
uint64_t pool_slots(uint64_t slot_bytes, uint64_t pool_bytes);

class SlotPool {
 public:
  SlotPool() = default;
  /// Slots of uninitialised bytes, 256-byte aligned. Errors: kNoDevice.
  static Result<SlotPool> create(uint64_t slot_bytes, uint64_t slots);
  uint64_t slots() const { return slots_; }
  uint64_t slot_bytes() const { return slot_bytes_; }
  std::byte* slot(uint64_t index) const { return buffer_.data() + index % slots_ * stride_bytes_; }
  /// Slot 0 to all others.
  Status copy_first_to_all(cuda::StreamHandle stream) const;

 private:
  cuda::DeviceBuffer buffer_;
  uint64_t slot_bytes_ = 0;
  uint64_t stride_bytes_ = 0;
  uint64_t slots_ = 0;
};

/// A device buffer with a copy of `host`, complete on `stream`.
Result<cuda::DeviceBuffer> to_device(Bytes host, cuda::StreamHandle stream);

}  // namespace imp::bench
