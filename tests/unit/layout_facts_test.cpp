// Facts of the layout headers that the maps' static_asserts do not state.
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>
#include <utility>

#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_bytes.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/padded_shape.h"
#include "kernels/layouts/registry.h"
#include "kernels/layouts/sf128x4.h"
#include "src/quant/e4m3.h"
#include "src/quant/f16.h"
#include "tests/reference/engine_layouts.h"

namespace imp::layouts {
namespace {

TEST(Registry, NumbersAreFrozen) {
  EXPECT_EQ(static_cast<uint16_t>(LayoutId::kPlain), 1);
  EXPECT_EQ(static_cast<uint16_t>(LayoutId::kMma64), 2);
  EXPECT_EQ(static_cast<uint16_t>(LayoutId::kNative), 3);
  std::set<std::string> names;
  for (const LayoutInfo& layout : kLayouts) {
    EXPECT_EQ(find_layout(static_cast<uint16_t>(layout.id)), &layout);
    EXPECT_TRUE(names.insert(layout.name).second) << layout.name;
  }
  EXPECT_EQ(find_layout(0), nullptr);
  EXPECT_EQ(find_layout(9), nullptr);
}

TEST(Registry, VersionsBelongToLayoutAndScheme) {
  constexpr uint16_t kBf16 = 3, kNvfp4 = 16;
  const auto major = [](LayoutId layout, uint16_t scheme) {
    const LayoutVariant* variant = find_variant(layout, scheme);
    return variant == nullptr ? -1 : int{variant->major};
  };
  EXPECT_EQ(major(LayoutId::kPlain, kBf16), 1);
  EXPECT_EQ(major(LayoutId::kPlain, kNvfp4), 1);
  EXPECT_EQ(major(LayoutId::kMma64, kNvfp4), 1);
  EXPECT_EQ(major(LayoutId::kNative, kNvfp4), 1);
  EXPECT_EQ(major(LayoutId::kMma64, kBf16), -1);
  EXPECT_EQ(major(LayoutId::kNative, kBf16), -1);
}

TEST(Registry, EachLayoutHasAVersionAndNoneTwo) {
  std::set<LayoutId> layouts;
  std::set<std::pair<LayoutId, uint16_t>> pairs;
  for (const LayoutVariant& variant : kVariants) {
    layouts.insert(variant.layout);
    EXPECT_TRUE(pairs.insert({variant.layout, variant.scheme}).second) << variant.scheme_name;
    EXPECT_LE(variant.oldest_major, variant.major);
  }
  EXPECT_EQ(layouts.size(), kLayouts.size());
}

TEST(Registry, WhatHasNotRunOnACardIsVersionZero) {
  constexpr std::pair<LayoutId, uint16_t> kNew[] = {
      {LayoutId::kMma64, 17},    {LayoutId::kMma64, 18},   {LayoutId::kMma64, 20},
      {LayoutId::kMma64, 36},    {LayoutId::kMma64, 40},   {LayoutId::kNative, 18},
      {LayoutId::kNative, 19},   {LayoutId::kMarlin, 16},  {LayoutId::kMarlin, 36},
      {LayoutId::kMarlinA0, 16}, {LayoutId::kMaxSm8x, 16}, {LayoutId::kMachete4, 36},
      {LayoutId::kMachete8, 40}};
  for (const auto& [layout, scheme] : kNew) {
    const LayoutVariant* variant = find_variant(layout, scheme);
    ASSERT_NE(variant, nullptr) << scheme;
    EXPECT_EQ(variant->major, 0) << scheme;
    EXPECT_TRUE(variant->reads(0) && !variant->reads(1)) << scheme;
  }
  EXPECT_EQ(find_variant(LayoutId::kMma64, 19), nullptr);
  EXPECT_EQ(find_variant(LayoutId::kNative, 17), nullptr);
  EXPECT_EQ(find_variant(LayoutId::kNative, 36), nullptr);
}

TEST(Registry, OnlyE4m3ScalesLoseBits) {
  for (const LayoutVariant& variant : kVariants) {
    const bool keeps_bytes =
        variant.layout == LayoutId::kPlain || variant.layout == LayoutId::kNative;
    EXPECT_EQ(variant.exceptions, !keeps_bytes && (variant.scheme == 16 || variant.scheme == 17))
        << variant.scheme_name;
  }
}

/// mma64 was 0 until it was measured, and kept its bytes; the others were never anything but 1.
TEST(Registry, FrozenVariantsReadTheMajorsWithTheSameBytes) {
  const auto reads = [](LayoutId layout, uint16_t form_major) {
    return find_variant(layout, 16)->reads(form_major);
  };
  EXPECT_TRUE(reads(LayoutId::kMma64, 0));
  EXPECT_TRUE(reads(LayoutId::kMma64, 1));
  EXPECT_FALSE(reads(LayoutId::kMma64, 2));
  for (const LayoutId layout : {LayoutId::kPlain, LayoutId::kNative}) {
    EXPECT_FALSE(reads(layout, 0));
    EXPECT_TRUE(reads(layout, 1));
    EXPECT_FALSE(reads(layout, 2));
  }
}

TEST(Registry, DefaultGpusOfTheFourBitLayouts) {
  for (const int sm : {80, 86, 87, 89, 90, 100, 103, 120, 121}) {
    int defaults = 0;
    for (const LayoutInfo& layout : kLayouts)
      for (const uint16_t served : layout.default_sms) defaults += served == sm ? 1 : 0;
    EXPECT_EQ(defaults, 1) << "sm_" << sm;
  }
}

TEST(Mma64Nvfp4, StoredScaleIsTheUpperByteOfTheHalfWithoutItsSign) {
  for (uint8_t e4m3 = 1; e4m3 < 0x7F; ++e4m3) {
    const uint8_t stored = mma64_nvfp4::encode_scale(e4m3);
    EXPECT_EQ(quant::f16_to_float(static_cast<uint16_t>(stored << 7)), quant::e4m3_to_float(e4m3))
        << int{e4m3};
  }
  EXPECT_EQ(mma64_nvfp4::encode_scale(0x00), 0);
  EXPECT_EQ(mma64_nvfp4::encode_scale(0x80), 0);
}

TEST(Mma64Nvfp4, ExactlyTheEncodingsDecode) {
  std::array<bool, 256> is_encoding{};
  for (uint8_t e4m3 = 0; e4m3 < 0x7F; ++e4m3) is_encoding[mma64_nvfp4::encode_scale(e4m3)] = true;
  for (uint32_t stored = 0; stored < 256; ++stored)
    EXPECT_EQ(mma64_nvfp4::decode_scale(static_cast<uint8_t>(stored)) != 0xFF, is_encoding[stored])
        << stored;
}

TEST(Mma64Nvfp4, BlocksLieRowTileMajor) {
  EXPECT_EQ(mma64_nvfp4::block_offset_bytes(63, 63, 5), 0u);
  EXPECT_EQ(mma64_nvfp4::block_offset_bytes(0, 64, 5), 2304u);
  EXPECT_EQ(mma64_nvfp4::block_offset_bytes(64, 0, 5), 5 * 2304u);
  // Past 4 GiB: row 2^20, 4096 tiles a row of tiles.
  EXPECT_EQ(mma64_nvfp4::block_offset_bytes(uint64_t{1} << 20, 64, 4096),
            (uint64_t{1} << 26) * 2304 + 2304);
}

TEST(Sf128x4, OffsetsByTheFormula) {
  EXPECT_EQ(sf128x4::dst_of_src(0, 3, 8), 3u);
  EXPECT_EQ(sf128x4::dst_of_src(1, 0, 8), 16u);
  EXPECT_EQ(sf128x4::dst_of_src(33, 2, 8), 16u + 4 + 2);
  EXPECT_EQ(sf128x4::dst_of_src(127, 7, 8), 512u + 31 * 16 + 12 + 3);
  EXPECT_EQ(sf128x4::dst_of_src(128, 0, 5), 1024u);
  EXPECT_EQ(sf128x4::size_bytes(129, 5), 2048u);
}

TEST(NativeBytes, PitchIsAMultipleOf16) {
  EXPECT_EQ(native_bytes::pitch_bytes(16), 16u);
  EXPECT_EQ(native_bytes::pitch_bytes(17), 32u);
}

TEST(NativeRows, PitchIsAMultipleOf16) {
  EXPECT_EQ(native_rows::pitch_bytes(16), 16u);
  EXPECT_EQ(native_rows::pitch_bytes(32), 16u);
  EXPECT_EQ(native_rows::pitch_bytes(48), 32u);
  EXPECT_EQ(native_rows::pitch_bytes(33), 32u);
}

bool marlin_gemm_takes(uint64_t n, uint64_t k) {
  return (n % 64 == 0 && k % 128 == 0) || (n % 128 == 0 && k % 64 == 0);
}

TEST(PaddedShape, MarlinDenseIsTheSmallerOfBothPaddings) {
  for (const uint64_t group : {16, 32, 64, 128})
    for (uint64_t n = 1; n < 700; n += 37)
      for (uint64_t k = group; k < 700; k += group) {
        const PaddedShape got = padded_shape(LayoutId::kMarlin, {n, k, group});
        const uint64_t used = group >= k ? 1 : group;
        const auto [want_n, want_k] = reference::marlin_padded_nk(n, k, used);
        EXPECT_EQ(got.n, want_n) << n << " x " << k << ", " << group;
        EXPECT_EQ(got.k, want_k) << n << " x " << k << ", " << group;
        EXPECT_EQ(got.part_rows, 0u);
        EXPECT_TRUE(marlin_gemm_takes(got.n, got.k));
        EXPECT_EQ(got.k % used, 0u);
      }
}

TEST(PaddedShape, MarlinDenseByHand) {
  const auto expect_padded = [](uint64_t n, uint64_t k, uint64_t group, uint64_t want_n,
                                uint64_t want_k) {
    const PaddedShape got = padded_shape(LayoutId::kMarlin, {n, k, group});
    EXPECT_EQ(got.n, want_n);
    EXPECT_EQ(got.k, want_k);
  };
  expect_padded(64, 64, 16, 64, 128);     // 64 x 128, not 128 x 64 of the same size
  expect_padded(320, 192, 16, 384, 192);  // smaller than 320 x 256
  expect_padded(4096, 192, 64, 4096, 192);
  expect_padded(65, 4096, 128, 128, 4096);
}

TEST(PaddedShape, MarlinExpertsPadTheIntermediateSizeOfBothMatricesAlike) {
  for (const uint64_t group : {16, 32, 128})
    for (const uint64_t hidden : {256, 320, 2880})
      for (const uint64_t intermediate : {16, 64, 96, 768, 2880}) {
        SCOPED_TRACE(std::to_string(hidden) + ", " + std::to_string(intermediate) + ", " +
                     std::to_string(group));
        const MatrixShape up{2 * intermediate, hidden, group, Intermediate::kRows, 2};
        const MatrixShape down{hidden, intermediate, group, Intermediate::kColumns, 1};
        const bool taken = hidden % 64 == 0 && hidden % group == 0;
        EXPECT_EQ(refusal(LayoutId::kMarlin, up) == nullptr, taken);
        EXPECT_EQ(refusal(LayoutId::kMarlin, down) == nullptr, hidden % 64 == 0);
        if (!taken) continue;
        const PaddedShape w13 = padded_shape(LayoutId::kMarlin, up);
        const uint64_t want = reference::marlin_padded_intermediate(intermediate, hidden, group);
        EXPECT_EQ(w13.part_rows, want);
        EXPECT_EQ(w13.n, 2 * want);
        EXPECT_EQ(w13.k, hidden);
        EXPECT_TRUE(marlin_gemm_takes(w13.n, w13.k));
        if (group > intermediate) continue;  // one scale a row: no group to keep
        const PaddedShape w2 = padded_shape(LayoutId::kMarlin, down);
        EXPECT_EQ(w2.n, hidden);
        EXPECT_EQ(w2.k, want);
        EXPECT_TRUE(marlin_gemm_takes(w2.n, w2.k));
      }
}

TEST(PaddedShape, MaxAndMacheteRefuseWhatTheyDoNotTake) {
  const auto refused = [](LayoutId layout, uint64_t n, uint64_t k, uint64_t group) {
    const char* why = refusal(layout, {n, k, group});
    return std::string(why == nullptr ? "" : why);
  };
  EXPECT_EQ(refused(LayoutId::kMaxSm8x, 64, 128, 16), "");
  EXPECT_EQ(refused(LayoutId::kMaxSm8x, 96, 128, 16), "N must be a multiple of 64");
  EXPECT_EQ(refused(LayoutId::kMaxSm8x, 64, 192, 16), "K must be a multiple of 128");
  for (const LayoutId layout : {LayoutId::kMachete4, LayoutId::kMachete8}) {
    EXPECT_EQ(refused(layout, 128, 192, 64), "");
    EXPECT_EQ(refused(layout, 192, 192, 64), "N must be a multiple of 128");
    EXPECT_EQ(refused(layout, 128, 96, 0), "K must be a multiple of 64");
    EXPECT_EQ(refused(layout, 128, 192, 128), "K must be a multiple of the group");
    EXPECT_EQ(refused(layout, 128, 192, 192), "");
  }
}

}  // namespace
}  // namespace imp::layouts
