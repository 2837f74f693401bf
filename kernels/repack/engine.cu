// Codes and planes of groups in the layouts of other engines.
#include "kernels/layouts/engine_maps.h"
#include "kernels/repack/checks.h"
#include "kernels/repack/group_tiles.cuh"
#include "kernels/repack/repack_variants.h"
#include "kernels/repack/vectors.cuh"

namespace imp::kernels {
namespace {

Status check_box(const EngineBox& box, uint64_t unit_rows, uint64_t unit_columns) {
  if (box.columns != 0 && box.rows <= box.padded_rows && box.columns <= box.padded_columns &&
      box.padded_rows % unit_rows == 0 && box.padded_columns % unit_columns == 0)
    return {};
  return bad_repack(std::to_string(box.rows) + " x " + std::to_string(box.columns) + " padded to " +
                    std::to_string(box.padded_rows) + " x " + std::to_string(box.padded_columns) +
                    ", expected multiples of " + std::to_string(unit_rows) + " x " +
                    std::to_string(unit_columns) + " that are no less");
}

/// An empty plane has no memory.
Status check_plane(const char* what, const void* pointer, const EngineBox& box) {
  return box.rows == 0 ? Status{} : check_aligned(what, pointer, 16);
}

Status check_tiles(layouts::TileOrder order, const EngineBox& box) {
  const layouts::TileShape tile = layouts::tile_shape(order);
  return check_box(box, tile.rows, tile.columns);
}

Status check_groups(layouts::GroupOrder order, uint32_t bits, const EngineBox& box) {
  const bool zero4 = order == layouts::GroupOrder::kZero4;
  if (zero4 ? bits != 4 : bits != 8 && bits != 16)
    return bad_repack("elements of " + std::to_string(bits) + " bits");
  return check_box(box, layouts::kOrderedChannels, 1);
}

/// Calls use(GroupsOrder<bits>).
template <class Use>
Status with_groups(layouts::GroupOrder order, uint32_t bits, const EngineBox& box, const Use& use) {
  if (bits == 4) return use(map::GroupsOrder<4>{order, box.padded_rows, box.padded_columns});
  if (bits == 8) return use(map::GroupsOrder<8>{order, box.padded_rows, box.padded_columns});
  return use(map::GroupsOrder<16>{order, box.padded_rows, box.padded_columns});
}

bool by_vectors(RepackPath path, const EngineBox& box) {
  return path == RepackPath::kWord && box.columns % 2 == 0;
}
CodeBox code_box(const EngineBox& box) {
  return {box.rows, box.columns, box.padded_rows, box.padded_columns};
}

}  // namespace

Status pack_tiles(layouts::TileOrder order, const void* codes, const EngineBox& box,
                  RepackPath path, void* packed, cuda::StreamHandle stream) {
  IMP_TRY(check_tiles(order, box));
  if (box.padded_rows == 0) return {};
  IMP_TRY(check_plane("codes", codes, box));
  IMP_TRY(check_aligned("packed", packed, 16));
  return layouts::with_tiles(order, [&](auto tiles) -> Status {
    using Tiles = decltype(tiles);
    if (by_vectors(path, box))
      return launch_pack_vectors(TileVectors<Tiles>{code_box(box)}, codes, packed, stream);
    return pack_elements(map::TilesOrder<Tiles>{box.padded_rows, box.padded_columns}, codes,
                         box.rows, box.columns, packed, stream);
  });
}

Status unpack_tiles(layouts::TileOrder order, const void* packed, const EngineBox& box,
                    RepackPath path, void* codes, uint64_t* first_wrong,
                    cuda::StreamHandle stream) {
  IMP_TRY(check_tiles(order, box));
  if (box.padded_rows == 0) return {};
  IMP_TRY(check_aligned("packed", packed, 16));
  IMP_TRY(check_plane("codes", codes, box));
  IMP_TRY(check_aligned("first wrong place", first_wrong, 8));
  return layouts::with_tiles(order, [&](auto tiles) -> Status {
    using Tiles = decltype(tiles);
    if (by_vectors(path, box))
      return launch_unpack_vectors(TileVectors<Tiles>{code_box(box)}, packed, codes, first_wrong,
                                   stream);
    return unpack_elements(map::TilesOrder<Tiles>{box.padded_rows, box.padded_columns}, packed,
                           box.rows, box.columns, codes, first_wrong, stream);
  });
}

Status pack_groups(layouts::GroupOrder order, uint32_t bits, const void* plane,
                   const EngineBox& box, RepackPath path, void* packed, cuda::StreamHandle stream) {
  IMP_TRY(check_groups(order, bits, box));
  if (box.padded_rows == 0) return {};
  IMP_TRY(check_plane("plane", plane, box));
  IMP_TRY(check_aligned("packed", packed, 16));
  const GroupPlane transposed = GroupPlane::transposed(order, code_box(box));
  if (path == RepackPath::kWord && bits == 8)
    return launch_pack_groups<1>(transposed, plane, packed, stream);
  if (path == RepackPath::kWord && bits == 16)
    return launch_pack_groups<2>(transposed, plane, packed, stream);
  return with_groups(order, bits, box, [&](const auto& groups) {
    return pack_elements(groups, plane, box.rows, box.columns, packed, stream);
  });
}

Status unpack_groups(layouts::GroupOrder order, uint32_t bits, const void* packed,
                     const EngineBox& box, RepackPath path, void* plane, uint64_t* first_wrong,
                     cuda::StreamHandle stream) {
  IMP_TRY(check_groups(order, bits, box));
  if (box.padded_rows == 0) return {};
  IMP_TRY(check_aligned("packed", packed, 16));
  IMP_TRY(check_plane("plane", plane, box));
  IMP_TRY(check_aligned("first wrong place", first_wrong, 8));
  const GroupPlane transposed = GroupPlane::transposed(order, code_box(box));
  if (path == RepackPath::kWord && bits == 8)
    return launch_unpack_groups<1>(transposed, packed, plane, first_wrong, stream);
  if (path == RepackPath::kWord && bits == 16)
    return launch_unpack_groups<2>(transposed, packed, plane, first_wrong, stream);
  return with_groups(order, bits, box, [&](const auto& groups) {
    return unpack_elements(groups, packed, box.rows, box.columns, plane, first_wrong, stream);
  });
}

}  // namespace imp::kernels
