// Tensor names: prefixes, layers, experts, roles.
#include <gtest/gtest.h>

#include "src/model/names.h"

namespace imp::model {
namespace {

constexpr uint32_t kNoNumber = 0xFFFFFFFFu;

struct Rename {
  const char* from;
  const char* to;
};

// Checkpoint formats, section 7.1, as far as text models of the supported architectures have them.
constexpr Rename kPrefixes[] = {
    {"model.layers.0.mlp.up_proj", "model.layers.0.mlp.up_proj"},
    {"model.language_model.layers.0.mlp.up_proj", "model.layers.0.mlp.up_proj"},
    {"model.language_model.embed_tokens", "model.embed_tokens"},
    {"model.language_model.norm", "model.norm"},
    {"language_model.model.layers.0.mlp.up_proj", "model.layers.0.mlp.up_proj"},
    {"language_model.model.embed_tokens", "model.embed_tokens"},
    {"language_model.model.norm", "model.norm"},
    {"language_model.layers.3.self_attn*", "model.layers.3.self_attn*"},
    {"language_model.embed_tokens", "model.embed_tokens"},
    {"language_model.norm", "model.norm"},
    {"language_model.lm_head", "lm_head"},
    {"model.lm_head", "lm_head"},
    {"model.language_model.lm_head", "lm_head"},
    {"lm_head", "lm_head"},
    // Only a whole prefix, and only once.
    {"model.language_models.layers.0", "model.language_models.layers.0"},
    {"xlanguage_model.model.norm", "xlanguage_model.model.norm"},
    {"model.language_model.language_model.model.norm", "model.language_model.model.norm"},
    {"", ""},
};

TEST(Names, PrefixesAreNormalised) {
  for (const Rename& row : kPrefixes) EXPECT_EQ(normalise_prefix(row.from), row.to) << row.from;
}

TEST(Names, ATensorOfALayer) {
  const auto name = parse_name("model.layers.12.self_attn.q_proj.weight_scale_2");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->module, "model.layers.12.self_attn.q_proj");
  EXPECT_EQ(name->leaf, "self_attn.q_proj");
  EXPECT_EQ(name->suffix, "weight_scale_2");
  EXPECT_EQ(name->layer, 12u);
  EXPECT_EQ(name->expert, kNoNumber);
}

TEST(Names, ATensorOfAnExpert) {
  const auto name = parse_name("language_model.model.layers.3.mlp.experts.17.gate_proj.weight");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->module, "model.layers.3.mlp.experts.*.gate_proj");
  EXPECT_EQ(name->leaf, "mlp.experts.*.gate_proj");
  EXPECT_EQ(name->suffix, "weight");
  EXPECT_EQ(name->layer, 3u);
  EXPECT_EQ(name->expert, 17u);
}

TEST(Names, ATensorOfNoLayer) {
  const auto name = parse_name("model.embed_tokens.weight");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->module, "model.embed_tokens");
  EXPECT_EQ(name->leaf, "model.embed_tokens");
  EXPECT_EQ(name->layer, kNoNumber);
  EXPECT_EQ(parse_name("model.lm_head.weight")->module, "lm_head");
}

TEST(Names, StackedExpertsAreNoExpert) {
  const auto name = parse_name("model.layers.0.mlp.experts.gate_up_proj.weight");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->leaf, "mlp.experts.gate_up_proj");
  EXPECT_EQ(name->expert, kNoNumber);
}

// One layer or expert has one name: no leading zeros, no signs, and kNone (2^32 - 1) stays "no
// layer".
TEST(Names, NumbersThatAreNone) {
  for (const char* number : {"00", "01", "-1", "+1", "", "1x", "x", "0x1", " 1", "1 ", "1.5e3",
                             "4294967295", "4294967296", "99999999999999999999", "*", "?"}) {
    const std::string text = number;
    const auto layer = parse_name("model.layers." + text + ".mlp.up_proj.weight");
    EXPECT_TRUE(!layer || text == "1.5e3") << text;
    if (text == "x" || text == "1.5e3") continue;  // a module of that name, which has no role
    EXPECT_FALSE(parse_name("model.layers.0.mlp.experts." + text + ".up_proj.weight").has_value())
        << text;
  }
  EXPECT_EQ(parse_name("model.layers.4294967294.mlp.up_proj.weight")->layer, 4294967294u);
  EXPECT_EQ(parse_name("model.layers.0.mlp.experts.4294967294.up_proj.weight")->expert,
            4294967294u);
  EXPECT_EQ(parse_name("model.layers.0.mlp.experts.0.up_proj.weight")->expert, 0u);
}

TEST(Names, WithoutMeaning) {
  for (const char* name : {"", "weight", "model.layers.0.weight", "model.layers..weight"})
    EXPECT_FALSE(parse_name(name).has_value()) << name;
}

struct RoleRow {
  const char* leaf;
  Role role;
  ModuleKind kind;
};

// Checkpoint formats, section 7.2, rows of Llama, Mistral, Qwen2, Qwen2-MoE, Qwen3 and Qwen3-MoE.
constexpr RoleRow kRoles[] = {
    {"model.embed_tokens", Role::kTokenEmbedding, ModuleKind::kEmbedding},
    {"lm_head", Role::kLmHead, ModuleKind::kLinear},
    {"model.norm", Role::kFinalNorm, ModuleKind::kNorm},
    {"input_layernorm", Role::kAttnNorm, ModuleKind::kNorm},
    {"post_attention_layernorm", Role::kFfnNorm, ModuleKind::kNorm},
    {"self_attn.q_proj", Role::kAttnQ, ModuleKind::kLinear},
    {"self_attn.k_proj", Role::kAttnK, ModuleKind::kLinear},
    {"self_attn.v_proj", Role::kAttnV, ModuleKind::kLinear},
    {"self_attn.o_proj", Role::kAttnO, ModuleKind::kLinear},
    {"self_attn.q_norm", Role::kAttnQNorm, ModuleKind::kNorm},
    {"self_attn.k_norm", Role::kAttnKNorm, ModuleKind::kNorm},
    {"mlp.gate_proj", Role::kFfnGate, ModuleKind::kLinear},
    {"mlp.up_proj", Role::kFfnUp, ModuleKind::kLinear},
    {"mlp.down_proj", Role::kFfnDown, ModuleKind::kLinear},
    {"mlp.gate", Role::kRouter, ModuleKind::kLinear},
    {"mlp.experts.*.gate_proj", Role::kExpertGate, ModuleKind::kLinear},
    {"mlp.experts.*.up_proj", Role::kExpertUp, ModuleKind::kLinear},
    {"mlp.experts.*.down_proj", Role::kExpertDown, ModuleKind::kLinear},
    {"mlp.shared_expert.gate_proj", Role::kSharedGate, ModuleKind::kLinear},
    {"mlp.shared_expert.up_proj", Role::kSharedUp, ModuleKind::kLinear},
    {"mlp.shared_expert.down_proj", Role::kSharedDown, ModuleKind::kLinear},
    {"mlp.shared_expert_gate", Role::kSharedGateScalar, ModuleKind::kLinear},
};

TEST(Roles, OfLeaves) {
  for (const RoleRow& row : kRoles) {
    const auto role = role_of_leaf(row.leaf);
    ASSERT_TRUE(role.has_value()) << row.leaf;
    EXPECT_EQ(role_name(role->role), role_name(row.role)) << row.leaf;
    EXPECT_EQ(role->kind, row.kind) << row.leaf;
  }
}

TEST(Roles, OfOtherModels) {
  for (const char* leaf :
       {"", "self_attn.qkv_proj", "mlp.gate_up_proj", "mlp.experts.gate_up_proj",
        "self_attn.q_a_proj", "block_sparse_moe.gate", "mlp.shared_experts.up_proj",
        "linear_attn.conv1d", "self_attn.sinks", "pre_feedforward_layernorm", "MLP.up_proj",
        "mlp.up_proj.x", "visual.patch_embed", "model.layers"})
    EXPECT_FALSE(role_of_leaf(leaf).has_value()) << leaf;
}

TEST(Roles, NumbersAreFrozen) {
  // formats/imp/SPEC.md, registry "roles".
  EXPECT_EQ(static_cast<int>(Role::kTokenEmbedding), 1);
  EXPECT_EQ(static_cast<int>(Role::kAttnQkv), 20);
  EXPECT_EQ(static_cast<int>(Role::kAttnO), 24);
  EXPECT_EQ(static_cast<int>(Role::kFfnGateUp), 40);
  EXPECT_EQ(static_cast<int>(Role::kExpertGateUp), 52);
  EXPECT_EQ(static_cast<int>(Role::kSharedGateScalar), 64);
  EXPECT_EQ(role_name(static_cast<Role>(9999)), "?");
}

TEST(Roles, ExecutionOrderIsThatOfAForwardPass) {
  const Role order[] = {Role::kTokenEmbedding, Role::kAttnNorm,  Role::kAttnQ,   Role::kAttnK,
                        Role::kAttnV,          Role::kAttnQNorm, Role::kAttnO,   Role::kFfnNorm,
                        Role::kFfnGate,        Role::kFfnUp,     Role::kFfnDown, Role::kFinalNorm,
                        Role::kLmHead};
  for (size_t i = 1; i < std::size(order); ++i)
    EXPECT_LT(execution_rank(order[i - 1]), execution_rank(order[i])) << i;
}

}  // namespace
}  // namespace imp::model
