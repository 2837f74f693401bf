// Plans of GGUF files: which layouts take which types, what the components are, and what the plan
// says of the types.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "src/plan/forms.h"
#include "src/plan/print.h"
#include "tests/unit/gguf_model.h"
#include "tests/unit/plan_make.h"

namespace imp::plan {
namespace {

using model::Scheme;
using model::Weight;
using testing::GgufModel;
using testing::ImportedGguf;

struct TypeFacts {
  GgmlType type;
  const char* scheme;
  uint32_t group_size;
  bool is_packed;
};
/// gguf.md 2.3 and 3: what comes apart, and groups of it.
constexpr TypeFacts kTypes[] = {
    {GgmlType::kQ4_0, "int4", 32, true},          {GgmlType::kQ4_1, "uint4_min", 32, true},
    {GgmlType::kQ5_0, "int8", 32, true},          {GgmlType::kQ5_1, "uint8_min", 32, true},
    {GgmlType::kQ8_0, "int8", 32, true},          {GgmlType::kQ2_K, "uint4_min_k", 16, true},
    {GgmlType::kQ3_K, "int4_k", 16, true},        {GgmlType::kQ4_K, "uint4_min_k", 32, true},
    {GgmlType::kQ5_K, "uint8_min_k", 32, true},   {GgmlType::kQ6_K, "int8_k", 16, true},
    {GgmlType::kIq4Nl, "lut4", 32, true},         {GgmlType::kIq4Xs, "lut4_k", 32, true},
    {GgmlType::kTq2_0, "int4", 256, true},        {GgmlType::kMxfp4, "mxfp4", 32, true},
    {GgmlType::kNvfp4, "nvfp4", 16, true},        {GgmlType::kIq2Xxs, "iq2_xxs_blocks", 0, false},
    {GgmlType::kTq1_0, "tq1_0_blocks", 0, false}, {GgmlType::kQ1_0, "q1_0_blocks", 0, false}};

GgufModel one_of_each() {
  GgufModel gguf("fixture");
  for (const TypeFacts& facts : kTypes) {
    const GgmlTypeInfo& info = ggml_type_info(facts.type);
    gguf.blocks("t" + std::to_string(static_cast<uint32_t>(facts.type)) + ".weight", {512, 70},
                static_cast<uint32_t>(facts.type), 70 * 512 / info.block_elems * info.block_bytes);
  }
  return gguf;
}

struct PlannedGguf {
  ImportedGguf imported;
  Plan plan;

  PlannedGguf(const GgufModel& gguf, Options options) : imported(gguf, {.as_is = true}) {
    EXPECT_TRUE(imported.model.ok()) << imported.error_line();
    Result<Plan> made = make_plan(*imported.model, options);
    EXPECT_TRUE(made.ok());
    plan = std::move(made).take();
  }
  const Operand& of(GgmlType type) const {
    const std::string name = "t" + std::to_string(static_cast<uint32_t>(type));
    for (const Operand& operand : plan.operands)
      if (operand.name == name || operand.name == name + ".weight") return operand;
    throw std::runtime_error("no operand " + name);
  }
};

TEST(PlanGguf, EveryTypeHasItsSchemeAndLayout) {
  const PlannedGguf planned(one_of_each(), {{75, 89, 120}, {}});
  for (const TypeFacts& facts : kTypes) {
    const Operand& operand = planned.of(facts.type);
    SCOPED_TRACE(ggml_type_info(facts.type).name);
    EXPECT_EQ(scheme_name(operand.scheme), facts.scheme);
    EXPECT_EQ(operand.group_size, facts.group_size);
    EXPECT_EQ(operand.gemm, facts.is_packed);
    EXPECT_NE(testing::find_form(operand, LayoutId::kPlain), nullptr);
    const Form* mma64 = testing::find_form(operand, LayoutId::kMma64);
    ASSERT_EQ(mma64 != nullptr, facts.is_packed);
    const bool is_float = operand.scheme == Scheme::kNvfp4 || operand.scheme == Scheme::kMxfp4;
    EXPECT_EQ(testing::find_form(operand, LayoutId::kNative) != nullptr, is_float);
    if (mma64 == nullptr) continue;
    EXPECT_EQ(mma64->padded_n, 128u);
    EXPECT_EQ(mma64->padded_k, 512u);
    // NVFP4 is frozen; no kernel has read the others.
    EXPECT_EQ(mma64->major, operand.scheme == Scheme::kNvfp4 ? 1 : 0);
  }
}

std::string components_of(const Form& form) {
  std::string text;
  for (const Component& c : form.components)
    text += std::to_string(static_cast<int>(c.kind)) + " " + std::string(dtype_name(c.dtype)) +
            " " + c.shape.to_string() + " " + std::to_string(c.size_bytes) + "\n";
  return text;
}

// 70 rows are 2 tiles of 64, 512 columns 8 blocks, 16 groups of 32, 32 of 16, 2 of 256. Kinds: 2
// blocks, 3 block_scale, 4 super_scale, 6 group_min, 7 lut, 23 super_min, 1 codes.
TEST(PlanGguf, ComponentsOfTypes) {
  const PlannedGguf planned(one_of_each(), {{75, 89}, {}});
  const auto mma64 = [&](GgmlType type) {
    return components_of(*testing::find_form(planned.of(type), LayoutId::kMma64));
  };
  const auto plain = [&](GgmlType type) {
    return components_of(*testing::find_form(planned.of(type), LayoutId::kPlain));
  };
  EXPECT_EQ(mma64(GgmlType::kQ4_K),
            "2 U8 [2, 8, 2048] 32768\n3 U8 [2, 16, 64] 2048\n6 U8 [2, 16, 64] 2048\n"
            "4 F16 [2, 2, 64] 512\n23 F16 [2, 2, 64] 512\n");
  EXPECT_EQ(plain(GgmlType::kQ4_K),
            "1 U8 [70, 256] 17920\n3 U8 [70, 16] 1120\n6 U8 [70, 16] 1120\n"
            "4 F16 [70, 2] 280\n23 F16 [70, 2] 280\n");
  EXPECT_EQ(mma64(GgmlType::kQ6_K),
            "2 U8 [2, 8, 4096] 65536\n3 I8 [2, 32, 64] 4096\n4 F16 [2, 2, 64] 512\n");
  EXPECT_EQ(mma64(GgmlType::kQ5_1),
            "2 U8 [2, 8, 4096] 65536\n3 F16 [2, 16, 64] 4096\n6 F16 [2, 16, 64] 4096\n");
  EXPECT_EQ(mma64(GgmlType::kIq4Xs),
            "2 U8 [2, 8, 2048] 32768\n3 I8 [2, 16, 64] 2048\n4 F16 [2, 2, 64] 512\n"
            "7 I8 [16] 16\n");
  EXPECT_EQ(plain(GgmlType::kIq4Nl), "1 U8 [70, 256] 17920\n3 F16 [70, 16] 2240\n7 I8 [16] 16\n");
  EXPECT_EQ(plain(GgmlType::kIq2Xxs), "1 U8 [70, 132] 9240\n");
}

TEST(PlanGguf, TheTableOfCodesStandsOnceForBothForms) {
  const PlannedGguf planned(one_of_each(), {{75, 89}, {}});
  const Operand& operand = planned.of(GgmlType::kIq4Nl);
  std::vector<uint32_t> blobs;
  for (const Form& form : operand.forms)
    for (const Component& c : form.components)
      if (c.kind == ComponentKind::kLut) blobs.push_back(c.blob);
  ASSERT_EQ(blobs.size(), 2u);
  EXPECT_EQ(blobs[0], blobs[1]);
  const uint64_t offset = planned.plan.blobs[blobs[0]].offset_bytes;
  const std::vector<int> want = {-127, -104, -83, -65, -49, -35, -22, -10,
                                 1,    13,   25,  38,  53,  69,  89,  113};
  size_t found = 0;
  for (const Constant& constant : planned.plan.constants) {
    if (constant.offset_bytes != offset) continue;
    ++found;
    std::vector<int> got;
    for (const std::byte b : constant.bytes) got.push_back(static_cast<int8_t>(b));
    EXPECT_EQ(got, want);
  }
  EXPECT_EQ(found, 1u);
}

TEST(PlanGguf, GroupsThatLanesCanShare) {
  const ImportedGguf imported(one_of_each(), {.as_is = true});
  ASSERT_TRUE(imported.model.ok());
  Weight weight = *imported.weight("t14");  // Q6_K, groups of 16
  EXPECT_EQ(reason_not_held(LayoutId::kMma64, weight, {}), "");
  weight.scheme = Scheme::kInt8;  // no other producer has such groups: its lanes take 32
  EXPECT_NE(reason_not_held(LayoutId::kMma64, weight, {}), "");
  weight.scheme = Scheme::kInt8K;
  weight.group_size = 8;
  EXPECT_NE(reason_not_held(LayoutId::kMma64, weight, {}), "");
  weight.group_size = 16;
  weight.group_rows = 64;
  EXPECT_NE(reason_not_held(LayoutId::kMma64, weight, {}), "");
}

TEST(PlanGguf, SaysWhatBecomesOfEachType) {
  GgufModel gguf("fixture");
  gguf.blocks("a.weight", {256, 2}, testing::kGgmlQ4K, 2 * 144);
  gguf.blocks("b.weight", {256, 2}, testing::kGgmlQ4K, 2 * 144);
  gguf.blocks("c.weight", {256, 2}, testing::kGgmlIq2Xxs, 2 * 66);
  gguf.f32("d.weight", {4});
  const PlannedGguf planned(gguf, {{89}, {}});
  std::ostringstream out;
  print_plan(out, *planned.imported.model, planned.plan, 1);
  EXPECT_NE(out.str().find(
                "\nGGUF     2 x Q4_K, 1 x F32, 1 x IQ2_XXS\n"
                "  F32            1 as f32 in plain, lossless\n"
                "  IQ2_XXS        1 as iq2_xxs_blocks in plain, lossless; no GEMM kernel layout "
                "holds it\n"
                "  Q4_K           2 as uint4_min_k in mma64, lossless\n"),
            std::string::npos)
      << out.str();
  std::ostringstream document;
  print_plan_json(document, *planned.imported.model, planned.plan, 1);
  const auto json = nlohmann::json::parse(document.str());
  EXPECT_EQ(json["gguf"]["types"]["Q4_K"], 2);
  EXPECT_EQ(json["gguf"]["held"].size(), 3u);
  EXPECT_EQ(json["gguf"]["held"][1]["gemm_layout"], false);
}

}  // namespace
}  // namespace imp::plan
