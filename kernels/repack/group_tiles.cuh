// Launches of group_tiles.h.
#pragma once

#include <cstdint>

#include "kernels/repack/device.cuh"
#include "kernels/repack/group_tiles.h"

namespace imp::kernels {

template <uint32_t kBytes>
__global__ void __launch_bounds__(kGroupThreads)
    pack_group_tiles(GroupPlane plane, BytePlane in, uint8_t* packed) {
  __shared__ uint8_t tile[GroupTile<kBytes>::kTileBytes];
  const auto at = GroupTile<kBytes>::of(plane, blockIdx.x);
  at.load_rows(threadIdx.x, in, tile);
  __syncthreads();
  at.store_run(threadIdx.x, tile, packed);
}

template <uint32_t kBytes>
__global__ void __launch_bounds__(kGroupThreads)
    unpack_group_tiles(GroupPlane plane, const uint8_t* packed, uint8_t* out,
                       uint64_t* first_wrong) {
  __shared__ uint8_t tile[GroupTile<kBytes>::kTileBytes];
  const auto at = GroupTile<kBytes>::of(plane, blockIdx.x);
  const uint64_t wrong = at.load_run(threadIdx.x, packed, tile);
  if (wrong != kNoPlace) report_wrong(first_wrong, wrong);
  __syncthreads();
  at.store_rows(threadIdx.x, tile, out);
}

template <uint32_t kBytes>
Status launch_pack_groups(const GroupPlane& plane, const void* in, void* packed,
                          cuda::StreamHandle stream) {
  const BytePlane bytes{static_cast<const uint8_t*>(in), plane.rows * plane.groups * kBytes};
  pack_group_tiles<kBytes>
      <<<static_cast<uint32_t>(GroupTile<kBytes>::count(plane)), kGroupThreads, 0, stream>>>(
          plane, bytes, static_cast<uint8_t*>(packed));
  return launched("pack a plane of groups");
}

template <uint32_t kBytes>
Status launch_unpack_groups(const GroupPlane& plane, const void* packed, void* out,
                            uint64_t* first_wrong, cuda::StreamHandle stream) {
  unpack_group_tiles<kBytes>
      <<<static_cast<uint32_t>(GroupTile<kBytes>::count(plane)), kGroupThreads, 0, stream>>>(
          plane, static_cast<const uint8_t*>(packed), static_cast<uint8_t*>(out), first_wrong);
  return launched("unpack a plane of groups");
}

}  // namespace imp::kernels
