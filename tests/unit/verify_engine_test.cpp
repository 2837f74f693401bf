// imp-verify on the layouts of other engines: what passes, and for each kind of damage under right
// digests the level and the place that it must name.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tests/unit/engine_line.h"
#include "tests/unit/verify_subject.h"

namespace imp::testing {
namespace {

using layouts::LayoutId;
using enum ComponentKind;

constexpr char kDown[] = "model.layers.0.mlp.down_proj";
constexpr auto kMarlin = LayoutId::kMarlin, kMarlinA0 = LayoutId::kMarlinA0,
               kMaxSm8x = LayoutId::kMaxSm8x, kMachete4 = LayoutId::kMachete4,
               kMachete8 = LayoutId::kMachete8;

struct Line {
  const char* fixture;
  LayoutId layout;
};

void expect_verified_in(const std::filesystem::path& source, LayoutId layout) {
  TempFolder folder;
  const auto artifact = folder.write("a.imp", engine_artifact(source, layout));
  EXPECT_GT(count_forms(artifact, layout), 0u);
  expect_verified(artifact, source);
}

class VerifyEngine : public ::testing::TestWithParam<Line> {};

TEST_P(VerifyEngine, EveryLevelPasses) {
  expect_verified_in(fixture(GetParam().fixture), GetParam().layout);
}

// NVFP4 with padding, experts (gate and up in two tensors or in one), divisors;
// MXFP4; fp8 with one scale a tensor, a row, a block of 128 x 128; integers in each kind of group,
// with zero points, act-order.
constexpr Line kLines[] = {
    {"modelopt-nvfp4-llama-odd", kMarlin},
    {"modelopt-nvfp4-llama-odd", kMarlinA0},
    {"modelopt-nvfp4-llama", kMaxSm8x},
    {"modelopt-nvfp4-qwen3moe", kMarlin},
    {"modelopt-nvfp4-qwen3moe", kMaxSm8x},
    {"modelopt-other-nvfp4-gptoss", kMarlin},
    {"modelopt-other-nvfp4-gptoss", kMaxSm8x},
    {"ct-v012-nvfp4-llama-small", kMarlin},
    {"ct-v012-nvfp4-llama-small", kMaxSm8x},
    {"ct-nvfp4-uncalibrated-qwen3moe", kMarlin},
    {"modelopt-other-nvfp4awq-llama", kMarlin},
    {"ct-mxfp4a16-llama-odd", kMarlin},
    {"modelopt-mxfp4-qwen3moe", kMarlin},
    {"modelopt-fp8-llama-odd", kMarlin},
    {"modelopt-fp8-gptoss", kMarlin},
    {"ct-fp8-weightonly-naive-llama-small", kMarlin},
    {"ct-fp8block-llama-odd", kMarlin},
    {"modelopt-fp8block-edge-llama", kMarlin},
    {"other-fp8block-ue8m0-qwen3", kMarlin},
    {"ct-autoround-w4a16-llama-small", kMarlin},
    {"ct-autoround-w4a16-llama-small", kMachete4},
    {"ct-w4a16asym-llama", kMarlin},
    {"ct-w4a16asym-llama", kMachete4},
    {"ct-v012-w4a16asym-g32-actordergroup-llama-small", kMarlin},
    {"ct-v012-w4a16-g32-actordergroup-qwen3moe", kMarlin},
    {"ct-w8a8asym-static-llama-odd", kMarlin},
    {"ct-autoround-int8w8a8-llama-small", kMarlin},
    {"ct-autoround-int8w8a8-llama-small", kMachete8},
};

/// A GGUF tensor may lack what ModelOpt always writes; the engine's kernel takes it all the same.
TEST(VerifyEngineOfGguf, Nvfp4WithoutAGlobalScaleHasOne) {
  const auto source = fixture("gguf-fuzzblocks.gguf");
  for (const LayoutId layout : {kMarlin, kMarlinA0}) {
    TempFolder folder;
    const auto artifact = folder.write("a.imp", engine_artifact(source, layout, true));
    const Result<artifact::Reader> reader = artifact::Reader::open(artifact);
    ASSERT_TRUE(reader.ok());
    size_t found = 0;
    for (const artifact::FormRecord& form : reader->forms())
      if (form.layout == static_cast<uint16_t>(layout))
        found += reader->find_component(form, kMultiplier) != nullptr ? 1 : 0;
    EXPECT_EQ(found, 1u);
    expect_verified(artifact, source);
  }
}

INSTANTIATE_TEST_SUITE_P(Lines, VerifyEngine, ::testing::ValuesIn(kLines), [](const auto& test) {
  std::string name = std::string(test.param.fixture) + "_" +
                     layouts::find_layout(static_cast<uint16_t>(test.param.layout))->name;
  std::ranges::replace(name, '-', '_');
  return name;
});

TEST(VerifyEngineScales, LostOnesPass) {
  TempFolder folder;
  const auto odd = write_with_odd_scales(folder.path() / "odd");
  for (const LayoutId layout : {kMarlin, kMarlinA0, kMaxSm8x}) expect_verified_in(odd, layout);
  expect_verified_in(write_with_tiny_global(folder.path() / "tiny"), kMaxSm8x);
}

/// Records of the operand's exceptions.
uint64_t count_lost(const std::string& artifact, LayoutId layout) {
  Subject subject(artifact, kDown, static_cast<uint16_t>(layout));
  return subject.component(kExceptions).size_bytes / 17;
}

TEST(VerifyEngineScales, LostOnesAreRecorded) {
  TempFolder folder;
  const auto odd = write_with_odd_scales(folder.path() / "odd");
  // Beside 448 nothing is multiplied: every subnormal falls below what marlin keeps, and -0.
  const std::string scales =
      CheckpointEditor(odd).tensor(std::string(kDown) + ".weight_scale").bytes;
  const auto flushed =
      std::ranges::count_if(scales, [](char c) { return c == '\x80' || (c > 0 && c < 8); });
  EXPECT_GE(flushed, 8);
  EXPECT_EQ(count_lost(engine_artifact(odd, kMarlin), kMarlin), static_cast<uint64_t>(flushed));
  EXPECT_EQ(count_lost(engine_artifact(odd, kMarlinA0), kMarlinA0), 1u);  // -0
  EXPECT_EQ(count_lost(engine_artifact(odd, kMaxSm8x), kMaxSm8x), 0u);
  const auto tiny = write_with_tiny_global(folder.path() / "tiny");
  EXPECT_GT(count_lost(engine_artifact(tiny, kMaxSm8x), kMaxSm8x), 0u);
}

void expect_seen(const std::filesystem::path& source, LayoutId layout, Level level,
                 const std::vector<Damage>& damages, const std::string& operand = kDown) {
  expect_damages_seen(engine_artifact(source, layout), operand, static_cast<uint16_t>(layout),
                      level, damages);
}

TEST(VerifyEngineContent, Nvfp4InMarlin) {
  expect_seen(fixture("modelopt-nvfp4-llama-odd"), kMarlin, Level::kContent,
              {{"a code", [](Subject& s) { s.byte(kBlocks, 77) ^= 2; }, ErrorKind::kInverseMismatch,
                "XXH3-128 differs", kCodes},
               {"a scale", [](Subject& s) { s.byte(kBlockScale, 9) ^= 1; },
                ErrorKind::kInverseMismatch, "XXH3-128 differs", kBlockScale},
               {"a scale that is none",
                [](Subject& s) { s.byte(kBlockScale, 9) = 1; },
                ErrorKind::kInverseMismatch,
                "encodes no e4m3 scale",
                {}},
               {"padding of the codes",
                [](Subject& s) { s.byte(kBlocks, -1) = 1; },
                ErrorKind::kInverseMismatch,
                "padding is not zero",
                {}},
               {"padding of the scales",
                [](Subject& s) { s.byte(kBlockScale, -1) = '\x80'; },
                ErrorKind::kInverseMismatch,
                "padding of the scales",
                {}}});
}

TEST(VerifyEngineContent, Nvfp4InMaxSm8x) {
  expect_seen(fixture("modelopt-nvfp4-llama"), kMaxSm8x, Level::kContent,
              {{"a code", [](Subject& s) { s.byte(kBlocks, 77) ^= 2; }, ErrorKind::kInverseMismatch,
                "XXH3-128 differs", kCodes},
               {"a scale",
                [](Subject& s) { s.byte(kBlocks, -2) ^= 1; },
                ErrorKind::kInverseMismatch,
                "encodes no e4m3 scale",
                {}},
               {"two scales of one row exchanged",
                [](Subject& s) {
                  // The last row's last two groups, N * 2 = 512 bytes apart.
                  std::swap_ranges(&s.byte(kBlocks, -2), &s.byte(kBlocks, -2) + 2,
                                   &s.byte(kBlocks, -2 - 512));
                },
                ErrorKind::kInverseMismatch, "XXH3-128 differs", kBlockScale}});
}

void double_float(char* at) {
  float value = 0;
  std::memcpy(&value, at, sizeof value);
  value *= 2;
  std::memcpy(at, &value, sizeof value);
}

/// Half of every stored scale under twice the multiplier are the same weights and the same source,
/// but not what the rule of the layout gives.
TEST(VerifyEngineContent, ARescaleThatIsNotOfTheLargestScale) {
  TempFolder folder;
  expect_seen(write_with_equal_scales(folder.path() / "equal"), kMarlin, Level::kContent,
              {{"the rescale",
                [](Subject& s) {
                  for (uint64_t i = 0; i < s.component(kBlockScale).size_bytes; ++i)
                    s.byte(kBlockScale, static_cast<int64_t>(i)) -= 8;
                  double_float(&s.byte(kMultiplier, 0));
                },
                ErrorKind::kInverseMismatch,
                "are multiplied by 2^7, the largest of the operand asks for 2^8",
                {}}});
}

/// The first record: group of 8 bytes, scale, 8 of codes.
TEST(VerifyEngineContent, ExceptionsOfMarlin) {
  TempFolder folder;
  expect_seen(write_with_odd_scales(folder.path() / "odd"), kMarlin, Level::kContent,
              {{"codes that are not the form's",
                [](Subject& s) { s.byte(kExceptions, 9) ^= 1; },
                ErrorKind::kInverseMismatch,
                "has a record with other codes than the form",
                {}},
               {"another flushed scale", [](Subject& s) { s.byte(kExceptions, 8) ^= 2; },
                ErrorKind::kInverseMismatch, "XXH3-128 differs", kBlockScale},
               {"a scale that is not flushed",
                [](Subject& s) { s.byte(kExceptions, 8) = 0x40; },
                ErrorKind::kInverseMismatch,
                "has a record whose scale is not what is stored",
                {}},
               {"the scale that is stored",
                [](Subject& s) { s.byte(kExceptions, 8) = 0; },
                ErrorKind::kInverseMismatch,
                "has a record, but its scale is not lost",
                {}},
               {"another group",
                [](Subject& s) { s.byte(kExceptions, 0) ^= 1; },
                ErrorKind::kInverseMismatch,
                "has a record",
                {}},
               {"the order",
                [](Subject& s) {
                  std::swap_ranges(&s.byte(kExceptions, 0), &s.byte(kExceptions, 17),
                                   &s.byte(kExceptions, 17));
                },
                ErrorKind::kInverseMismatch,
                "follows group",
                {}}});
}

TEST(VerifyEngineContent, Mxfp4) {
  expect_seen(fixture("ct-mxfp4a16-llama-odd"), kMarlin, Level::kContent,
              {{"a code", [](Subject& s) { s.byte(kBlocks, 77) ^= 2; }, ErrorKind::kInverseMismatch,
                "XXH3-128 differs", kCodes},
               {"a scale", [](Subject& s) { s.byte(kBlockScale, 9) ^= 1; },
                ErrorKind::kInverseMismatch, "XXH3-128 differs", kBlockScale}});
}

TEST(VerifyEngineContent, Fp8) {
  const std::vector<Damage> grid = {{"a code", [](Subject& s) { s.byte(kBlocks, 77) ^= 2; },
                                     ErrorKind::kInverseMismatch, "XXH3-128 differs", kCodes},
                                    {"a rounded scale",
                                     [](Subject& s) { s.byte(kBlockScale, 2) ^= 1; },
                                     ErrorKind::kInverseMismatch,
                                     "the scale of row 8, group 0 is not what the source gives",
                                     {}},
                                    {"the source's scale, in bf16",
                                     [](Subject& s) { s.byte(kSourceScale, 0) ^= 1; },
                                     ErrorKind::kInverseMismatch,
                                     "the scale of row 0, group 0 is not what the source gives",
                                     {}}};
  expect_seen(fixture("ct-fp8block-llama-odd"), kMarlin, Level::kContent, grid);
  expect_seen(
      fixture("modelopt-fp8block-edge-llama"), kMarlin, Level::kContent,
      {{"the source's scale, below what bf16 has", [](Subject& s) { s.byte(kSourceScale, 0) ^= 1; },
        ErrorKind::kInverseMismatch, "XXH3-128 differs", kBlockScale}});
  const std::vector<Damage> tensor = {{"a scale of a row",
                                       [](Subject& s) { s.byte(kBlockScale, 2) ^= 1; },
                                       ErrorKind::kInverseMismatch,
                                       "the scale of row 1, group 0 is not what the source gives",
                                       {}}};
  expect_seen(fixture("modelopt-fp8-llama-odd"), kMarlin, Level::kContent, tensor);
}

TEST(VerifyEngineContent, Integers) {
  expect_seen(fixture("ct-w4a16asym-llama"), kMarlin, Level::kContent,
              {{"a code", [](Subject& s) { s.byte(kBlocks, 77) ^= 2; }, ErrorKind::kInverseMismatch,
                "XXH3-128 differs", kCodes},
               {"a scale", [](Subject& s) { s.byte(kBlockScale, 9) ^= 1; },
                ErrorKind::kInverseMismatch, "XXH3-128 differs", kBlockScale},
               {"a zero point", [](Subject& s) { s.byte(kZeroPoint, 9) ^= 1; },
                ErrorKind::kInverseMismatch, "XXH3-128 differs", kZeroPoint}});
  expect_seen(fixture("ct-w4a16asym-llama"), kMachete4, Level::kContent,
              {{"a code", [](Subject& s) { s.byte(kBlocks, 77) ^= 2; }, ErrorKind::kInverseMismatch,
                "XXH3-128 differs", kCodes},
               {"a folded zero point",
                [](Subject& s) { s.byte(kGroupMin, 2) ^= 1; },
                ErrorKind::kInverseMismatch,
                "the folded zero point of row 1, group 0 is not what the source gives",
                {}}});
  expect_seen(fixture("ct-w8a8asym-static-llama-odd"), kMarlin, Level::kContent,
              {{"a zero point", [](Subject& s) { s.byte(kZeroPoint, 9) ^= 1; },
                ErrorKind::kInverseMismatch, "XXH3-128 differs", kZeroPoint},
               {"padding of the zero points",
                [](Subject& s) { s.byte(kZeroPoint, -1) = 1; },
                ErrorKind::kInverseMismatch,
                "padding of the",
                {}}});
}

TEST(VerifyEngineContent, Experts) {
  expect_seen(fixture("modelopt-nvfp4-qwen3moe"), kMarlin, Level::kContent,
              {{"a code of the first expert", [](Subject& s) { s.byte(kBlocks, 77) ^= 2; },
                ErrorKind::kInverseMismatch, "XXH3-128 differs", kCodes}},
              "model.layers.0.mlp.experts.down_proj");
}

TEST(VerifyEngineStructure, WhatTheLayoutDoesNotPrescribeIsRefused) {
  expect_seen(
      fixture("modelopt-nvfp4-llama-odd"), kMarlin, Level::kStructure,
      {{"a dialect of floats",
        [](Subject& s) { s.form().dialect = 1; },
        ErrorKind::kUnsupportedVersion,
        "has dialect 1 for this scheme, this version reads 0",
        {}},
       {"padding",
        [](Subject& s) { s.form().padded_n += 128; },
        ErrorKind::kBadShape,
        "padded shape is not what layout marlin prescribes",
        {}},
       {"the multiplier's dtype",
        [](Subject& s) { s.component(kMultiplier).dtype = static_cast<uint16_t>(Dtype::kU32); },
        ErrorKind::kBadRecord,
        "another dtype than its layout prescribes",
        {}},
       {"a multiplier that is no rescaled global scale",
        [](Subject& s) { s.byte(kMultiplier, 0) ^= 1; },
        ErrorKind::kInverseMismatch,
        "is not the global scale times 2^119",
        {}}});
  expect_seen(fixture("ct-w4a16asym-llama"), kMachete4, Level::kStructure,
              {{"a dialect",
                [](Subject& s) { s.form().dialect = 2; },
                ErrorKind::kUnsupportedVersion,
                "this version reads 0 and 1",
                {}},
               {"the other dialect's scales",
                [](Subject& s) { s.form().dialect ^= 1; },
                ErrorKind::kBadRecord,
                "another dtype than its layout prescribes",
                {}},
               {"groups that it has not",
                [](Subject& s) { s.operand().group_size = 32; },
                ErrorKind::kBadShape,
                "which layout machete4 does not hold",
                {}}});
  expect_seen(
      fixture("modelopt-fp8block-edge-llama"), kMarlin, Level::kStructure,
      {{"the source's scales of another dtype",
        [](Subject& s) { s.component(kSourceScale).dtype = static_cast<uint16_t>(Dtype::kI32); },
        ErrorKind::kBadRecord,
        "a dtype that no scale has",
        {}}});
}

}  // namespace
}  // namespace imp::testing
