// What imp-bench repack measures: each pack and its inverse, on planes that lie in pools.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/repack/repack.h"
#include "src/bench/pool.h"
#include "src/bench/weights.h"

namespace imp::bench {

/// A canonical plane on the host, and a pool of it on the device.
struct PooledPlane {
  Bytes host;
  SlotPool pool;
};

/// NVFP4 weights. Bytes are bytes: the codes serve as integers of 4 bits, or of 8 in half as many
/// columns, half of the scales as those of MXFP4.
struct RepackPlanes {
  CanonicalWeights weights;
  PooledPlane codes;
  PooledPlane scales;
  PooledPlane half_scales;

  uint64_t rows() const { return weights.shape.n; }
  uint64_t k() const { return weights.shape.k; }
  /// Pools of `pool_bytes` each. Errors: kNoDevice.
  Status fill(uint64_t pool_bytes, const cuda::Stream& stream);
};

/// What a layout takes, what it makes, and both directions.
struct Operation {
  std::string layout;
  std::vector<const PooledPlane*> canonical;
  uint64_t packed_bytes = 0;
  std::function<Status(uint64_t call, void* packed, cuda::StreamHandle)> pack;
  std::function<Status(const void* packed, const std::vector<void*>& canonical, uint64_t* wrong,
                       cuda::StreamHandle)>
      unpack;

  uint64_t canonical_bytes() const {
    uint64_t bytes = 0;
    for (const PooledPlane* plane : canonical) bytes += plane->pool.slot_bytes();
    return bytes;
  }
};

/// All operations; those beside NVFP4 where K is a multiple of 128. Rows are a multiple of 128.
/// `cells`: 32 bytes of device memory, zeros.
std::vector<Operation> repack_operations(const RepackPlanes& planes, kernels::RepackPath path,
                                         std::byte* cells);

}  // namespace imp::bench
