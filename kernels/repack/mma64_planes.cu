// mma64 codes that stand alone in their blocks, and the planes of groups beside them.
#include <type_traits>

#include "kernels/repack/checks.h"
#include "kernels/repack/codes_strip.cuh"
#include "kernels/repack/group_tiles.cuh"
#include "kernels/repack/repack_variants.h"
#include "kernels/repack/vectors.cuh"

namespace imp::kernels {
namespace {

template <uint32_t kBytes>
using ElementBytes = std::integral_constant<uint32_t, kBytes>;

Status check_not_zero(const char* what, uint64_t value) {
  if (value != 0) return {};
  return bad_repack(std::string(what) + " is 0, expected at least 1");
}

Status check_bits(uint32_t bits, bool is_one) {
  if (is_one) return {};
  return bad_repack("elements of " + std::to_string(bits) + " bits");
}

Status check_codes(uint32_t bits, uint64_t k) {
  IMP_TRY(check_bits(bits, bits == 4 || bits == 8));
  return check_not_zero("K", k);
}

/// Calls by_tiles(bytes of an element), or by_map(order of the elements of `bits`).
template <class ByTiles, class ByMap>
Status with_lane_plane(uint32_t bits, RepackPath path, uint64_t rows, uint64_t groups,
                       const ByTiles& by_tiles, const ByMap& by_map) {
  const bool words = path == RepackPath::kWord;
  switch (bits) {
    case 4:
      return by_map(map::LanePlaneOrder<4>(rows, groups));
    case 8:
      return words ? by_tiles(ElementBytes<1>{}) : by_map(map::LanePlaneOrder<8>(rows, groups));
    case 16:
      return words ? by_tiles(ElementBytes<2>{}) : by_map(map::LanePlaneOrder<16>(rows, groups));
    default:
      return words ? by_tiles(ElementBytes<4>{}) : by_map(map::LanePlaneOrder<32>(rows, groups));
  }
}

Status check_plane(uint32_t bits, uint64_t groups) {
  IMP_TRY(check_bits(bits, bits == 4 || bits == 8 || bits == 16 || bits == 32));
  return check_not_zero("groups", groups);
}

}  // namespace

Status pack_mma64_codes(uint32_t bits, const void* codes, uint64_t rows, uint64_t k,
                        RepackPath path, void* blocks, cuda::StreamHandle stream) {
  IMP_TRY(check_codes(bits, k));
  if (rows == 0) return {};
  IMP_TRY(check_aligned("codes", codes, 16));
  IMP_TRY(check_aligned("blocks", blocks, 16));
  const bool words = path == RepackPath::kWord && k % 16 == 0;
  if (bits == 4)
    return words ? mma64::launch_pack_int4(codes, rows, k, blocks, stream)
                 : pack_elements(map::Int4Order(rows, k), codes, rows, k, blocks, stream);
  return words ? launch_pack_vectors(OctetVectors{rows, k}, codes, blocks, stream)
               : pack_elements(map::OctetOrder(rows, k), codes, rows, k, blocks, stream);
}

Status unpack_mma64_codes(uint32_t bits, const void* blocks, uint64_t rows, uint64_t k,
                          RepackPath path, void* codes, uint64_t* first_wrong,
                          cuda::StreamHandle stream) {
  IMP_TRY(check_codes(bits, k));
  if (rows == 0) return {};
  IMP_TRY(check_aligned("blocks", blocks, 16));
  IMP_TRY(check_aligned("codes", codes, 16));
  IMP_TRY(check_aligned("first wrong place", first_wrong, 8));
  const bool words = path == RepackPath::kWord && k % 16 == 0;
  if (bits == 4)
    return words ? mma64::launch_unpack_int4(blocks, rows, k, codes, first_wrong, stream)
                 : unpack_elements(map::Int4Order(rows, k), blocks, rows, k, codes, first_wrong,
                                   stream);
  return words ? launch_unpack_vectors(OctetVectors{rows, k}, blocks, codes, first_wrong, stream)
               : unpack_elements(map::OctetOrder(rows, k), blocks, rows, k, codes, first_wrong,
                                 stream);
}

Status pack_mma64_plane(uint32_t bits, const void* plane, uint64_t rows, uint64_t groups,
                        RepackPath path, void* packed, cuda::StreamHandle stream) {
  IMP_TRY(check_plane(bits, groups));
  if (rows == 0) return {};
  IMP_TRY(check_aligned("plane", plane, 16));
  IMP_TRY(check_aligned("packed", packed, 16));
  return with_lane_plane(
      bits, path, rows, groups,
      [&](auto bytes) {
        return launch_pack_groups<bytes()>(GroupPlane::lanes(rows, groups), plane, packed, stream);
      },
      [&](const auto& order) { return pack_elements(order, plane, rows, groups, packed, stream); });
}

Status unpack_mma64_plane(uint32_t bits, const void* packed, uint64_t rows, uint64_t groups,
                          RepackPath path, void* plane, uint64_t* first_wrong,
                          cuda::StreamHandle stream) {
  IMP_TRY(check_plane(bits, groups));
  if (rows == 0) return {};
  IMP_TRY(check_aligned("packed", packed, 16));
  IMP_TRY(check_aligned("plane", plane, 16));
  IMP_TRY(check_aligned("first wrong place", first_wrong, 8));
  return with_lane_plane(
      bits, path, rows, groups,
      [&](auto bytes) {
        return launch_unpack_groups<bytes()>(GroupPlane::lanes(rows, groups), packed, plane,
                                             first_wrong, stream);
      },
      [&](const auto& order) {
        return unpack_elements(order, packed, rows, groups, plane, first_wrong, stream);
      });
}

Status pack_native_bytes(const void* codes, uint64_t rows, uint64_t k, RepackPath path,
                         void* packed, cuda::StreamHandle stream) {
  IMP_TRY(check_not_zero("K", k));
  if (rows == 0) return {};
  IMP_TRY(check_aligned("codes", codes, 16));
  IMP_TRY(check_aligned("packed", packed, 16));
  const map::NativeBytesOrder order(rows, k);
  if (path == RepackPath::kWord && order.padded_columns == k)
    return cuda::copy_on_device(packed, codes, rows * k, stream);
  return pack_elements(order, codes, rows, k, packed, stream);
}

Status unpack_native_bytes(const void* packed, uint64_t rows, uint64_t k, RepackPath path,
                           void* codes, uint64_t* first_wrong, cuda::StreamHandle stream) {
  IMP_TRY(check_not_zero("K", k));
  if (rows == 0) return {};
  IMP_TRY(check_aligned("packed", packed, 16));
  IMP_TRY(check_aligned("codes", codes, 16));
  IMP_TRY(check_aligned("first wrong place", first_wrong, 8));
  const map::NativeBytesOrder order(rows, k);
  if (path == RepackPath::kWord && order.padded_columns == k)
    return cuda::copy_on_device(codes, packed, rows * k, stream);
  return unpack_elements(order, packed, rows, k, codes, first_wrong, stream);
}

}  // namespace imp::kernels
