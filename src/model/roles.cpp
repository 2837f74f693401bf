#include "src/model/roles.h"

#include <iterator>

namespace imp::model {
namespace {

struct Row {
  Role role;
  std::string_view name;
};

// In the order of a forward pass.
constexpr Row kRows[] = {
    {Role::kTokenEmbedding, "token_embedding"},
    {Role::kMtpEmbedding, "mtp_embedding"},
    {Role::kMtpEmbeddingNorm, "mtp_embedding_norm"},
    {Role::kMtpHiddenNorm, "mtp_hidden_norm"},
    {Role::kMtpProjection, "mtp_projection"},
    {Role::kMixerNorm, "mixer_norm"},
    {Role::kAttnNorm, "attn_norm"},
    {Role::kMlaQKvA, "mla_q_kv_a"},
    {Role::kMlaQ, "mla_q"},
    {Role::kMlaQA, "mla_q_a"},
    {Role::kMlaQANorm, "mla_q_a_norm"},
    {Role::kMlaQB, "mla_q_b"},
    {Role::kMlaKvA, "mla_kv_a"},
    {Role::kMlaKvANorm, "mla_kv_a_norm"},
    {Role::kMlaKvB, "mla_kv_b"},
    {Role::kDsaQB, "dsa_q_b"},
    {Role::kDsaK, "dsa_k"},
    {Role::kDsaKNorm, "dsa_k_norm"},
    {Role::kDsaWeights, "dsa_weights"},
    {Role::kAttnQkv, "attn_qkv"},
    {Role::kAttnQ, "attn_q"},
    {Role::kAttnK, "attn_k"},
    {Role::kAttnV, "attn_v"},
    {Role::kAttnQNorm, "attn_q_norm"},
    {Role::kAttnKNorm, "attn_k_norm"},
    {Role::kAttnSinks, "attn_sinks"},
    {Role::kKvKScale, "kv_k_scale"},
    {Role::kKvVScale, "kv_v_scale"},
    {Role::kKvQScale, "kv_q_scale"},
    {Role::kKvKBias, "kv_k_bias"},
    {Role::kKvVBias, "kv_v_bias"},
    {Role::kKvScale, "kv_scale"},
    {Role::kAttnO, "attn_o"},
    {Role::kGdnQkvz, "gdn_qkvz"},
    {Role::kGdnQkv, "gdn_qkv"},
    {Role::kGdnZ, "gdn_z"},
    {Role::kGdnBa, "gdn_ba"},
    {Role::kGdnB, "gdn_b"},
    {Role::kGdnA, "gdn_a"},
    {Role::kGdnConv, "gdn_conv"},
    {Role::kGdnALog, "gdn_a_log"},
    {Role::kGdnDtBias, "gdn_dt_bias"},
    {Role::kGdnNorm, "gdn_norm"},
    {Role::kGdnOut, "gdn_out"},
    {Role::kMambaIn, "mamba_in"},
    {Role::kMambaConv, "mamba_conv"},
    {Role::kMambaALog, "mamba_a_log"},
    {Role::kMambaDtBias, "mamba_dt_bias"},
    {Role::kMambaD, "mamba_d"},
    {Role::kMambaNorm, "mamba_norm"},
    {Role::kMambaOut, "mamba_out"},
    {Role::kPostAttnNorm, "post_attn_norm"},
    {Role::kFfnNorm, "ffn_norm"},
    {Role::kFfnGateUp, "ffn_gate_up"},
    {Role::kFfnGate, "ffn_gate"},
    {Role::kFfnUp, "ffn_up"},
    {Role::kFfnDown, "ffn_down"},
    {Role::kRouterScale, "router_scale"},
    {Role::kRouter, "router"},
    {Role::kRouterBias, "router_bias"},
    {Role::kRouterExpertScale, "router_expert_scale"},
    {Role::kLatentDown, "latent_down"},
    {Role::kExpertGateUp, "expert_gate_up"},
    {Role::kExpertGate, "expert_gate"},
    {Role::kExpertUp, "expert_up"},
    {Role::kExpertDown, "expert_down"},
    {Role::kLatentUp, "latent_up"},
    {Role::kSharedGateUp, "shared_gate_up"},
    {Role::kSharedGate, "shared_gate"},
    {Role::kSharedUp, "shared_up"},
    {Role::kSharedDown, "shared_down"},
    {Role::kSharedGateScalar, "shared_gate_scalar"},
    {Role::kPostFfnNorm, "post_ffn_norm"},
    {Role::kPerLayerGate, "per_layer_gate"},
    {Role::kPerLayerProjection, "per_layer_projection"},
    {Role::kPerLayerNorm, "per_layer_norm"},
    {Role::kLayerScalar, "layer_scalar"},
    {Role::kMtpNorm, "mtp_norm"},
    {Role::kMtpHead, "mtp_head"},
    {Role::kOther, "other"},
    {Role::kFinalNorm, "final_norm"},
    {Role::kLmHead, "lm_head"},
};

}  // namespace

std::string_view role_name(Role role) {
  for (const Row& row : kRows)
    if (row.role == role) return row.name;
  return "?";
}

uint32_t execution_rank(Role role) {
  for (uint32_t i = 0; i < std::size(kRows); ++i)
    if (kRows[i].role == role) return i;
  return static_cast<uint32_t>(std::size(kRows));
}

}  // namespace imp::model
