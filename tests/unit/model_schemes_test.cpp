// Schemes of GGUF's types against what the types themselves are: a scheme says neither less nor
// more than the planes its types come apart into.
#include "src/model/schemes.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "src/quant/ggml_blocks.h"

namespace imp::model {
namespace {

TEST(GgmlSchemes, SayWhatThePlanesOfTheirTypesAre) {
  uint32_t apart = 0;
  for (const GgmlTypeInfo& info : ggml_types()) {
    if (info.block_elems == 1) continue;
    const Scheme scheme = planes_scheme(info.type);
    const quant::BlockPlanes* planes = quant::block_planes(info.type);
    if (planes == nullptr) {
      EXPECT_EQ(scheme, blocks_scheme(info.type)) << info.name;
      continue;
    }
    ++apart;
    EXPECT_FALSE(blocks_type(scheme).has_value()) << info.name;
    EXPECT_TRUE(is_quantized(scheme)) << info.name;
    EXPECT_EQ(code_bits(scheme), planes->code_bits) << info.name;
    EXPECT_EQ(has_group_min(scheme), planes->has_min) << info.name;
    EXPECT_EQ(has_super_scale(scheme), planes->has_super) << info.name;
    EXPECT_EQ(is_integer(scheme),
              planes->code == quant::BlockCode::kOffsetBinary && !planes->has_super)
        << info.name;
    if (group_size_of(scheme) != 0) {
      EXPECT_EQ(group_size_of(scheme), planes->group_size) << info.name;
    }
  }
  EXPECT_EQ(apart, 16u);
}

TEST(GgmlSchemes, BlocksOfEachTypeAreASchemeOfTheirOwn) {
  std::set<std::string> names;
  for (const GgmlTypeInfo& info : ggml_types()) {
    if (info.block_elems == 1) continue;
    const Scheme scheme = blocks_scheme(info.type);
    EXPECT_EQ(static_cast<uint32_t>(scheme), 64 + static_cast<uint32_t>(info.type)) << info.name;
    EXPECT_EQ(blocks_type(scheme), info.type);
    EXPECT_EQ(code_bits(scheme), 0u);
    EXPECT_TRUE(names.insert(std::string(scheme_name(scheme))).second) << scheme_name(scheme);
  }
  EXPECT_EQ(names.count("q4_k_blocks"), 1u);
  // Ids of plain numbers, and of no type at all, make no scheme.
  for (const uint32_t id : {0u, 24u, 9u, 43u, 63u})
    EXPECT_EQ(blocks_type(static_cast<Scheme>(64 + id)), std::nullopt) << id;
}

}  // namespace
}  // namespace imp::model
