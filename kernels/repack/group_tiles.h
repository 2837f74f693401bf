// Planes of groups of 8, 16 and 32 bits, turned 64 rows x 64 bytes at a time: what each of the 256
// threads of a block does before and after the block has met. Host and device run the same code.
#pragma once

#include <cstdint>

#include "kernels/layouts/engine_maps.h"
#include "kernels/layouts/hd.h"
#include "kernels/repack/four_bytes.h"
#include "kernels/repack/vectors.h"

namespace imp::kernels {

/// Runs of 64 channels of a group lie at any stride; a plane is [rows, groups].
struct GroupPlane {
  layouts::GroupOrder order;
  uint64_t rows;
  uint64_t groups;
  uint64_t padded_rows;
  uint64_t padded_groups;
  uint64_t tile_stride;   ///< elements from 64 rows to the next
  uint64_t group_stride;  ///< from a group to the next

  /// Of other engines: [groups, N].
  IMP_HD static GroupPlane transposed(layouts::GroupOrder order, const CodeBox& box) {
    return {order, box.rows, box.k, box.padded_rows, box.padded_k, 64, box.padded_rows};
  }
  /// Beside mma64 blocks: [N/64, groups, 64]; a lane's order is that of Marlin's groups.
  IMP_HD static GroupPlane lanes(uint64_t rows, uint64_t groups) {
    return {
        layouts::GroupOrder::kGroup, rows, groups, (rows + 63) / 64 * 64, groups, 64 * groups, 64};
  }
};

inline constexpr uint32_t kGroupThreads = 256;

template <uint32_t kBytes>
struct GroupTile {
  static constexpr uint32_t kRows = layouts::kOrderedChannels;
  static constexpr uint32_t kGroups = 64 / kBytes;
  static constexpr uint32_t kPitch = 68;  ///< rows of the tile start in different banks
  static constexpr uint32_t kTileBytes = kRows * kPitch;
  static constexpr uint32_t kRunVectors = kRows * kBytes / 16;
  static constexpr uint32_t kElements = 16 / kBytes;  ///< of a vector
  static_assert(kRunVectors * kGroups == kGroupThreads);

  GroupPlane plane;
  uint64_t row0;
  uint64_t group0;

  IMP_HD static uint64_t tiles_along_groups(const GroupPlane& plane) {
    return (plane.padded_groups + kGroups - 1) / kGroups;
  }
  IMP_HD static uint64_t count(const GroupPlane& plane) {
    return plane.padded_rows / kRows * tiles_along_groups(plane);
  }
  IMP_HD static GroupTile of(const GroupPlane& plane, uint64_t i) {
    const uint64_t along = tiles_along_groups(plane);
    return {plane, i / along * kRows, i % along * kGroups};
  }

  /// The thread's four words of the tile from a plane of `bytes`, zeros around it.
  IMP_HD void load_rows(uint32_t thread, const BytePlane& bytes, uint8_t* tile) const {
    for (uint32_t i = thread; i < kRows * 16; i += kGroupThreads) {
      const uint32_t n = i / 16, byte = 4 * (i % 16);
      const uint64_t row = row0 + n, column = group0 * kBytes + byte;
      const uint64_t pitch = plane.groups * kBytes;
      const uint32_t inside = row < plane.rows ? bytes_inside(column, pitch) : 0;
      const uint32_t word = load_bytes(bytes, inside == 0 ? 0 : row * pitch + column, inside);
      for (uint32_t b = 0; b < 4; ++b)
        tile[n * kPitch + byte + b] = static_cast<uint8_t>(word >> (8 * b));
    }
  }
  IMP_HD void store_rows(uint32_t thread, const uint8_t* tile, uint8_t* out) const {
    for (uint32_t i = thread; i < kRows * 16; i += kGroupThreads) {
      const uint32_t n = i / 16, byte = 4 * (i % 16);
      const uint64_t row = row0 + n, column = group0 * kBytes + byte;
      const uint64_t pitch = plane.groups * kBytes;
      const uint32_t inside = row < plane.rows ? bytes_inside(column, pitch) : 0;
      uint32_t word = 0;
      for (uint32_t b = 0; b < 4; ++b)
        word |= static_cast<uint32_t>(tile[n * kPitch + byte + b]) << (8 * b);
      if (inside != 0) store_bytes(out, row * pitch + column, inside, word);
    }
  }

  /// The thread's vector of a run.
  IMP_HD void store_run(uint32_t thread, const uint8_t* tile, uint8_t* packed) const {
    const uint32_t group = thread / kRunVectors;
    if (group0 + group >= plane.padded_groups) return;
    Vector16 vector{{0, 0, 0, 0}};
    for (uint32_t i = 0; i < 16; ++i) {
      const uint32_t byte = tile[tile_byte(thread, i / kBytes) + i % kBytes];
      vector.words[i / 4] |= byte << (8 * (i % 4));
    }
    store_vector(packed + run_byte(thread), vector);
  }
  /// The first place, row * padded_groups + group, of padding that is not zero.
  IMP_HD uint64_t load_run(uint32_t thread, const uint8_t* packed, uint8_t* tile) const {
    const uint32_t group = thread / kRunVectors;
    if (group0 + group >= plane.padded_groups) return kNoPlace;
    const Vector16 vector = load_vector(packed + run_byte(thread));
    uint64_t wrong = kNoPlace;
    for (uint32_t i = 0; i < 16; ++i) {
      const uint32_t byte = vector.words[i / 4] >> (8 * (i % 4)) & 0xFF;
      tile[tile_byte(thread, i / kBytes) + i % kBytes] = static_cast<uint8_t>(byte);
      const uint64_t row = row0 + row_of(thread, i / kBytes);
      if (byte == 0 || (row < plane.rows && group0 + group < plane.groups)) continue;
      const uint64_t place = row * plane.padded_groups + group0 + group;
      wrong = place < wrong ? place : wrong;
    }
    return wrong;
  }

 private:
  /// Row in the tile of an element of the thread's vector.
  IMP_HD uint32_t row_of(uint32_t thread, uint32_t element) const {
    return layouts::src_of_channel(plane.order, thread % kRunVectors * kElements + element);
  }
  IMP_HD uint32_t tile_byte(uint32_t thread, uint32_t element) const {
    return row_of(thread, element) * kPitch + thread / kRunVectors * kBytes;
  }
  IMP_HD uint64_t run_byte(uint32_t thread) const {
    return (row0 / kRows * plane.tile_stride +
            (group0 + thread / kRunVectors) * plane.group_stride) *
               kBytes +
           16 * (thread % kRunVectors);
  }
};

}  // namespace imp::kernels
