#include "src/bench/repack_operations.h"

#include "kernels/repack/repack_variants.h"
#include "src/base/checked.h"

namespace imp::bench {
namespace {

using kernels::EngineBox;
using kernels::RepackPath;
using layouts::GroupOrder;
using layouts::TileOrder;

Status fill_pool(uint64_t pool_bytes, const cuda::Stream& stream, PooledPlane& plane) {
  IMP_ASSIGN(plane.pool,
             SlotPool::create(plane.host.size(), pool_slots(plane.host.size(), pool_bytes)));
  IMP_TRY(cuda::copy_to_device(plane.pool.slot(0), plane.host, stream.handle()));
  IMP_TRY(plane.pool.copy_first_to_all(stream.handle()));
  return stream.synchronize();
}

Operation mma64(const RepackPlanes& planes, RepackPath path, std::byte* cells) {
  const uint64_t rows = planes.rows(), k = planes.k();
  // No scale is zero, so no group is lost and the list may be empty.
  const kernels::LostGroups lost{reinterpret_cast<kernels::LostGroup*>(cells + 16), 0,
                                 reinterpret_cast<uint64_t*>(cells)};
  return {"mma64",
          {&planes.codes, &planes.scales},
          kernels::mma64_nvfp4_packed_bytes(rows, k),
          [=, &planes](uint64_t call, void* packed, cuda::StreamHandle stream) {
            return kernels::pack_mma64_nvfp4(
                {planes.codes.pool.slot(call), planes.scales.pool.slot(call), rows, k}, path,
                packed, lost, stream);
          },
          [=](const void* packed, const std::vector<void*>& out, uint64_t* wrong,
              cuda::StreamHandle stream) {
            return kernels::unpack_mma64_nvfp4(packed, rows, k, path, out[0], out[1], wrong,
                                               stream);
          }};
}

Operation mma64_mxfp4(const RepackPlanes& planes, RepackPath path) {
  const uint64_t rows = planes.rows(), k = planes.k();
  return {"mma64 mxfp4",
          {&planes.codes, &planes.half_scales},
          rows / 64 * (k / 64) * 2176,
          [=, &planes](uint64_t call, void* packed, cuda::StreamHandle stream) {
            return kernels::pack_mma64_mxfp4(
                {planes.codes.pool.slot(call), planes.half_scales.pool.slot(call), rows, k}, path,
                packed, stream);
          },
          [=](const void* packed, const std::vector<void*>& out, uint64_t* wrong,
              cuda::StreamHandle stream) {
            return kernels::unpack_mma64_mxfp4(packed, rows, k, path, out[0], out[1], wrong,
                                               stream);
          }};
}

/// One plane to `packed_bytes`: pack(plane, packed, stream), unpack(packed, plane, wrong, stream).
template <class Pack, class Unpack>
Operation of_plane(std::string layout, const PooledPlane& plane, uint64_t packed_bytes, Pack pack,
                   Unpack unpack) {
  return {std::move(layout),
          {&plane},
          packed_bytes,
          [pack, &plane](uint64_t call, void* packed, cuda::StreamHandle stream) {
            return pack(plane.pool.slot(call), packed, stream);
          },
          [unpack](const void* packed, const std::vector<void*>& out, uint64_t* wrong,
                   cuda::StreamHandle stream) { return unpack(packed, out[0], wrong, stream); }};
}

Operation native_rows(const RepackPlanes& planes, RepackPath path) {
  const uint64_t rows = planes.rows(), k = planes.k();
  return of_plane(
      "native rows", planes.codes, rows * 16 * div_up(k, 32),
      [=](const void* in, void* out, cuda::StreamHandle stream) {
        return kernels::pack_native_rows(in, rows, k, path, out, stream);
      },
      [=](const void* in, void* out, uint64_t* wrong, cuda::StreamHandle stream) {
        return kernels::unpack_native_rows(in, rows, k, path, out, wrong, stream);
      });
}

Operation sf128x4(const RepackPlanes& planes, RepackPath path) {
  const uint64_t rows = planes.rows(), groups = planes.k() / 16;
  return of_plane(
      "sf128x4", planes.scales, div_up(rows, 128) * div_up(groups, 4) * 512,
      [=](const void* in, void* out, cuda::StreamHandle stream) {
        return kernels::pack_sf128x4(in, rows, groups, path, out, stream);
      },
      [=](const void* in, void* out, uint64_t* wrong, cuda::StreamHandle stream) {
        return kernels::unpack_sf128x4(in, rows, groups, path, out, wrong, stream);
      });
}

/// Codes of `bits`, as many columns as the bytes of a row have; no padding.
Operation mma64_codes(const RepackPlanes& planes, uint32_t bits, RepackPath path) {
  const uint64_t rows = planes.rows(), k = planes.k() * 4 / bits;
  return of_plane(
      "mma64 codes of " + std::to_string(bits) + " bits", planes.codes, planes.codes.host.size(),
      [=](const void* in, void* out, cuda::StreamHandle stream) {
        return kernels::pack_mma64_codes(bits, in, rows, k, path, out, stream);
      },
      [=](const void* in, void* out, uint64_t* wrong, cuda::StreamHandle stream) {
        return kernels::unpack_mma64_codes(bits, in, rows, k, path, out, wrong, stream);
      });
}

Operation tiles(const RepackPlanes& planes, const char* layout, TileOrder order, RepackPath path) {
  const uint64_t rows = planes.rows(), k = planes.k() * 4 / layouts::tile_shape(order).bits;
  const EngineBox box{rows, k, rows, k};
  return of_plane(
      layout, planes.codes, planes.codes.host.size(),
      [=](const void* in, void* out, cuda::StreamHandle stream) {
        return kernels::pack_tiles(order, in, box, path, out, stream);
      },
      [=](const void* in, void* out, uint64_t* wrong, cuda::StreamHandle stream) {
        return kernels::unpack_tiles(order, in, box, path, out, wrong, stream);
      });
}

Operation marlin_scales(const RepackPlanes& planes, RepackPath path) {
  const uint64_t rows = planes.rows(), groups = planes.k() / 16;
  const EngineBox box{rows, groups, rows, groups};
  return of_plane(
      "marlin scales", planes.scales, planes.scales.host.size(),
      [=](const void* in, void* out, cuda::StreamHandle stream) {
        return kernels::pack_groups(GroupOrder::kBytes, 8, in, box, path, out, stream);
      },
      [=](const void* in, void* out, uint64_t* wrong, cuda::StreamHandle stream) {
        return kernels::unpack_groups(GroupOrder::kBytes, 8, in, box, path, out, wrong, stream);
      });
}

}  // namespace

Status RepackPlanes::fill(uint64_t pool_bytes, const cuda::Stream& stream) {
  codes.host = weights.codes;
  scales.host = weights.scales;
  half_scales.host = scales.host.first(weights.scales.size() / 2);
  IMP_TRY(fill_pool(pool_bytes, stream, codes));
  IMP_TRY(fill_pool(pool_bytes, stream, scales));
  return fill_pool(pool_bytes, stream, half_scales);
}

std::vector<Operation> repack_operations(const RepackPlanes& planes, RepackPath path,
                                         std::byte* cells) {
  std::vector<Operation> all = {mma64(planes, path, cells), native_rows(planes, path),
                                sf128x4(planes, path)};
  if (planes.k() % 128 != 0) return all;
  all.push_back(mma64_mxfp4(planes, path));
  all.push_back(mma64_codes(planes, 4, path));
  all.push_back(mma64_codes(planes, 8, path));
  all.push_back(tiles(planes, "marlin codes of 4 bits", TileOrder::kMarlin4, path));
  all.push_back(tiles(planes, "marlin codes of 8 bits", TileOrder::kMarlin8, path));
  all.push_back(tiles(planes, "max_sm8x codes", TileOrder::kMaxSm8x, path));
  all.push_back(tiles(planes, "machete4", TileOrder::kMachete4, path));
  all.push_back(tiles(planes, "machete8", TileOrder::kMachete8, path));
  all.push_back(marlin_scales(planes, path));
  return all;
}

}  // namespace imp::bench
