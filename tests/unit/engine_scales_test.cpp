// NVFP4 scales in the dialects of other engines, for every e4m3 byte, against the reference.
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "src/repack/engine_tiles.h"
#include "tests/reference/engine_layouts.h"

namespace imp::test {
namespace {

std::vector<uint8_t> scales_up_to(uint8_t largest) {
  std::vector<uint8_t> scales;
  for (uint32_t b = 0; b <= largest; ++b) scales.push_back(static_cast<uint8_t>(b));
  return scales;
}

/// Lossless from 2^-6 / factor on; below that a scale becomes 0.
bool flushed(uint8_t e4m3, float factor) {
  return e4m3 < 8 && static_cast<float>(e4m3) * 0x1p-9f < 0x1p-6f / factor;
}

TEST(MarlinScales, EveryByteUnderEveryLargestScale) {
  for (uint32_t largest = 0; largest <= 0x7E; ++largest) {
    const std::vector<uint8_t> scales = scales_up_to(static_cast<uint8_t>(largest));
    const float factor = repack::marlin_rescale(static_cast<uint8_t>(largest));
    ASSERT_EQ(static_cast<double>(factor), reference::marlin_factor(scales)) << largest;
    for (const uint8_t scale : scales) {
      const uint8_t stored = repack::marlin_scale(scale, factor);
      ASSERT_EQ(stored, reference::marlin_scale_byte(scale, factor)) << largest << ", " << +scale;
      ASSERT_EQ(repack::marlin_scale_inverse(stored, factor), flushed(scale, factor) ? 0 : scale)
          << largest << ", " << +scale;
    }
  }
}

/// By hand: the largest is 1: 448 / 1 allows 2^8; 1 * 2^8 * 128 = 2^15, fp16 field 30, byte 0xF0.
TEST(MarlinScales, ByHand) {
  EXPECT_EQ(repack::marlin_rescale(0x38), 256.0f);
  EXPECT_EQ(repack::marlin_scale(0x38, 256.0f), 0xF0);
  EXPECT_EQ(repack::marlin_scale(0x01, 256.0f), 0xA8);  // 2^-9 * 2^15 = 2^6: field 21
  EXPECT_EQ(repack::marlin_rescale(0x7E), 1.0f);
  EXPECT_EQ(repack::marlin_scale(0x7E, 1.0f), 0xF6);
  EXPECT_EQ(repack::marlin_scale(0x08, 1.0f), 0x80);  // the smallest normal
  EXPECT_EQ(repack::marlin_scale(0x07, 1.0f), 0x00);
}

TEST(MarlinScales, NegativeZeroIsZeroAndIsNoLargestScale) {
  EXPECT_EQ(repack::marlin_scale(0x80, 2.0f), 0);
  EXPECT_EQ(repack::marlin_a0_scale(0x80), 0);
  EXPECT_EQ(repack::marlin_rescale(0x80), 1.0f);
}

/// Of every stored byte: either some scale gives it, or the inverse says so.
TEST(MarlinScales, InverseKnowsItsEncodings) {
  for (const float factor : {1.0f, 2.0f, 256.0f, 131072.0f}) {
    std::set<uint8_t> encodings;
    for (const uint8_t scale : scales_up_to(0x7E))
      if (scale == 0 || reference::marlin_factor({scale}) >= factor)
        encodings.insert(reference::marlin_scale_byte(scale, factor));
    for (uint32_t stored = 0; stored < 256; ++stored)
      EXPECT_EQ(repack::marlin_scale_inverse(static_cast<uint8_t>(stored), factor) != 0xFF,
                encodings.contains(static_cast<uint8_t>(stored)))
          << factor << ", " << stored;
  }
}

TEST(MarlinA0Scales, EveryByteIsKept) {
  constexpr uint8_t kSubnormals[] = {104, 112, 116, 120, 122, 124, 126};
  std::set<uint8_t> encodings;
  for (uint32_t b = 0; b <= 0x7E; ++b) {
    const uint8_t scale = static_cast<uint8_t>(b), stored = repack::marlin_a0_scale(scale);
    EXPECT_EQ(stored, reference::marlin_a0_scale_byte(scale)) << b;
    EXPECT_EQ(stored, b == 0 ? 0 : b < 8 ? kSubnormals[b - 1] : b + 120) << b;
    EXPECT_EQ(repack::marlin_a0_scale_inverse(stored), scale);
    encodings.insert(stored);
  }
  EXPECT_EQ(encodings.size(), 127u);
  for (uint32_t stored = 0; stored < 256; ++stored)
    EXPECT_EQ(repack::marlin_a0_scale_inverse(static_cast<uint8_t>(stored)) != 0xFF,
              encodings.contains(static_cast<uint8_t>(stored)))
        << stored;
}

/// A global that is injective, one that makes bf16 round neighbours apart, ones that underflow to
/// few patterns, and one that overflows.
constexpr float kGlobals[] = {1.0f, 0.0123f, 1.0f / 0.0123f, 3.0f, 0x1p-130f, 0x1p-140f, 0x1p122f};

TEST(MaxScales, EveryByteUnderSeveralGlobals) {
  for (const float global : kGlobals) {
    const repack::MaxScaleInverse inverse(global);
    std::set<uint16_t> patterns;
    for (uint32_t b = 0; b <= 0x80; ++b) {
      if (b == 0x7F) continue;
      const uint8_t scale = static_cast<uint8_t>(b);
      const uint16_t stored = repack::max_scale(scale, global);
      EXPECT_EQ(stored, reference::max_scale_bits(scale, global)) << global << ", " << b;
      // The first scale of a pattern comes back, the others of the same pattern do not.
      const uint8_t back = inverse(stored);
      EXPECT_EQ(back == scale, patterns.insert(stored).second) << global << ", " << b;
      EXPECT_EQ(reference::max_scale_bits(back, global), stored);
    }
    for (uint32_t pattern = 0; pattern < 0x10000; ++pattern)
      ASSERT_EQ(inverse(static_cast<uint16_t>(pattern)) != 0xFF,
                patterns.contains(static_cast<uint16_t>(pattern)))
          << global << ", " << pattern;
  }
}

TEST(MaxScales, SomeGlobalsLoseScales) {
  const auto lost = [](float global) {
    const repack::MaxScaleInverse inverse(global);
    size_t count = 0;
    for (uint32_t b = 0; b <= 0x7E; ++b)
      count += inverse(repack::max_scale(static_cast<uint8_t>(b), global)) != b ? 1 : 0;
    return count;
  };
  EXPECT_EQ(lost(1.0f), 0u);
  EXPECT_EQ(lost(0.0123f), 0u);
  EXPECT_GT(lost(0x1p-140f), 0u);
  EXPECT_GT(lost(0x1p122f), 0u);
}

}  // namespace
}  // namespace imp::test
