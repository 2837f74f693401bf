// Which parts become one operand, and what the plan says where they do not.
#include <gtest/gtest.h>

#include "tests/unit/plan_make.h"

namespace imp::plan {
namespace {

using testing::CheckpointEditor;
using testing::Planned;

constexpr const char* kLlama = "modelopt-nvfp4-llama";  // q 256, k and v 128, gate and up 512 rows
constexpr const char* kOdd = "modelopt-nvfp4-llama-odd";  // q 192, k and v 96, gate and up 400 rows
constexpr const char* kMoe =
    "modelopt-nvfp4-qwen2moe";  // q 128, k and v 64, experts 64, shared expert 128 rows
const std::string kAttention = "model.layers.0.self_attn.";

bool has_operand(const Planned& planned, const std::string& name) {
  for (const Operand& operand : planned.plan.operands)
    if (operand.name == name) return true;
  return false;
}

/// The three attention inputs stay apart, each saying `why`.
void expect_attention_apart(const Planned& planned, const std::string& why) {
  EXPECT_FALSE(has_operand(planned, kAttention + "qkv_proj"));
  for (const char* part : {"q_proj", "k_proj", "v_proj"}) {
    const Operand& operand = planned.operand(kAttention + part);
    EXPECT_EQ(operand.fusion, "not fused: " + why) << part;
    EXPECT_EQ(operand.parts.size(), 1u);
  }
  EXPECT_EQ(planned.index(kAttention + "k_proj"), planned.index(kAttention + "q_proj") + 1)
      << "neighbours";
  EXPECT_EQ(planned.index(kAttention + "v_proj"), planned.index(kAttention + "q_proj") + 2);
}

TEST(Fusion, WhereRowsAllow) {
  for (const Options& options :
       {Options{{89}, {}}, Options{{120}, {}}, Options{{89, 120}, {}}, Options{{75}, {}}}) {
    const Planned planned(kLlama, options);
    const Operand& qkv = planned.operand(kAttention + "qkv_proj");
    EXPECT_EQ(qkv.fusion, "fused: q_proj, k_proj, v_proj");
    EXPECT_EQ(qkv.role, model::Role::kAttnQkv);
    EXPECT_EQ(qkv.n, 512u);
    EXPECT_EQ(qkv.k, 256u);
    ASSERT_EQ(qkv.parts.size(), 3u);
    const uint64_t n0[] = {0, 256, 384}, n[] = {256, 128, 128};
    const char* names[] = {"q_proj", "k_proj", "v_proj"};
    for (size_t p = 0; p < 3; ++p) {
      EXPECT_EQ(planned.model().weights[qkv.parts[p].weight].name, kAttention + names[p]);
      EXPECT_EQ(qkv.parts[p].n0, n0[p]);
      EXPECT_EQ(qkv.parts[p].n_count, n[p]);
    }
    EXPECT_EQ(planned.operand("model.layers.0.mlp.gate_up_proj").fusion,
              "fused: gate_proj, up_proj");
    EXPECT_EQ(planned.operand("model.layers.0.mlp.down_proj").fusion, "") << "belongs to no group";
    for (const char* part : {"q_proj", "k_proj", "v_proj"})
      EXPECT_FALSE(has_operand(planned, kAttention + part));
  }
}

TEST(Fusion, RowsThatAreNoMultipleOfTheTile) {
  expect_attention_apart(Planned(kOdd, {{89}, {}}),
                         "k_proj has 96 rows, mma64 joins at multiples of 64");
  expect_attention_apart(Planned(kOdd, {{120}, {}}),
                         "q_proj has 192 rows, native joins at multiples of 128");
  const Planned planned(kOdd, {{89}, {}});
  for (const char* part : {"gate_proj", "up_proj"})
    EXPECT_EQ(planned.operand(std::string("model.layers.1.mlp.") + part).fusion,
              "not fused: gate_proj has 400 rows, mma64 joins at multiples of 64");
}

TEST(Fusion, PlainJoinsAnyRows) {
  const Planned planned(kOdd, {{75}, {}});
  const Operand& qkv = planned.operand(kAttention + "qkv_proj");
  EXPECT_EQ(qkv.n, 384u);
  EXPECT_EQ(qkv.fusion, "fused: q_proj, k_proj, v_proj");
}

TEST(Fusion, OnlyTheLastPartMayEndInsideATile) {
  // v_proj of 96 rows is the last: q (192) and k (here 128) end at multiples of 64.
  CheckpointEditor editor(kOdd);
  for (const char* suffix : {"weight", "weight_scale", "bias"}) {
    auto& t = editor.tensor(kAttention + "k_proj." + suffix);
    t.bytes.resize(t.bytes.size() / 96 * 128);
    t.shape[0] = 128;
  }
  const Planned planned(editor, {{89}, {}});
  EXPECT_EQ(planned.operand(kAttention + "qkv_proj").n, 192u + 128 + 96);
  EXPECT_EQ(planned.operand(kAttention + "qkv_proj").forms.at(0).padded_n, 448u);
}

TEST(Fusion, EveryChosenLayoutMustAllowIt) {
  EXPECT_TRUE(has_operand(Planned(kMoe, {{89}, {}}), kAttention + "qkv_proj"));
  const std::string why = "k_proj has 64 rows, native joins at multiples of 128";
  expect_attention_apart(Planned(kMoe, {{120}, {}}), why);
  expect_attention_apart(Planned(kMoe, {{89, 120}, {}}), why);
  const Planned both(kMoe, {{89, 120}, {}});
  EXPECT_EQ(both.operand("model.layers.0.mlp.experts.gate_proj").fusion,
            "not fused: gate_proj has 64 rows, native joins at multiples of 128");
  EXPECT_EQ(both.operand("model.layers.0.mlp.shared_expert.gate_up_proj").fusion,
            "fused: gate_proj, up_proj");
}

TEST(Fusion, ExpertsAndSharedExperts) {
  const Planned planned(kMoe, {{89}, {}});
  const Operand& w13 = planned.operand("model.layers.1.mlp.experts.gate_up_proj");
  EXPECT_EQ(w13.role, model::Role::kExpertGateUp);
  EXPECT_EQ(w13.experts, 4u);
  EXPECT_EQ(w13.parts[1].n0, 64u);
  EXPECT_EQ(planned.operand("model.layers.1.mlp.shared_expert.gate_up_proj").role,
            model::Role::kSharedGateUp);
}

TEST(Fusion, UnquantizedPartsJoinInPlain) {
  const Planned planned("modelopt-nvfp4-mlponly-llama", {{89}, {}});
  const Operand& qkv = planned.operand(kAttention + "qkv_proj");
  EXPECT_EQ(qkv.scheme, model::Scheme::kBf16);
  EXPECT_EQ(qkv.n, 384u);
  EXPECT_EQ(qkv.forms.at(0).layout, LayoutId::kPlain);
}

TEST(Fusion, SchemesThatDiffer) {
  CheckpointEditor editor("modelopt-nvfp4-compress-llama");
  for (const char* suffix : {"weight", "weight_scale", "weight_scale_2", "input_scale"})
    editor.remove(kAttention + "k_proj." + suffix);
  editor.add({kAttention + "k_proj.weight", "BF16", {128, 128}, std::string(128 * 128 * 2, '\0')});
  expect_attention_apart(Planned(editor, {{89}, {}}), "schemes differ");
  expect_attention_apart(Planned(editor, {{75}, {}}), "schemes differ");
}

TEST(Fusion, KThatDiffers) {
  CheckpointEditor editor("modelopt-nvfp4-compress-llama");
  auto& weight = editor.tensor(kAttention + "v_proj.weight");
  weight.shape = {128, 56};
  weight.bytes.resize(128 * 56);
  auto& scale = editor.tensor(kAttention + "v_proj.weight_scale");
  scale.shape = {128, 7};
  scale.bytes.resize(128 * 7);
  expect_attention_apart(Planned(editor, {{89}, {}}), "shapes differ");
}

TEST(Fusion, ABiasOnOnlySomeParts) {
  const std::string why = "only some parts have a bias, or of another dtype";
  CheckpointEditor without(kMoe);
  without.config()["qkv_bias"] = false;  // nobody promises any
  without.remove(kAttention + "k_proj.bias");
  expect_attention_apart(Planned(without, {{89}, {}}), why);
  CheckpointEditor first(kMoe);
  first.config()["qkv_bias"] = false;
  first.remove(kAttention + "q_proj.bias");
  expect_attention_apart(Planned(first, {{89}, {}}), why);
  CheckpointEditor dtype(kMoe);
  dtype.tensor(kAttention + "v_proj.bias").dtype = "F32";
  dtype.tensor(kAttention + "v_proj.bias").bytes.resize(64 * 4);
  expect_attention_apart(Planned(dtype, {{89}, {}}), why);
}

TEST(Fusion, MultipliersThatDifferAreNoObstacle) {
  CheckpointEditor editor(kLlama);
  const uint32_t bits[] = {0x3A800001, 0x3A800002, 0x3A800003};
  const char* parts[] = {"q_proj", "k_proj", "v_proj"};
  for (int p = 0; p < 3; ++p)
    editor.set_f32_bits(kAttention + parts[p] + ".weight_scale_2", bits[p]);
  const Planned planned(editor, {{89, 120}, {}});
  const Operand& qkv = planned.operand(kAttention + "qkv_proj");
  ASSERT_EQ(qkv.parts.size(), 3u);
  for (int p = 0; p < 3; ++p)
    EXPECT_EQ(planned.model().weights[qkv.parts[p].weight].multipliers[0].bits, bits[p]);
  const Component& multiplier = *testing::find_component(qkv.forms[0], ComponentKind::kMultiplier);
  EXPECT_EQ(multiplier.shape, Shape({3}));
  std::string bytes;
  for (const Constant& constant : planned.plan.constants)
    if (constant.offset_bytes == planned.blob(multiplier).offset_bytes)
      bytes.assign(reinterpret_cast<const char*>(constant.bytes.data()), constant.bytes.size());
  EXPECT_EQ(bytes, testing::u32_bytes({bits[0], bits[1], bits[2]}));
}

TEST(Fusion, APartThatWasLeftOut) {
  testing::Imported imported(kLlama);
  ASSERT_TRUE(imported.ok());
  ASSERT_TRUE(select_weights(*imported.model, {}, {"layers\\.0\\.self_attn\\.v_proj"}).ok());
  const auto plan = make_plan(*imported.model, {{89}, {}});
  ASSERT_TRUE(plan.ok());
  std::string fusion;
  for (const Operand& operand : plan->operands)
    if (operand.name == kAttention + "qkv_proj") fusion = operand.fusion;
  EXPECT_EQ(fusion, "fused: q_proj, k_proj");
}

}  // namespace
}  // namespace imp::plan
