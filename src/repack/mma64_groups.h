// What both paths of mma64 NVFP4 say about one group of 16 codes under one scale.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/layouts/mma64_nvfp4.h"
#include "src/base/little_endian.h"
#include "src/repack/nvfp4.h"
#include "src/repack/padding.h"

namespace imp::repack::mma64 {

inline constexpr uint32_t kGroupCodeBytes = layouts::mma64_nvfp4::kGroup / 2;

inline bool is_zero_scale(std::byte e4m3) { return (e4m3 & std::byte{0x7F}) == std::byte{0}; }

/// Record group (row, group) of `in`, whose scale is zero, if packing it loses bits: a scale of -0,
/// or codes that are not all 0 (code 8, minus zero, is one of those).
inline void record_if_lost(const Nvfp4Rows& in, uint64_t first_row, uint64_t row, uint64_t group,
                           std::vector<LostGroup>& lost) {
  const uint64_t groups = in.k / layouts::mma64_nvfp4::kGroup;
  const uint64_t at = row * groups + group;
  const std::byte* codes = in.codes.data() + at * kGroupCodeBytes;
  if (in.scales[at] == std::byte{0} && load_le<uint64_t>(codes) == 0) return;
  LostGroup record;
  record.group_index = (first_row + row) * groups + group;
  record.scale = std::to_integer<uint8_t>(in.scales[at]);
  std::memcpy(record.codes.data(), codes, kGroupCodeBytes);
  lost.push_back(record);
}

/// Check one stored group. `inside`: it is part of the matrix, not of the padding. `has_codes`: any
/// of its code bits is set.
inline Status check_group(uint64_t row, uint64_t group, bool inside, uint8_t stored_scale,
                          bool has_codes) {
  const auto place = [&] {
    return "row " + std::to_string(row) + ", group " + std::to_string(group);
  };
  if (!inside) {
    if (stored_scale == 0 && !has_codes) return {};
    return padding_error(row, "group", group);
  }
  if (layouts::mma64_nvfp4::decode_scale(stored_scale) == 0xFF)
    return inverse_mismatch("stored scale " + std::to_string(stored_scale) + " of " + place() +
                            " is the encoding of no E4M3 scale");
  if (stored_scale == 0 && has_codes)
    return inverse_mismatch("scale of " + place() + " is zero but its codes are not");
  return {};
}

}  // namespace imp::repack::mma64
