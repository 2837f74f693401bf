// imp-verify on codes taken out of GGUF's blocks, and on blocks: each plane's bits and padding, and
// records that contradict the scheme.
#include <gtest/gtest.h>

#include "tests/unit/gguf_tensors.h"
#include "tests/unit/verify_subject.h"

namespace imp::testing {
namespace {

using enum artifact::ComponentKind;

constexpr uint16_t kPlain = 1, kMma64 = 2;

/// 70 rows leave 58 of padding in the second row tile.
GgufFile file_of(GgmlType type) {
  GgufFile gguf = fixture_gguf();
  add_blocks(gguf, "w.weight", type, 70, 512);
  return gguf;
}

std::string artifact_of_type(GgmlType type) { return artifact_of(file_of(type), {89}); }

TEST(VerifyGgml, UndamagedPasses) {
  for (const GgmlType type : {GgmlType::kQ4_K, GgmlType::kQ5_1, GgmlType::kIq4Xs, GgmlType::kQ6_K})
    EXPECT_TRUE(Subject(artifact_of_type(type), "w", kMma64).verify().passed());
  EXPECT_TRUE(Subject(artifact_of_type(GgmlType::kIq2S), "w.weight", kPlain).verify().passed());
}

TEST(VerifyGgml, PaddingOfEachPlane) {
  const std::string artifact = artifact_of_type(GgmlType::kQ4_K);
  std::vector<Damage> damages;
  for (const ComponentKind kind : {kBlocks, kBlockScale, kGroupMin, kSuperScale, kSuperMin})
    damages.push_back({"padding",
                       [kind](Subject& s) {
                         ASSERT_EQ(s.byte(kind, -1), '\0');
                         s.byte(kind, -1) = 1;
                       },
                       ErrorKind::kInverseMismatch,
                       "padding",
                       {}});
  expect_damages_seen(artifact, "w", kMma64, Level::kContent, damages);
}

TEST(VerifyGgml, BitsOfEachPlane) {
  std::vector<Damage> damages;
  for (const auto& [component, plane] :
       {std::pair(kBlocks, kCodes), std::pair(kBlockScale, kBlockScale),
        std::pair(kGroupMin, kGroupMin), std::pair(kSuperScale, kSuperScale),
        std::pair(kSuperMin, kSuperMin)}) {
    const ComponentKind kind = component;
    damages.push_back({"a bit", [kind](Subject& s) { s.byte(kind, 0) ^= 1; },
                       ErrorKind::kInverseMismatch, "XXH3-128 differs", plane});
  }
  expect_damages_seen(artifact_of_type(GgmlType::kQ4_K), "w", kMma64, Level::kContent, damages);
  expect_damages_seen(artifact_of_type(GgmlType::kIq2S), "w.weight", kPlain, Level::kContent,
                      {{"a bit of the blocks", [](Subject& s) { s.byte(kCodes, 9) ^= 1; },
                        ErrorKind::kInverseMismatch, "XXH3-128 differs", kCodes}});
}

TEST(VerifyGgml, TheTableOfCodes) {
  expect_damages_seen(artifact_of_type(GgmlType::kIq4Xs), "w", kMma64, Level::kStructure,
                      {{"an entry",
                        [](Subject& s) { s.byte(kLut, 3) ^= 1; },
                        ErrorKind::kInverseMismatch,
                        "another table",
                        {}},
                       {"its dtype",
                        [](Subject& s) { s.component(kLut).dtype = uint16_t(Dtype::kU8); },
                        ErrorKind::kBadRecord,
                        "no I8 of 16",
                        {}}});
}

TEST(VerifyGgml, RecordsThatContradictTheScheme) {
  const auto missing = [](ComponentKind kind) {
    return [kind](Subject& s) {
      s.component(kind).flags = 0;
      s.component(kind).kind = 999;  // an optional one of a later version
    };
  };
  const auto of_dtype = [](ComponentKind kind, Dtype dtype) {
    return [=](Subject& s) { s.component(kind).dtype = static_cast<uint16_t>(dtype); };
  };
  expect_damages_seen(
      artifact_of_type(GgmlType::kQ4_K), "w", kMma64, Level::kStructure,
      {{"no mins", missing(kGroupMin), ErrorKind::kBadRecord, "kind 6 is missing", {}},
       {"no super scales", missing(kSuperScale), ErrorKind::kBadRecord, "kind 4 is missing", {}},
       {"no super mins", missing(kSuperMin), ErrorKind::kBadRecord, "kind 23 is missing", {}},
       {"signed scales",
        of_dtype(kBlockScale, Dtype::kI8),
        ErrorKind::kBadRecord,
        "a dtype that no scale has",
        {}},
       {"mins of e8m0",
        of_dtype(kGroupMin, Dtype::kF8E8M0),
        ErrorKind::kBadRecord,
        "a dtype that no scale has",
        {}},
       {"bf16 super scales",
        of_dtype(kSuperScale, Dtype::kBF16),
        ErrorKind::kBadRecord,
        "a dtype that no scale has",
        {}},
       {"groups of 64",
        [](Subject& s) { s.operand().group_size = 64; },
        ErrorKind::kBadShape,
        "does not fit the scheme",
        {}},
       {"no groups",
        [](Subject& s) { s.operand().group_size = 0; },
        ErrorKind::kBadShape,
        "does not fit the scheme",
        {}},
       {"half a super group",
        [](Subject& s) { s.operand().k = 384; },
        ErrorKind::kBadShape,
        "does not fit the scheme",
        {}},
       {"stored as nothing known",
        [](Subject& s) { s.operand().stored_as = 5; },
        ErrorKind::kUnsupportedVersion,
        "stored as 5",
        {}}});
  expect_damages_seen(artifact_of_type(GgmlType::kIq2S), "w.weight", kPlain, Level::kStructure,
                      {{"half a block",
                        [](Subject& s) { s.operand().k = 384; },
                        ErrorKind::kBadShape,
                        "does not fit the scheme",
                        {}}});
}

}  // namespace
}  // namespace imp::testing
