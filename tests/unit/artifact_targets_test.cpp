#include <gtest/gtest.h>

#include "formats/imp/targets.h"

namespace imp::artifact {
namespace {

TEST(Targets, ParsesTheSpellingsPeopleUse) {
  EXPECT_EQ(parse_target("sm_89"), 89u);
  EXPECT_EQ(parse_target("89"), 89u);
  EXPECT_EQ(parse_target("8.9"), 89u);
  EXPECT_EQ(parse_target("sm_90a"), 90u);
  EXPECT_EQ(parse_target("sm_120f"), 120u);
  EXPECT_EQ(parse_target("12.1"), 121u);
}

TEST(Targets, RefusesAnythingElse) {
  for (const char* text :
       {"", "sm_", "sm_91", "89b", "sm_90aa", "SM_89", "8.", ".9", "8.9.0", "8.10", " 89", "+89",
        "-89", "4294967385", "0x59", "sm_8 9", "100000000.9"})
    EXPECT_EQ(parse_target(text), std::nullopt) << text;
}

TEST(Targets, EachHasItsOwnBitWhichNeverChanges) {
  // The registry of SPEC.md.
  const std::pair<uint32_t, uint64_t> registry[] = {
      {75, 0x1},  {80, 0x2},   {86, 0x4},    {87, 0x8},    {88, 0x10},   {89, 0x20},
      {90, 0x40}, {100, 0x80}, {103, 0x100}, {110, 0x200}, {120, 0x400}, {121, 0x800}};
  uint64_t all = 0;
  for (const auto& [sm, mask] : registry) {
    EXPECT_EQ(target_mask(sm), mask) << sm;
    all |= mask;
  }
  EXPECT_EQ(targets_in(all).size(), std::size(kTargets));
  EXPECT_EQ(target_mask(91), std::nullopt);
}

TEST(Targets, PrintsSets) {
  EXPECT_EQ(targets_to_string(0), "");
  EXPECT_EQ(targets_to_string(0x6), "sm_80 sm_86");
  EXPECT_EQ(targets_to_string(kTargetAny), "any");
  EXPECT_EQ(targets_in(kTargetAny | 0x820), (std::vector<uint32_t>{89, 121}));
}

}  // namespace
}  // namespace imp::artifact
