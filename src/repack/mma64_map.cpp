#include "src/repack/mma64_map.h"

#include <algorithm>

#include "src/repack/map_path.h"
#include "src/repack/mma64_groups.h"

namespace imp::repack::mma64 {
namespace {

using layouts::mma64_nvfp4::decode_scale;
using layouts::mma64_nvfp4::encode_scale;
using layouts::mma64_nvfp4::kGroup;

/// The 16 codes of a stored group, code i in bits 4i..4i+3.
uint64_t gather_group(const Mma64Nvfp4Map& map, uint64_t row, uint64_t group, Bytes packed) {
  uint64_t codes = 0;
  for (uint32_t i = 0; i < kGroup; ++i)
    codes |= uint64_t{gather_code(map, row, group * kGroup + i, packed)} << (4 * i);
  return codes;
}

}  // namespace

void pack_by_map(const Nvfp4Rows& in, uint64_t first_row, MutableBytes out,
                 std::vector<LostGroup>& lost) {
  std::fill(out.begin(), out.end(), std::byte{0});
  const Mma64Nvfp4Map map(in.rows, in.k);
  const uint64_t groups = in.k / kGroup;
  for (uint64_t row = 0; row < in.rows; ++row)
    for (uint64_t group = 0; group < groups; ++group) {
      const std::byte scale = in.scales[row * groups + group];
      if (is_zero_scale(scale)) {
        record_if_lost(in, first_row, row, group, lost);
        continue;
      }
      out[map.scale_byte(row, group)] = std::byte{encode_scale(std::to_integer<uint8_t>(scale))};
      for (uint64_t k = group * kGroup; k < (group + 1) * kGroup; ++k)
        scatter_code(map, row, k, canonical_code<4>(in.codes, in.k / 2, row, k), out);
    }
}

Status unpack_by_map(Bytes packed, uint64_t rows, uint64_t k, MutableBytes codes,
                     MutableBytes scales) {
  const Mma64Nvfp4Map map(rows, k);
  const uint64_t groups = k / kGroup;
  for (uint64_t row = 0; row < map.padded_rows; ++row)
    for (uint64_t group = 0; group < map.padded_groups; ++group) {
      const bool inside = row < rows && group < groups;
      const uint8_t stored = std::to_integer<uint8_t>(packed[map.scale_byte(row, group)]);
      const uint64_t group_codes = gather_group(map, row, group, packed);
      IMP_TRY(check_group(row, group, inside, stored, group_codes != 0));
      if (!inside) continue;
      scales[row * groups + group] = std::byte{decode_scale(stored)};
      store_le(&codes[(row * groups + group) * kGroupCodeBytes], group_codes);
    }
  return {};
}

}  // namespace imp::repack::mma64
