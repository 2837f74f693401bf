// The CPU GEMM on plain forms: identity activations give the values of the elements with == in
// every encoding, each plane matters, and facts that contradict each other are named.
#include <gtest/gtest.h>

#include "tests/unit/cpu_identity.h"
#include "tests/unit/plain_weights.h"

namespace imp::kernels {
namespace {

using namespace test::plain;

size_t count_differing(const std::vector<float>& a, const std::vector<float>& b) {
  size_t differing = 0;
  for (size_t i = 0; i < a.size(); ++i) differing += a[i] == b[i] ? 0 : 1;
  return differing;
}

TEST(CpuGemmPlain, IdentityGivesTheValues) {
  uint32_t seed = 1;
  for (const Case& c : cases()) {
    ASSERT_TRUE(cpu_gemm_supports(1, c.scheme, c.encoding)) << c.name();
    Weight weight = make(c, seed++);
    weight.refresh();
    EXPECT_EQ(count_differing(identity(weight.weight), weight.values), 0u) << c.name();
  }
}

/// -1 everywhere is no act-order.
TEST(CpuGemmPlain, GroupIndexWithoutGroupsIsNone) {
  Weight weight = make({36, kWords, 70, 96, 32}, 5);
  weight.group_index.assign(4 * 96, 0xFF);
  weight.refresh();
  EXPECT_EQ(count_differing(identity(weight.weight), weight.values), 0u);
}

TEST(CpuGemmPlain, EachPlaneMatters) {
  for (const Case& c :
       {Case{35, kPaddedWords, 70, 96, 32, true, true}, Case{20, kBitmask, 70, 140, 140},
        Case{18, kInFirstInterleaved}, Case{83}}) {
    Case whole = c;
    if (whole.scheme >= 64) whole.k = 512;
    Weight weight = make(whole, 7);
    weight.refresh();
    const std::vector<float> before = identity(weight.weight);
    for (std::vector<uint8_t>* plane : {&weight.codes, &weight.scales, &weight.zero_points,
                                        &weight.group_index, &weight.bitmask}) {
      if (plane->empty()) continue;
      // The lowest byte of an element; of a block that of its codes. Group 0 becomes group 1: every
      // other one might leave the planes.
      size_t at = whole.scheme >= 64 ? 2 : plane->size() / 8 * 4;
      if (plane == &weight.group_index)
        for (at = 0; (*plane)[at] != 0;) at += 4;
      (*plane)[at] ^= 1;
      EXPECT_NE(count_differing(identity(weight.weight), before), 0u) << whole.name();
      (*plane)[at] ^= 1;
    }
  }
}

TEST(CpuGemmPlain, ShortPlanesAreRefused) {
  std::vector<float> out(71 * 512);
  for (const Case& c : cases()) {
    Weight weight = make(c, 3);
    weight.refresh();
    const auto refused = [&](Bytes PackedWeight::*plane, const char* what) {
      PackedWeight shorter = weight.weight;
      if ((shorter.*plane).empty()) return;
      shorter.*plane = (shorter.*plane).first((shorter.*plane).size() - 1);
      const Status status = cpu_gemm_identity(shorter, 0, 64, out.data());
      ASSERT_FALSE(status.ok()) << c.name() << ": " << what;
      EXPECT_EQ(status.error().kind, ErrorKind::kBadShape);
      EXPECT_NE(status.error().message.find(what), std::string::npos) << status.error().message;
    };
    // How many elements encoding 11 stores, its bits decide.
    if (c.encoding != kBitmask) refused(&PackedWeight::codes, "codes has");
    refused(&PackedWeight::block_scale, "block_scale has");
    refused(&PackedWeight::zero_point, "zero_point has");
    refused(&PackedWeight::group_index, "group_index has");
    refused(&PackedWeight::bitmask, "bitmask has");
    refused(&PackedWeight::row_offsets, "row_offsets has");
  }
}

TEST(CpuGemmPlain, BlocksWantWholeBlocks) {
  Weight weight = make({83, kRows, 64, 512}, 3);
  weight.refresh();
  weight.weight.k = 500;
  std::vector<float> out(64 * 512);
  const Status status = cpu_gemm_identity(weight.weight, 0, 64, out.data());
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("K is 500, expected a multiple of the blocks of 256"),
            std::string::npos);
}

}  // namespace
}  // namespace imp::kernels
