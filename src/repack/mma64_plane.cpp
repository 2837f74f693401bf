// Scales and zero points beside mma64 blocks, in lane order; both paths.
#include "kernels/layouts/mma64_plane.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "src/base/checked.h"
#include "src/base/little_endian.h"
#include "src/repack/code_tiles.h"
#include "src/repack/mma64_variants.h"

namespace imp::repack {
namespace {

using layouts::mma64_plane::dst_of_src;
using layouts::mma64_plane::element_of_src;
using layouts::mma64_plane::kTileN;

constexpr uint32_t stored_bytes(uint32_t bits) { return bits == 4 ? 1 : bits / 8; }

/// Bytes of a canonical row.
uint64_t pitch_of(uint32_t bits, uint64_t groups) {
  return bits == 4 ? div_up(groups, 2) : groups * (bits / 8);
}

/// Canonical element of kBits, 4 to 32, as a number.
template <uint32_t kBits>
uint32_t get(Bytes plane, uint64_t pitch, uint64_t row, uint64_t group) {
  if constexpr (kBits <= 8) return canonical_code<kBits>(plane, pitch, row, group);
  if constexpr (kBits == 16) return load_le<uint16_t>(&plane[row * pitch + 2 * group]);
  if constexpr (kBits == 32) return load_le<uint32_t>(&plane[row * pitch + 4 * group]);
}

/// The plane element by element, through the map.
void pack_by_map(uint32_t bits, Bytes plane, uint64_t rows, uint64_t groups, MutableBytes out) {
  std::fill(out.begin(), out.end(), std::byte{0});
  const uint64_t pitch = pitch_of(bits, groups), size = stored_bytes(bits);
  for (uint64_t row = 0; row < rows; ++row)
    for (uint64_t group = 0; group < groups; ++group) {
      std::byte* to = &out[dst_of_src(row, group, groups) * size];
      if (bits == 4)
        *to = static_cast<std::byte>(canonical_code<4>(plane, pitch, row, group));
      else
        std::copy_n(&plane[row * pitch + group * size], size, to);
    }
}

Error too_wide(uint64_t row, uint64_t group, uint32_t stored) {
  return inverse_mismatch("element " + std::to_string(stored) + " at row " + std::to_string(row) +
                          ", group " + std::to_string(group) + " has more than 4 bits");
}

Status unpack_by_map(uint32_t bits, Bytes packed, uint64_t rows, uint64_t groups,
                     MutableBytes plane) {
  std::fill(plane.begin(), plane.end(), std::byte{0});
  const uint64_t pitch = pitch_of(bits, groups), size = stored_bytes(bits);
  for (uint64_t row = 0; row < round_up(rows, kTileN); ++row)
    for (uint64_t group = 0; group < groups; ++group) {
      const Bytes from = packed.subspan(dst_of_src(row, group, groups) * size, size);
      if (row >= rows) {
        for (const std::byte b : from)
          if (b != std::byte{0}) return padding_error(row, "group", group);
      } else if (bits == 4) {
        const uint32_t stored = std::to_integer<uint32_t>(from[0]);
        if (stored > 0xF) return too_wide(row, group, stored);
        put_canonical_code<4>(stored, pitch, row, group, plane);
      } else {
        std::copy_n(from.data(), size, &plane[row * pitch + group * size]);
      }
    }
  return {};
}

/// Whole elements: rows outermost, so that reads are runs.
template <class Stored, uint32_t kBits>
void pack_by_word(Bytes plane, uint64_t rows, uint64_t groups, MutableBytes out) {
  const uint64_t pitch = pitch_of(kBits, groups), group_bytes = kTileN * sizeof(Stored);
  for (uint64_t row = 0; row < round_up(rows, kTileN); ++row) {
    std::byte* to = out.data() + row / kTileN * groups * group_bytes +
                    element_of_src(static_cast<uint32_t>(row % kTileN)) * sizeof(Stored);
    for (uint64_t group = 0; group < groups; ++group, to += group_bytes)
      store_le(to, static_cast<Stored>(row < rows ? get<kBits>(plane, pitch, row, group) : 0));
  }
}

template <class Stored, uint32_t kBits>
Status unpack_by_word(Bytes packed, uint64_t rows, uint64_t groups, MutableBytes plane) {
  if constexpr (kBits == 4) std::fill(plane.begin(), plane.end(), std::byte{0});
  const uint64_t pitch = pitch_of(kBits, groups), group_bytes = kTileN * sizeof(Stored);
  for (uint64_t row = 0; row < round_up(rows, kTileN); ++row) {
    const std::byte* from = packed.data() + row / kTileN * groups * group_bytes +
                            element_of_src(static_cast<uint32_t>(row % kTileN)) * sizeof(Stored);
    for (uint64_t group = 0; group < groups; ++group, from += group_bytes) {
      const Stored stored = load_le<Stored>(from);
      if (row >= rows) {
        if (stored != 0) return padding_error(row, "group", group);
      } else if constexpr (kBits == 4) {
        if (stored > 0xF) return too_wide(row, group, stored);
        put_canonical_code<4>(stored, pitch, row, group, plane);
      } else {
        store_le(&plane[row * pitch + group * sizeof(Stored)], stored);
      }
    }
  }
  return {};
}

}  // namespace

uint64_t mma64_plane_bytes(uint32_t bits, uint64_t rows, uint64_t groups) {
  assert(bits == 4 || bits == 8 || bits == 16 || bits == 32);
  return round_up(rows, kTileN) * groups * stored_bytes(bits);
}

void mma64_plane_pack(uint32_t bits, Bytes plane, uint64_t rows, uint64_t groups, Path path,
                      MutableBytes out) {
  assert(plane.size() == rows * pitch_of(bits, groups));
  assert(out.size() == mma64_plane_bytes(bits, rows, groups));
  if (path == Path::kMap) return pack_by_map(bits, plane, rows, groups, out);
  if (bits == 4) return pack_by_word<uint8_t, 4>(plane, rows, groups, out);
  if (bits == 8) return pack_by_word<uint8_t, 8>(plane, rows, groups, out);
  if (bits == 16) return pack_by_word<uint16_t, 16>(plane, rows, groups, out);
  pack_by_word<uint32_t, 32>(plane, rows, groups, out);
}

Status mma64_plane_unpack(uint32_t bits, Bytes packed, uint64_t rows, uint64_t groups, Path path,
                          MutableBytes plane) {
  assert(plane.size() == rows * pitch_of(bits, groups));
  assert(packed.size() == mma64_plane_bytes(bits, rows, groups));
  if (path == Path::kMap) return unpack_by_map(bits, packed, rows, groups, plane);
  if (bits == 4) return unpack_by_word<uint8_t, 4>(packed, rows, groups, plane);
  if (bits == 8) return unpack_by_word<uint8_t, 8>(packed, rows, groups, plane);
  if (bits == 16) return unpack_by_word<uint16_t, 16>(packed, rows, groups, plane);
  return unpack_by_word<uint32_t, 32>(packed, rows, groups, plane);
}

}  // namespace imp::repack
