// The CPU GEMM on codes taken out of GGUF's blocks: identity activations give the values of the
// elements with ==, each plane matters, and facts that contradict each other are named.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/cpu_identity.h"
#include "tests/unit/ggml_weights.h"

namespace imp::kernels {
namespace {

using namespace test::ggml;

TEST(CpuGemmGgml, IdentityGivesTheValues) {
  uint32_t seed = 0;
  for (const Case& c : cases()) {
    ASSERT_TRUE(cpu_gemm_supports(c.layout, c.facts.scheme)) << c.name();
    const Weight w = random_weight(c, ++seed);
    const Packed packed(c, w);
    const std::vector<float> got = identity(packed.weight), want = expected(c, w);
    size_t differing = 0;
    for (size_t i = 0; i < want.size(); ++i) differing += got[i] == want[i] ? 0 : 1;
    EXPECT_EQ(differing, 0u) << c.name();
    EXPECT_EQ(accumulator_unit(c.layout, c.facts.scheme), 1.0f);
  }
}

TEST(CpuGemmGgml, EachPlaneMatters) {
  for (const Case& c : cases()) {
    if (c.n != 77 || c.k != 256) continue;
    Packed packed(c, random_weight(c, 7));
    const std::vector<float> before = identity(packed.weight);
    for (std::vector<std::byte>* plane : {&packed.codes, &packed.scales, &packed.mins,
                                          &packed.supers, &packed.super_mins, &packed.lut}) {
      // Elements in the middle: not the padding of the last row tile.
      for (size_t i = plane->size() / 4; i < plane->size() / 4 + 8 && i < plane->size(); ++i)
        (*plane)[i] ^= std::byte{0x05};
      if (!plane->empty()) {
        EXPECT_NE(identity(packed.weight), before) << c.name();
      }
      for (size_t i = plane->size() / 4; i < plane->size() / 4 + 8 && i < plane->size(); ++i)
        (*plane)[i] ^= std::byte{0x05};
    }
    EXPECT_EQ(identity(packed.weight), before) << c.name();
  }
}

TEST(CpuGemmGgml, ShortPlanesAndGroupsAreRefused) {
  for (const Case& c : cases()) {
    if (c.n != 64 || c.k != 256 || c.group_size != 32) continue;
    const Weight w = random_weight(c, 3);
    std::vector<float> out(c.n * c.k);
    const auto refused = [&](const PackedWeight& weight, const char* what) {
      const Status status = cpu_gemm_identity(weight, 0, c.n, out.data());
      ASSERT_FALSE(status.ok()) << c.name() << ": " << what;
      EXPECT_EQ(status.error().kind, ErrorKind::kBadShape);
      EXPECT_NE(status.error().message.find(what), std::string::npos) << status.error().message;
    };
    const Packed whole(c, w);
    ASSERT_TRUE(cpu_gemm_identity(whole.weight, 0, c.n, out.data()).ok());
    const auto shorter = [](Bytes plane) { return plane.first(plane.size() - 1); };
    PackedWeight weight = whole.weight;
    weight.codes = shorter(weight.codes);
    refused(weight, "codes has");
    weight = whole.weight;
    weight.block_scale = shorter(weight.block_scale);
    refused(weight, "block_scale has");
    if (c.facts.min) {
      weight = whole.weight;
      weight.group_min = shorter(weight.group_min);
      refused(weight, "group_min has");
    }
    if (c.facts.super) {
      weight = whole.weight;
      weight.super_scale = shorter(weight.super_scale);
      refused(weight, "super_scale has");
    }
    if (c.facts.super && c.facts.min) {
      weight = whole.weight;
      weight.super_min = shorter(weight.super_min);
      refused(weight, "super_min has");
    }
    if (c.facts.lut) {
      weight = whole.weight;
      weight.lut = shorter(weight.lut);
      refused(weight, "lut has");
    }
    weight = whole.weight;
    weight.group_size = 24;
    refused(weight, "24 columns");
    weight = whole.weight;
    weight.group_rows = 2;
    refused(weight, "2 rows");
  }
}

}  // namespace
}  // namespace imp::kernels
