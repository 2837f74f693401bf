// A fixed set of buffers for work on a card: each slot has page-locked memory, device memory and a
// stream of its own, so that the copies and kernels of one slot run beside those of the others.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/cuda/runtime.h"
#include "kernels/repack/repack.h"
#include "src/base/result.h"
#include "src/convert/slab_need.h"

namespace imp::convert {

/// Slots of a ring: one being filled, one on its way in, one in the kernel or on its way out, one
/// being written to the file.
inline constexpr uint64_t kRingSlots = 4;
/// Device memory of all slots together, unless less is free.
inline constexpr uint64_t kDeviceBudgetBytes = uint64_t{256} << 20;
/// Lost groups of a slab that a slot has room for; a slab with more is looked through by the CPU.
inline constexpr uint64_t kLostListGroups = 4096;
inline constexpr uint64_t kLostListBytes = kLostListGroups * sizeof(kernels::LostGroup);

/// Slabs of a ring, and how many slots of what size.
struct RingShape {
  uint64_t slab_bytes = 0;
  uint64_t slots = 0;
  SlabNeed need;
  /// Device memory of a slot: planes, packed bytes, the list of lost groups and its count.
  uint64_t slot_bytes() const;
};

/// The largest slabs, at most `slab_bytes`, whose slots fit in `budget_bytes`; the smallest slabs
/// and fewer slots where that is what fits. Errors: kNoDevice, naming the bytes, if one slot of the
/// smallest slabs is more.
Result<RingShape> fit_ring(const model::Source& source, const plan::Plan& plan, uint64_t slab_bytes,
                           uint64_t budget_bytes);

struct RingSlot {
  cuda::Stream stream;
  cuda::PinnedBuffer host_in;
  cuda::PinnedBuffer host_out;  ///< count of lost groups, then, at kPlaneAlignment, packed bytes
  cuda::DeviceBuffer device;    ///< planes; then as host_out; then the list of lost groups
};

class DeviceRing {
 public:
  /// Errors: kNoDevice, naming the bytes asked for.
  static Result<std::unique_ptr<DeviceRing>> create(const RingShape& shape);

  /// A slot of which the caller is the only user until the handle goes; blocks while there is none.
  /// The ring must outlive it.
  std::shared_ptr<RingSlot> take();

 private:
  void give_back(RingSlot* slot);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<RingSlot>> slots_;
  std::vector<RingSlot*> free_;
};

}  // namespace imp::convert
