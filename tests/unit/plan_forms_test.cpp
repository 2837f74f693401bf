// Which layouts an operand gets, and what each holds.
#include <gtest/gtest.h>

#include <sstream>

#include "formats/imp/targets.h"
#include "src/plan/print.h"
#include "tests/unit/plan_components.h"
#include "tests/unit/plan_make.h"

namespace imp::plan {
namespace {

using testing::CheckpointEditor;
using testing::ComponentRow;
using testing::expect_components;
using testing::find_component;
using testing::find_form;
using testing::Imported;
using testing::Planned;

constexpr const char* kLlama = "modelopt-nvfp4-llama";
constexpr const char* kOdd = "modelopt-nvfp4-llama-odd";
constexpr const char* kMoe = "modelopt-nvfp4-qwen2moe";

void expect_refused(const Options& options, ErrorKind kind, const std::string& tensor,
                    const std::string& fragment) {
  const Imported imported(kLlama);
  ASSERT_TRUE(imported.ok());
  const auto plan = make_plan(*imported.model, options);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(error_kind_name(plan.error().kind), error_kind_name(kind));
  EXPECT_EQ(plan.error().tensor, tensor);
  EXPECT_NE(plan.error().message.find(fragment), std::string::npos) << plan.error().message;
}

std::string layouts_of(const Operand& operand) {
  std::string text;
  for (const Form& form : operand.forms)
    text += (text.empty() ? "" : ", ") +
            std::string(layouts::find_layout(static_cast<uint16_t>(form.layout))->name) + " on " +
            artifact::targets_to_string(form.targets);
  return text;
}

constexpr const char* kMma64Default = "mma64 on sm_80 sm_86 sm_87 sm_88 sm_89 sm_90";
constexpr const char* kNativeDefault = "native on sm_100 sm_103 sm_110 sm_120 sm_121";

TEST(Forms, DefaultsByGeneration) {
  struct Row {
    uint32_t sm;
    const char* layouts;
  };
  const Row rows[] = {{75, "plain on any"},  {80, kMma64Default},   {86, kMma64Default},
                      {87, kMma64Default},   {88, kMma64Default},   {89, kMma64Default},
                      {90, kMma64Default},   {100, kNativeDefault}, {103, kNativeDefault},
                      {110, kNativeDefault}, {120, kNativeDefault}, {121, kNativeDefault}};
  for (const Row& row : rows) {
    const Planned planned(kLlama, {{row.sm}, {}});
    EXPECT_EQ(layouts_of(planned.operand("model.layers.0.mlp.down_proj")), row.layouts) << row.sm;
    EXPECT_EQ(layouts_of(planned.operand("model.embed_tokens")), "plain on any") << row.sm;
    EXPECT_EQ(layouts_of(planned.operand("model.norm.weight")), "plain on any") << row.sm;
    EXPECT_EQ(layouts_of(planned.operand("lm_head")), "plain on any") << "unquantized " << row.sm;
  }
}

TEST(Forms, SeveralTargetsShareAForm) {
  const Planned planned(kLlama, {{75, 80, 90, 100, 120}, {}});
  EXPECT_EQ(layouts_of(planned.operand("model.layers.0.mlp.down_proj")),
            std::string("plain on any, ") + kMma64Default + ", " + kNativeDefault);
}

TEST(Forms, RoutersAndOtherUnquantizedWeightsArePlain) {
  const Planned planned(kMoe, {{89, 120}, {}});
  for (const char* name :
       {"model.layers.0.mlp.gate", "model.layers.0.mlp.shared_expert_gate", "lm_head"})
    EXPECT_EQ(layouts_of(planned.operand(name)), "plain on any") << name;
}

TEST(Forms, AQuantizedHeadIsPacked) {
  const Planned planned("modelopt-nvfp4-lmhead-llama", {{89}, {}});
  EXPECT_EQ(layouts_of(planned.operand("lm_head")), kMma64Default);
}

TEST(Forms, ALayoutByName) {
  const Planned mma64(kLlama, {{120}, LayoutId::kMma64});
  EXPECT_EQ(layouts_of(mma64.operand("model.layers.0.mlp.down_proj")),
            std::string(kMma64Default) + " sm_120");
  EXPECT_EQ(layouts_of(mma64.operand("model.embed_tokens")), "plain on any")
      << "what it cannot hold stays plain";
  const Planned plain(kLlama, {{89, 120}, LayoutId::kPlain});
  EXPECT_EQ(layouts_of(plain.operand("model.layers.0.mlp.down_proj")), "plain on any");
  const Planned native(kLlama, {{}, LayoutId::kNative});
  EXPECT_EQ(layouts_of(native.operand("model.layers.0.mlp.down_proj")), kNativeDefault);
  EXPECT_TRUE(native.plan.sms.empty());
}

TEST(Forms, ALayoutThatDoesNotServeATarget) {
  expect_refused({{89}, LayoutId::kNative}, ErrorKind::kNoFormForTarget,
                 "model.layers.0.self_attn.q_proj", "layout 'native' does not serve sm_89");
  expect_refused({{120, 75}, LayoutId::kMma64}, ErrorKind::kNoFormForTarget,
                 "model.layers.0.self_attn.q_proj", "layout 'mma64' does not serve sm_75");
}

TEST(Forms, NeitherTargetNorLayout) {
  expect_refused({}, ErrorKind::kUsage, "", "name at least one --target");
}

TEST(Forms, TargetsThatAreNone) {
  for (const uint32_t sm : {0u, 70u, 82u, 99u, 122u, 1000u, ~0u})
    expect_refused({{89, sm}, {}}, ErrorKind::kUsage, "",
                   "sm_" + std::to_string(sm) + " is no known target");
}

TEST(Forms, OrderAndRepeatsOfTargetsDoNotMatter) {
  const auto text = [](std::vector<uint32_t> sms) {
    const Planned planned(kOdd, {std::move(sms), {}});
    std::ostringstream out;
    print_plan_json(out, planned.model(), planned.plan, 4);
    return out.str();
  };
  const std::string sorted = text({75, 89, 120});
  EXPECT_EQ(text({120, 89, 75}), sorted);
  EXPECT_EQ(text({89, 120, 89, 75, 75, 120}), sorted);
  EXPECT_NE(text({89, 120}), sorted);
}

// N = 96, K = 208: neither is a multiple of a tile, 13 groups.
TEST(Components, OfAnOddMatrix) {
  const Planned planned(kOdd, {{75, 89, 120}, {}});
  const Operand& k = planned.operand("model.layers.0.self_attn.k_proj");
  EXPECT_EQ(k.n, 96u);
  EXPECT_EQ(k.k, 208u);
  EXPECT_EQ(k.group_size, 16u);
  ASSERT_EQ(k.forms.size(), 3u);
  const ComponentRow multiplier{ComponentKind::kMultiplier, "F32", {1}, 0, true};
  const ComponentRow input_scale{ComponentKind::kInputScale, "F32", {1}, 0, false};
  const ComponentRow bias{ComponentKind::kBias, "BF16", {96}, 0, true};

  const Form& plain = *find_form(k, LayoutId::kPlain);
  EXPECT_EQ(plain.padded_n, 96u);
  EXPECT_EQ(plain.padded_k, 208u);
  EXPECT_EQ(plain.major, 1u);
  expect_components(plain, {{ComponentKind::kCodes, "U8", {96, 104}, 0, true},
                            {ComponentKind::kBlockScale, "F8_E4M3", {96, 13}, 0, true},
                            multiplier,
                            input_scale,
                            bias});
  // Blocks of 64 x 64: 2048 bytes of codes and 256 of scales.
  const Form& mma64 = *find_form(k, LayoutId::kMma64);
  EXPECT_EQ(mma64.padded_n, 128u);
  EXPECT_EQ(mma64.padded_k, 256u);
  EXPECT_EQ(mma64.major, 1u);
  expect_components(mma64, {{ComponentKind::kBlocks, "U8", {2, 4, 2304}, 0, true},
                            multiplier,
                            input_scale,
                            bias,
                            {ComponentKind::kExceptions, "U8", {0}, 0, false}});
  // Rows of 104 bytes padded to 112; scales in tiles of 128 rows x 4 groups.
  const Form& native = *find_form(k, LayoutId::kNative);
  EXPECT_EQ(native.padded_n, 96u);
  EXPECT_EQ(native.padded_k, 224u);
  EXPECT_EQ(native.major, 1u);
  expect_components(native, {{ComponentKind::kCodes, "U8", {96, 112}, 0, true},
                             {ComponentKind::kBlockScale, "F8_E4M3", {1, 4, 512}, 0, true},
                             multiplier,
                             input_scale,
                             bias});
}

// Four experts, gate and up of 64 rows each, K = 128.
TEST(Components, OfExperts) {
  const Planned planned(kMoe, {{89}, {}});
  const Operand& w13 = planned.operand("model.layers.0.mlp.experts.gate_up_proj");
  EXPECT_EQ(w13.experts, 4u);
  EXPECT_EQ(w13.n, 128u);
  expect_components(w13.forms.at(0),
                    {{ComponentKind::kBlocks, "U8", {4, 2, 2, 2304}, 2 * 2 * 2304, true},
                     {ComponentKind::kMultiplier, "F32", {4, 2}, 8, true},
                     {ComponentKind::kInputScale, "F32", {4, 2}, 8, false},
                     {ComponentKind::kExceptions, "U8", {0}, 0, false}});
  const Planned blackwell(kMoe, {{120}, {}});
  const Operand& w2 = blackwell.operand("model.layers.0.mlp.experts.down_proj");  // [128, 64]
  expect_components(w2.forms.at(0),
                    {{ComponentKind::kCodes, "U8", {4, 128, 32}, 128 * 32, true},
                     {ComponentKind::kBlockScale, "F8_E4M3", {4, 1, 1, 512}, 512, true},
                     {ComponentKind::kMultiplier, "F32", {4, 1}, 4, true},
                     {ComponentKind::kInputScale, "F32", {4, 1}, 4, false}});
}

TEST(Components, OfWhatNoGemmTakes) {
  const Planned planned("modelopt-nvfp4-kvfp8-llama", {{89}, {}});
  const Operand& norm = planned.operand("model.norm.weight");
  EXPECT_FALSE(norm.gemm);
  expect_components(norm.forms.at(0), {{ComponentKind::kCodes, "BF16", {256}, 0, true}});
  const Operand& scale = planned.operand("model.layers.0.self_attn.k_proj.k_scale");
  EXPECT_FALSE(scale.gemm);
  expect_components(scale.forms.at(0), {{ComponentKind::kCodes, "F32", Shape(), 0, true}});
  expect_components(planned.operand("lm_head").forms.at(0),
                    {{ComponentKind::kCodes, "BF16", {128, 256}, 0, true}});
}

TEST(Components, WithoutInputScales) {
  CheckpointEditor editor("modelopt-nvfp4-compress-llama");
  editor.remove("model.layers.0.self_attn.o_proj.input_scale");
  const Planned planned(editor, {{89}, {}});
  const Form& form = planned.operand("model.layers.0.self_attn.o_proj").forms.at(0);
  EXPECT_EQ(find_component(form, ComponentKind::kInputScale), nullptr);
  EXPECT_NE(find_component(form, ComponentKind::kMultiplier), nullptr);
}

TEST(Components, ATiedEmbeddingSaysSo) {
  const Planned planned(kOdd, {{89}, {}});
  EXPECT_TRUE(planned.operand("model.embed_tokens").tied_head);
  EXPECT_FALSE(planned.operand("model.layers.0.mlp.down_proj").tied_head);
}

}  // namespace
}  // namespace imp::plan
