// What each module does: the table of checkpoint formats, section 7.2, row by row.
#include <gtest/gtest.h>

#include <set>

#include "src/model/layer_roles.h"
#include "src/model/names.h"

namespace imp::model {
namespace {

using enum ModuleKind;

struct RoleRow {
  const char* leaf;
  Role role;
  ModuleKind kind;
};

constexpr RoleRow kRoles[] = {
    {"model.embed_tokens", Role::kTokenEmbedding, kEmbedding},
    {"lm_head", Role::kLmHead, kLinear},
    {"model.norm", Role::kFinalNorm, kNorm},
    {"input_layernorm", Role::kAttnNorm, kNorm},
    {"attention_norm", Role::kAttnNorm, kNorm},
    {"attn_norm", Role::kAttnNorm, kNorm},
    {"norm", Role::kMixerNorm, kNorm},
    {"post_attention_layernorm", Role::kFfnNorm, kNorm},
    {"ffn_norm", Role::kFfnNorm, kNorm},
    {"pre_feedforward_layernorm", Role::kFfnNorm, kNorm},
    {"post_feedforward_layernorm", Role::kPostFfnNorm, kNorm},
    {"self_attn.q_proj", Role::kAttnQ, kLinear},
    {"self_attn.k_proj", Role::kAttnK, kLinear},
    {"self_attn.v_proj", Role::kAttnV, kLinear},
    {"self_attn.o_proj", Role::kAttnO, kLinear},
    {"attention.wq", Role::kAttnQ, kLinear},
    {"attention.wk", Role::kAttnK, kLinear},
    {"attention.wv", Role::kAttnV, kLinear},
    {"attention.wo", Role::kAttnO, kLinear},
    {"mixer.q_proj", Role::kAttnQ, kLinear},
    {"mixer.o_proj", Role::kAttnO, kLinear},
    {"self_attn.qkv_proj", Role::kAttnQkv, kLinear},
    {"self_attn.q_norm", Role::kAttnQNorm, kNorm},
    {"self_attn.k_norm", Role::kAttnKNorm, kNorm},
    {"self_attn.sinks", Role::kAttnSinks, kOther},
    {"self_attn.q_a_proj", Role::kMlaQA, kLinear},
    {"self_attn.q_a_layernorm", Role::kMlaQANorm, kNorm},
    {"self_attn.q_b_proj", Role::kMlaQB, kLinear},
    {"self_attn.kv_a_proj_with_mqa", Role::kMlaKvA, kLinear},
    {"self_attn.kv_a_layernorm", Role::kMlaKvANorm, kNorm},
    {"self_attn.kv_b_proj", Role::kMlaKvB, kLinear},
    {"self_attn.indexer.wq_b", Role::kDsaQB, kLinear},
    {"self_attn.indexer.wk", Role::kDsaK, kLinear},
    {"self_attn.indexer.weights_proj", Role::kDsaWeights, kLinear},
    {"self_attn.indexer.k_norm", Role::kDsaKNorm, kNorm},
    {"mlp.gate_proj", Role::kFfnGate, kLinear},
    {"mlp.up_proj", Role::kFfnUp, kLinear},
    {"mlp.down_proj", Role::kFfnDown, kLinear},
    {"feed_forward.gate_proj", Role::kFfnGate, kLinear},
    {"feed_forward.w1", Role::kFfnGate, kLinear},
    {"feed_forward.w3", Role::kFfnUp, kLinear},
    {"feed_forward.w2", Role::kFfnDown, kLinear},
    {"mlp.gate_up_proj", Role::kFfnGateUp, kLinear},
    {"mlp.gate", Role::kRouter, kLinear},
    {"block_sparse_moe.gate", Role::kRouter, kLinear},
    {"feed_forward.router", Role::kRouter, kLinear},
    {"mlp.router", Role::kRouter, kLinear},
    {"mixer.gate", Role::kRouter, kLinear},
    {"router.proj", Role::kRouter, kLinear},
    {"mlp.gate.e_score_correction_bias", Role::kRouterBias, kOther},
    {"mixer.gate.e_score_correction_bias", Role::kRouterBias, kOther},
    {"mlp.experts.e_score_correction_bias", Role::kRouterBias, kOther},
    {"mlp.experts.*.gate_proj", Role::kExpertGate, kLinear},
    {"mlp.experts.*.up_proj", Role::kExpertUp, kLinear},
    {"mlp.experts.*.down_proj", Role::kExpertDown, kLinear},
    {"block_sparse_moe.experts.*.w1", Role::kExpertGate, kLinear},
    {"block_sparse_moe.experts.*.w3", Role::kExpertUp, kLinear},
    {"block_sparse_moe.experts.*.w2", Role::kExpertDown, kLinear},
    {"ffn.experts.*.w1", Role::kExpertGate, kLinear},
    {"ffn.experts.*.w2", Role::kExpertDown, kLinear},
    {"feed_forward.experts.*.up_proj", Role::kExpertUp, kLinear},
    {"experts.*.down_proj", Role::kExpertDown, kLinear},
    {"moe.experts.*.gate_proj", Role::kExpertGate, kLinear},
    {"mixer.experts.*.up_proj", Role::kExpertUp, kLinear},
    {"mlp.experts.gate_up_proj", Role::kExpertGateUp, kLinear},
    {"mlp.experts.down_proj", Role::kExpertDown, kLinear},
    {"feed_forward.experts.gate_up_proj", Role::kExpertGateUp, kLinear},
    {"moe.up_proj", Role::kExpertUp, kLinear},
    {"mlp.shared_expert.gate_proj", Role::kSharedGate, kLinear},
    {"mlp.shared_expert.up_proj", Role::kSharedUp, kLinear},
    {"mlp.shared_expert.down_proj", Role::kSharedDown, kLinear},
    {"mlp.shared_expert_gate", Role::kSharedGateScalar, kLinear},
    {"mlp.shared_experts.up_proj", Role::kSharedUp, kLinear},
    {"feed_forward.shared_expert.down_proj", Role::kSharedDown, kLinear},
    {"mixer.shared_experts.up_proj", Role::kSharedUp, kLinear},
    {"linear_attn.in_proj_qkv", Role::kGdnQkv, kLinear},
    {"linear_attn.in_proj_z", Role::kGdnZ, kLinear},
    {"linear_attn.in_proj_a", Role::kGdnA, kLinear},
    {"linear_attn.in_proj_b", Role::kGdnB, kLinear},
    {"linear_attn.in_proj_qkvz", Role::kGdnQkvz, kLinear},
    {"linear_attn.in_proj_ba", Role::kGdnBa, kLinear},
    {"linear_attn.conv1d", Role::kGdnConv, kOther},
    {"linear_attn.A_log", Role::kGdnALog, kOther},
    {"linear_attn.dt_bias", Role::kGdnDtBias, kOther},
    {"linear_attn.norm", Role::kGdnNorm, kNorm},
    {"linear_attn.out_proj", Role::kGdnOut, kLinear},
    {"mixer.in_proj", Role::kMambaIn, kLinear},
    {"mixer.out_proj", Role::kMambaOut, kLinear},
    {"mixer.conv1d", Role::kMambaConv, kOther},
    {"mixer.A_log", Role::kMambaALog, kOther},
    {"mixer.D", Role::kMambaD, kOther},
    {"mixer.dt_bias", Role::kMambaDtBias, kOther},
    {"mixer.norm", Role::kMambaNorm, kNorm},
    {"mixer.up_proj", Role::kFfnUp, kLinear},
    {"mixer.down_proj", Role::kFfnDown, kLinear},
    {"mixer.fc1_latent_proj", Role::kLatentDown, kLinear},
    {"mixer.fc2_latent_proj", Role::kLatentUp, kLinear},
    {"layer_scalar", Role::kLayerScalar, kOther},
    {"per_layer_input_gate", Role::kPerLayerGate, kLinear},
    {"per_layer_projection", Role::kPerLayerProjection, kLinear},
    {"post_per_layer_input_norm", Role::kPerLayerNorm, kNorm},
    {"router.scale", Role::kRouterScale, kOther},
    {"router.per_expert_scale", Role::kRouterExpertScale, kOther},
    {"embed_tokens", Role::kMtpEmbedding, kEmbedding},
    {"enorm", Role::kMtpEmbeddingNorm, kNorm},
    {"hnorm", Role::kMtpHiddenNorm, kNorm},
    {"eh_proj", Role::kMtpProjection, kLinear},
    {"shared_head.norm", Role::kMtpNorm, kNorm},
    {"shared_head.head", Role::kMtpHead, kLinear},
    {"model.visual.blocks.0.attn.qkv", Role::kOther, kOther},
    {"vision_tower.encoder.layers.0.self_attn.q_proj", Role::kOther, kOther},
};

TEST(Roles, OfLeaves) {
  for (const RoleRow& row : kRoles) {
    const auto role = role_of_leaf(row.leaf);
    ASSERT_TRUE(role.has_value()) << row.leaf;
    EXPECT_EQ(role_name(role->role), role_name(row.role)) << row.leaf;
    EXPECT_EQ(role->kind, row.kind) << row.leaf;
  }
}

TEST(Roles, OfNothingKnown) {
  for (const char* leaf :
       {"", "MLP.up_proj", "mlp.up_proj.x", "xmlp.up_proj", "model.layers", "self_attn",
        "self_attn.", "mlp.experts", "mlp.experts.*", "mlp.experts.*.", "mlp.experts.*.w4",
        "mlp.experts.*.*.w1", "experts.gate_proj.x", "transformer.h.0.attn.c_attn",
        "altup.router_norm", "q_proj", "model.layers.0.mlp.up_proj"})
    EXPECT_FALSE(role_of_leaf(leaf).has_value()) << leaf;
}

struct NumberRow {
  Role role;
  int number;
  const char* name;
};

// formats/imp/SPEC.md, registry "roles": what is stored in files.
constexpr NumberRow kNumbers[] = {
    {Role::kTokenEmbedding, 1, "token_embedding"},
    {Role::kLmHead, 2, "lm_head"},
    {Role::kFinalNorm, 3, "final_norm"},
    {Role::kAttnNorm, 10, "attn_norm"},
    {Role::kFfnNorm, 11, "ffn_norm"},
    {Role::kPostAttnNorm, 12, "post_attn_norm"},
    {Role::kPostFfnNorm, 13, "post_ffn_norm"},
    {Role::kMixerNorm, 14, "mixer_norm"},
    {Role::kAttnQkv, 20, "attn_qkv"},
    {Role::kAttnO, 24, "attn_o"},
    {Role::kAttnSinks, 27, "attn_sinks"},
    {Role::kKvKScale, 30, "kv_k_scale"},
    {Role::kKvVBias, 34, "kv_v_bias"},
    {Role::kKvScale, 35, "kv_scale"},
    {Role::kFfnGateUp, 40, "ffn_gate_up"},
    {Role::kRouter, 50, "router"},
    {Role::kRouterBias, 51, "router_bias"},
    {Role::kExpertGateUp, 52, "expert_gate_up"},
    {Role::kLatentUp, 59, "latent_up"},
    {Role::kSharedGateScalar, 64, "shared_gate_scalar"},
    {Role::kMlaQKvA, 70, "mla_q_kv_a"},
    {Role::kMlaKvB, 77, "mla_kv_b"},
    {Role::kDsaQB, 80, "dsa_q_b"},
    {Role::kDsaWeights, 83, "dsa_weights"},
    {Role::kGdnQkvz, 90, "gdn_qkvz"},
    {Role::kGdnOut, 100, "gdn_out"},
    {Role::kMambaIn, 110, "mamba_in"},
    {Role::kMambaOut, 116, "mamba_out"},
    {Role::kLayerScalar, 120, "layer_scalar"},
    {Role::kPerLayerNorm, 123, "per_layer_norm"},
    {Role::kMtpEmbedding, 130, "mtp_embedding"},
    {Role::kMtpHead, 135, "mtp_head"},
    {Role::kOther, 999, "other"},
};

TEST(Roles, NumbersAndNamesAreFrozen) {
  for (const NumberRow& row : kNumbers) {
    EXPECT_EQ(static_cast<int>(row.role), row.number) << row.name;
    EXPECT_EQ(role_name(row.role), row.name);
  }
  EXPECT_EQ(role_name(static_cast<Role>(9999)), "?");
}

TEST(Roles, ExecutionOrderIsThatOfAForwardPass) {
  const std::vector<std::vector<Role>> passes = {
      {Role::kTokenEmbedding, Role::kAttnNorm, Role::kAttnQ, Role::kAttnK, Role::kAttnV,
       Role::kAttnQNorm, Role::kAttnO, Role::kFfnNorm, Role::kFfnGate, Role::kFfnUp, Role::kFfnDown,
       Role::kFinalNorm, Role::kLmHead},
      {Role::kAttnNorm, Role::kAttnQkv, Role::kAttnO, Role::kPostAttnNorm, Role::kFfnNorm,
       Role::kFfnGateUp, Role::kFfnDown, Role::kPostFfnNorm, Role::kPerLayerGate,
       Role::kPerLayerProjection, Role::kPerLayerNorm, Role::kLayerScalar},
      {Role::kMlaQA, Role::kMlaQANorm, Role::kMlaQB, Role::kMlaKvA, Role::kMlaKvANorm,
       Role::kMlaKvB, Role::kAttnO, Role::kRouter, Role::kRouterBias, Role::kExpertGateUp,
       Role::kExpertDown, Role::kSharedUp},
      {Role::kAttnNorm, Role::kGdnQkv, Role::kGdnConv, Role::kGdnNorm, Role::kGdnOut,
       Role::kFfnNorm},
      {Role::kMixerNorm, Role::kMambaIn, Role::kMambaConv, Role::kMambaNorm, Role::kMambaOut},
      {Role::kRouter, Role::kLatentDown, Role::kExpertUp, Role::kExpertDown, Role::kLatentUp},
      {Role::kMtpEmbedding, Role::kMtpProjection, Role::kAttnNorm, Role::kFfnDown, Role::kMtpNorm,
       Role::kMtpHead},
  };
  for (const auto& pass : passes)
    for (size_t i = 1; i < pass.size(); ++i)
      EXPECT_LT(execution_rank(pass[i - 1]), execution_rank(pass[i]))
          << role_name(pass[i - 1]) << " before " << role_name(pass[i]);
}

TEST(Roles, RanksAreDifferent) {
  std::set<uint32_t> ranks;
  for (const RoleRow& row : kRoles)
    if (row.role != Role::kOther) ranks.insert(execution_rank(row.role));
  std::set<Role> roles;
  for (const RoleRow& row : kRoles)
    if (row.role != Role::kOther) roles.insert(row.role);
  EXPECT_EQ(ranks.size(), roles.size());
}

Role settled(std::initializer_list<const char*> layer, const char* leaf) {
  LayerTraits traits;
  for (const char* member : layer) traits.add(member);
  return traits.settle(leaf, role_of_leaf(leaf)->role);
}

TEST(LayerRoles, PostAttentionNormOfLlamaAndOfGemma) {
  EXPECT_EQ(settled({"input_layernorm", "post_attention_layernorm", "mlp.up_proj"},
                    "post_attention_layernorm"),
            Role::kFfnNorm);
  EXPECT_EQ(settled({"input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
                     "post_feedforward_layernorm"},
                    "post_attention_layernorm"),
            Role::kPostAttnNorm);
  // OLMo 2: norms behind the parts only.
  EXPECT_EQ(settled({"post_attention_layernorm", "post_feedforward_layernorm"},
                    "post_attention_layernorm"),
            Role::kPostAttnNorm);
  EXPECT_EQ(settled({"pre_feedforward_layernorm", "post_feedforward_layernorm"},
                    "pre_feedforward_layernorm"),
            Role::kFfnNorm);
}

TEST(LayerRoles, AQueryBesideALatentKv) {
  EXPECT_EQ(settled({"self_attn.q_proj", "self_attn.k_proj"}, "self_attn.q_proj"), Role::kAttnQ);
  EXPECT_EQ(settled({"self_attn.q_proj", "self_attn.kv_a_proj_with_mqa"}, "self_attn.q_proj"),
            Role::kMlaQ);
  EXPECT_EQ(settled({"attn.wq", "attn.wkv_a"}, "attn.wq"), Role::kMlaQ);
}

}  // namespace
}  // namespace imp::model
