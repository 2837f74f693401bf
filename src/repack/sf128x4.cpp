#include "kernels/layouts/sf128x4.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "src/repack/map_path.h"
#include "src/repack/nvfp4.h"
#include "src/repack/padding.h"

namespace imp::repack {
namespace {

using layouts::sf128x4::byte_of_src;
using layouts::sf128x4::dst_of_src;
using layouts::sf128x4::kTileBytes;
using layouts::sf128x4::kTileGroups;
using layouts::sf128x4::kTileRows;
using layouts::sf128x4::size_bytes;

// The four scales of a row in a tile are neighbours, so they move as one word.
constexpr bool words_stay_whole() {
  for (uint32_t row = 0; row < kTileRows; ++row)
    for (uint32_t group = 0; group < kTileGroups; ++group)
      if (byte_of_src(row, group) != byte_of_src(row, 0) + group) return false;
  return true;
}
static_assert(words_stay_whole());

void pack_by_map(Bytes scales, uint64_t rows, uint64_t groups, MutableBytes out) {
  std::fill(out.begin(), out.end(), std::byte{0});
  const Sf128x4Map map(rows, groups);
  for (uint64_t row = 0; row < rows; ++row)
    for (uint64_t group = 0; group < groups; ++group)
      out[map.scale_byte(row, group)] = scales[row * groups + group];
}

/// Group tiles outermost: writes then stay inside one tile of 512 bytes.
void pack_by_word(Bytes scales, uint64_t rows, uint64_t groups, MutableBytes out) {
  for (uint64_t row0 = 0; row0 < round_up(rows, kTileRows); row0 += kTileRows)
    for (uint64_t group0 = 0; group0 < groups; group0 += kTileGroups) {
      std::byte* tile = out.data() + dst_of_src(row0, group0, groups);
      std::memset(tile, 0, kTileBytes);
      const uint64_t here = std::min<uint64_t>(kTileGroups, groups - group0);
      const uint64_t end = std::min<uint64_t>(kTileRows, rows - row0);
      const std::byte* in = scales.data() + row0 * groups + group0;
      for (uint32_t row = 0; row < end; ++row) {
        if (here == kTileGroups)
          std::memcpy(tile + byte_of_src(row, 0), in + row * groups, kTileGroups);
        else
          std::memcpy(tile + byte_of_src(row, 0), in + row * groups, here);
      }
    }
}

Status check_padding(const Sf128x4Map& map, Bytes packed, uint64_t row, uint64_t group) {
  if (packed[map.scale_byte(row, group)] == std::byte{0}) return {};
  return padding_error(row, "group", group);
}

Status unpack_by_map(Bytes packed, uint64_t rows, uint64_t groups, MutableBytes scales) {
  const Sf128x4Map map(rows, groups);
  for (uint64_t row = 0; row < map.padded_rows; ++row)
    for (uint64_t group = 0; group < map.padded_groups; ++group) {
      if (row >= rows || group >= groups)
        IMP_TRY(check_padding(map, packed, row, group));
      else
        scales[row * groups + group] = packed[map.scale_byte(row, group)];
    }
  return {};
}

Status unpack_by_word(Bytes packed, uint64_t rows, uint64_t groups, MutableBytes scales) {
  const Sf128x4Map map(rows, groups);
  for (uint64_t row = 0; row < map.padded_rows; ++row) {
    for (uint64_t group = row < rows ? groups : 0; group < map.padded_groups; ++group)
      IMP_TRY(check_padding(map, packed, row, group));
    if (row >= rows) continue;
    std::byte* out = scales.data() + row * groups;
    const std::byte* in = packed.data() + dst_of_src(row, 0, groups);
    uint64_t group = 0;
    for (; group + kTileGroups <= groups; group += kTileGroups)
      std::memcpy(out + group, in + group / kTileGroups * kTileBytes, kTileGroups);
    if (group < groups)
      std::memcpy(out + group, in + group / kTileGroups * kTileBytes, groups - group);
  }
  return {};
}

}  // namespace

void sf128x4_pack(Bytes scales, uint64_t rows, uint64_t groups, Path path, MutableBytes out) {
  assert(scales.size() == rows * groups && out.size() == size_bytes(rows, groups));
  if (path == Path::kMap) return pack_by_map(scales, rows, groups, out);
  pack_by_word(scales, rows, groups, out);
}

Status sf128x4_unpack(Bytes packed, uint64_t rows, uint64_t groups, Path path,
                      MutableBytes scales) {
  assert(scales.size() == rows * groups && packed.size() == size_bytes(rows, groups));
  if (path == Path::kMap) return unpack_by_map(packed, rows, groups, scales);
  return unpack_by_word(packed, rows, groups, scales);
}

}  // namespace imp::repack
