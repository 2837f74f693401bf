// Block types and random blocks of them for the tests of src/quant/ggml_blocks.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "src/base/file.h"
#include "src/base/ggml_type.h"

namespace imp::testing {

inline std::vector<GgmlTypeInfo> block_types() {
  std::vector<GgmlTypeInfo> types;
  for (const GgmlTypeInfo& info : ggml_types())
    if (info.block_elems > 1) types.push_back(info);
  return types;
}

/// Bytes of the half scales of a block; of IQ1_M the two that complete the exponent of its scale.
inline std::vector<uint32_t> half_places(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_1:
    case GgmlType::kQ5_1:
    case GgmlType::kQ4_K:
    case GgmlType::kQ5_K:
      return {0, 2};
    case GgmlType::kQ2_K:
      return {80, 82};
    case GgmlType::kQ3_K:
      return {108};
    case GgmlType::kQ6_K:
      return {208};
    case GgmlType::kTq1_0:
      return {52};
    case GgmlType::kTq2_0:
      return {64};
    case GgmlType::kIq1M:
      return {54};
    case GgmlType::kMxfp4:
    case GgmlType::kNvfp4:
      return {};
    default:
      return {0};
  }
}

/// A block of TQ1_0 with random bytes for elements gets bytes that its encoder writes: the least
/// that is not below n / 243, n of five digits, or of four and a zero.
inline void as_tq1_0_encodes(std::byte* block) {
  for (uint32_t i = 0; i < 52; ++i) {
    const uint32_t random = std::to_integer<uint32_t>(block[i]);
    const uint32_t number = i < 48 ? random % 243 : random % 81 * 3;
    block[i] = static_cast<std::byte>((number * 256 + 242) / 243);
  }
}

/// Every bit random, but scales that are numbers.
inline std::vector<std::byte> random_blocks(const GgmlTypeInfo& info, uint64_t count,
                                            std::mt19937& random) {
  std::vector<std::byte> blocks(count * info.block_bytes);
  for (std::byte& b : blocks) b = static_cast<std::byte>(random());
  for (uint64_t i = 0; i < count; ++i) {
    std::byte* block = blocks.data() + i * info.block_bytes;
    // The upper byte of a half, or of IQ1_M's last word: an exponent of all ones loses a bit.
    for (const uint32_t at : half_places(info.type)) {
      const uint32_t exponent = info.type == GgmlType::kIq1M ? 0x70 : 0x7C;
      auto& byte = block[at + 1];
      if ((std::to_integer<uint32_t>(byte) & exponent) == exponent) byte ^= std::byte{0x40};
    }
    if (info.type == GgmlType::kTq1_0) as_tq1_0_encodes(block);
    if (info.type == GgmlType::kMxfp4)
      block[0] = static_cast<std::byte>(std::to_integer<uint32_t>(block[0]) % 253);
    if (info.type == GgmlType::kNvfp4)
      for (uint32_t s = 0; s < 4; ++s)
        block[s] = static_cast<std::byte>(std::to_integer<uint32_t>(block[s]) % 127);
  }
  return blocks;
}

}  // namespace imp::testing
