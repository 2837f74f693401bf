// imp-verify on every scheme and encoding: what passes, and for each kind of damage under right
// digests the level and the place that it must name.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tests/unit/conversion.h"
#include "tests/unit/verify_subject.h"

namespace imp::testing {
namespace {

constexpr char kActOrder[] = "ct-v012-w4a16asym-g32-actordergroup-llama-small";
constexpr uint16_t kPlain = 1, kMma64 = 2, kNative = 3;

class VerifySchemes : public ::testing::TestWithParam<const char*> {};

TEST_P(VerifySchemes, EveryLevelPasses) {
  TempFolder folder;
  verify::Options options;
  options.artifact = folder.write("a.imp", artifact_of(fixture(GetParam()), {89, 120}));
  options.source = fixture(GetParam());
  options.threads = 1;
  CollectingLog log;
  const verify::Report report = verify::run(options, log);
  for (size_t l = 0; l < verify::kLevelCount; ++l) {
    const verify::LevelReport& level = report.levels[l];
    EXPECT_EQ(level.verdict, Verdict::kPassed)
        << verify::level_name(static_cast<Level>(l)) << ": "
        << (level.problems.empty() ? "" : level.problems[0].to_line());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Fixtures, VerifySchemes,
    ::testing::Values(
        "ct-w2a16-llama-small", "ct-w3a16asym-channel-llama-odd",
        "ct-v012-w5a16-padded-llama-small", "ct-autoround-w4a16-llama-small", "ct-w4a8-llama-small",
        "ct-w8a8asym-static-llama-odd", "ct-fp8block-llama-odd", "ct-mxfp4a16-llama-odd",
        "ct-mxfp8a16-llama-small", "ct-v012-sparse24-w8a8-llama-small",
        "ct-v012-sparsebitmask-bf16-llama-small", "ct-v012-w4a16-g32-actordergroup-qwen3moe",
        kActOrder, "ct-nvfp4-uncalibrated-qwen3moe", "modelopt-fp8-gptoss",
        "modelopt-fp8block-edge-llama", "modelopt-int8wo-qwen3moe", "modelopt-mxfp4-qwen3moe",
        "modelopt-w4a8awq-llama", "modelopt-w4a8nvfp4-llama", "modelopt-other-nvfp4-gptoss",
        "modelopt-other-nvfp4svd-llama", "other-fp8block-ue8m0-qwen3", "other-mxfp4-gptoss"),
    [](const auto& test) {
      std::string name = test.param;
      std::ranges::replace(name, '-', '_');
      return name;
    });

void expect_seen(const char* fixture_name, const std::string& operand, uint16_t layout, Level level,
                 const std::vector<Damage>& damages) {
  expect_damages_seen(artifact_of(fixture(fixture_name), {89, 120}), operand, layout, level,
                      damages);
}

constexpr char kDown[] = "model.layers.0.mlp.down_proj";

TEST(VerifySchemesContent, ActOrderInteger) {
  using enum ComponentKind;
  expect_seen(
      kActOrder, kDown, kMma64, Level::kContent,
      {{"a code", [](Subject& s) { s.byte(kBlocks, 77) ^= 2; }, ErrorKind::kInverseMismatch,
        "XXH3-128 differs", kCodes},
       {"a scale", [](Subject& s) { s.byte(kBlockScale, 131) ^= 1; }, ErrorKind::kInverseMismatch,
        "XXH3-128 differs", kBlockScale},
       {"a zero point", [](Subject& s) { s.byte(kZeroPoint, 5) ^= 1; }, ErrorKind::kInverseMismatch,
        "XXH3-128 differs", kZeroPoint},
       {"a zero point of five bits",
        [](Subject& s) { s.byte(kZeroPoint, 5) |= 0x10; },
        ErrorKind::kInverseMismatch,
        "more than 4 bits",
        {}},
       {"a column twice",
        [](Subject& s) { std::memcpy(&s.byte(kKGather, 0), &s.byte(kKGather, 4), 4); },
        ErrorKind::kInverseMismatch,
        "twice",
        {}},
       {"columns of two groups exchanged",
        [](Subject& s) {
          std::swap_ranges(&s.byte(kKGather, 0), &s.byte(kKGather, 4), &s.byte(kKGather, 4 * 40));
        },
        ErrorKind::kInverseMismatch,
        "is of group",
        {}},
       {"columns of one group exchanged",
        [](Subject& s) {
          std::swap_ranges(&s.byte(kKGather, 0), &s.byte(kKGather, 4), &s.byte(kKGather, 4));
        },
        ErrorKind::kInverseMismatch, "XXH3-128 differs", kCodes},
       {"the source's shape", [](Subject& s) { s.byte(kSourceShape, 0) ^= 1; },
        ErrorKind::kInverseMismatch, "XXH3-128 differs", kSourceShape}});
}

/// 8-bit integers with zero points go to mma64 if it is asked for; 208 rows leave 48 of padding.
TEST(VerifySchemesContent, PaddingOfPlanesInLaneOrder) {
  convert::Options options = options_for(fixture("ct-w8a8asym-static-llama-odd"), {89});
  options.plan.layout = layouts::LayoutId::kMma64;
  CollectingLog log;
  const Result<std::string> artifact = convert_to_memory(options, log);
  ASSERT_TRUE(artifact.ok()) << artifact.error().to_line();
  EXPECT_TRUE(Subject(*artifact, kDown, kMma64).verify().passed());
  for (const ComponentKind kind :
       {ComponentKind::kBlocks, ComponentKind::kBlockScale, ComponentKind::kZeroPoint}) {
    Subject subject(*artifact, kDown, kMma64);
    ASSERT_EQ(subject.operand().n, 208u);
    ASSERT_EQ(subject.byte(kind, -1), '\0');
    subject.byte(kind, -1) = 1;
    expect_problem(subject.verify(), Level::kContent, ErrorKind::kInverseMismatch, kDown,
                   "padding");
  }
}

TEST(VerifySchemesContent, Mxfp4InBothLayouts) {
  using enum ComponentKind;
  const std::string down = "model.layers.0.mlp.down_proj";
  const std::vector<Damage> mma64 = {{"a code", [](Subject& s) { s.byte(kBlocks, 77) ^= 2; },
                                      ErrorKind::kInverseMismatch, "XXH3-128 differs", kCodes},
                                     {"a scale", [](Subject& s) { s.byte(kBlocks, 2048 + 9) ^= 1; },
                                      ErrorKind::kInverseMismatch, "XXH3-128 differs", kBlockScale},
                                     {"padding",
                                      [](Subject& s) { s.byte(kBlocks, -1) = 1; },
                                      ErrorKind::kInverseMismatch,
                                      "padding",
                                      {}}};
  expect_seen("ct-mxfp4a16-llama-odd", down, kMma64, Level::kContent, mma64);
  const std::vector<Damage> native = {
      {"a code", [](Subject& s) { s.byte(kCodes, 77) ^= 2; }, ErrorKind::kInverseMismatch,
       "XXH3-128 differs", kCodes},
      {"a scale", [](Subject& s) { s.byte(kBlockScale, 9) ^= 1; }, ErrorKind::kInverseMismatch,
       "XXH3-128 differs", kBlockScale}};
  expect_seen("ct-mxfp4a16-llama-odd", down, kNative, Level::kContent, native);
}

TEST(VerifySchemesContent, Nvfp4WithGroupsOf32) {
  using enum ComponentKind;
  const std::vector<Damage> damages = {{"one of two scales",
                                        [](Subject& s) { s.byte(kBlocks, 2048 + 9) ^= 1; },
                                        ErrorKind::kInverseMismatch,
                                        "the two scales of group",
                                        {}}};
  expect_seen("modelopt-w4a8nvfp4-llama", kDown, kMma64, Level::kContent, damages);
}

TEST(VerifySchemesContent, StacksAndPlainForms) {
  using enum ComponentKind;
  const std::vector<Damage> stack = {
      {"a code of the last expert", [](Subject& s) { s.byte(kBlocks, -2304 + 77) ^= 2; },
       ErrorKind::kInverseMismatch, "XXH3-128 differs", kCodes},
      {"a bias in the order of the rows", [](Subject& s) { s.byte(kBias, -2) ^= 1; },
       ErrorKind::kInverseMismatch, "XXH3-128 differs", kBias},
      {"the one scale of all experts",
       [](Subject& s) {
         s.damaged.scalar(s.damaged.part(s.operand().first_part).first_multiplier + 1).bits ^= 1;
         s.byte(kMultiplier, 4) ^= 1;
       },
       ErrorKind::kInverseMismatch, "scalar table", kMultiplier}};
  expect_seen("modelopt-other-nvfp4-gptoss", "model.layers.0.mlp.experts.gate_up_proj", kMma64,
              Level::kContent, stack);
  const std::vector<Damage> sparse = {
      {"an element", [](Subject& s) { s.byte(kCodes, 9) ^= 2; }, ErrorKind::kInverseMismatch,
       "XXH3-128 differs", kCodes},
      {"a bit of the mask", [](Subject& s) { s.byte(kBitmask, 9) ^= 2; },
       ErrorKind::kInverseMismatch, "XXH3-128 differs", kBitmask}};
  expect_seen("ct-v012-sparse24-w8a8-llama-small", kDown, kPlain, Level::kContent, sparse);
  const std::vector<Damage> grid = {{"a scale of a block",
                                     [](Subject& s) { s.byte(kBlockScale, 0) ^= 1; },
                                     ErrorKind::kInverseMismatch, "XXH3-128 differs", kBlockScale}};
  expect_seen("modelopt-fp8block-edge-llama", kDown, kMma64, Level::kContent, grid);
}

TEST(VerifySchemesStructure, NumbersWithoutAMeaningAreRefused) {
  using enum ComponentKind;
  expect_seen("ct-w8a8asym-static-llama-odd", kDown, kPlain, Level::kStructure,
              {{"an encoding that is none",
                [](Subject& s) { s.form().dialect = 77; },
                ErrorKind::kUnsupportedVersion,
                "dialect 77",
                {}},
               {"a source tensor's",
                [](Subject& s) { s.source_tensor(kZeroPoint).encoding = 77; },
                ErrorKind::kUnsupportedVersion,
                "encoding 77",
                {}},
               {"groups of more rows",
                [](Subject& s) { s.operand().group_rows = 128; },
                ErrorKind::kBadShape,
                "its rows take",
                {}},
               {"groups of fewer columns",
                [](Subject& s) { s.operand().group_size = 16; },
                ErrorKind::kBadShape,
                "its rows take",
                {}}});
  expect_seen(
      kActOrder, kDown, kMma64, Level::kStructure,
      {{"a dialect of a layout that has none",
        [](Subject& s) { s.form().dialect = 2; },
        ErrorKind::kUnsupportedVersion,
        "dialect 2",
        {}},
       {"groups of other columns",
        [](Subject& s) { s.operand().group_size = 64; },
        ErrorKind::kBadShape,
        "another shape than its layout prescribes",
        {}},
       {"scales that are none",
        [](Subject& s) { s.component(kBlockScale).dtype = static_cast<uint16_t>(Dtype::kI16); },
        ErrorKind::kBadRecord,
        "a dtype that no scale has",
        {}}});
}

}  // namespace
}  // namespace imp::testing
