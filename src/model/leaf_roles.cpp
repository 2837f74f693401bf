// The table of checkpoint-formats 7.2: what a module is by the end of its name.
#include <algorithm>
#include <initializer_list>

#include "src/model/names.h"

namespace imp::model {
namespace {

struct LeafRow {
  std::string_view leaf;
  ModuleRole role;
};

constexpr ModuleRole linear(Role role) { return {role, ModuleKind::kLinear}; }
constexpr ModuleRole norm(Role role) { return {role, ModuleKind::kNorm}; }
constexpr ModuleRole other(Role role) { return {role, ModuleKind::kOther}; }

// Names that need no family of prefixes.
constexpr LeafRow kLeaves[] = {
    {"model.embed_tokens", {Role::kTokenEmbedding, ModuleKind::kEmbedding}},
    {"model.embeddings", {Role::kTokenEmbedding, ModuleKind::kEmbedding}},
    {"model.norm", norm(Role::kFinalNorm)},
    {"model.norm_f", norm(Role::kFinalNorm)},
    {"lm_head", linear(Role::kLmHead)},
    {"input_layernorm", norm(Role::kAttnNorm)},
    {"attention_norm", norm(Role::kAttnNorm)},
    {"attn_norm", norm(Role::kAttnNorm)},
    {"norm", norm(Role::kMixerNorm)},
    {"post_attention_layernorm", norm(Role::kFfnNorm)},
    {"ffn_norm", norm(Role::kFfnNorm)},
    {"pre_feedforward_layernorm", norm(Role::kFfnNorm)},
    {"post_feedforward_layernorm", norm(Role::kPostFfnNorm)},
    {"post_self_attn_layernorm", norm(Role::kPostAttnNorm)},
    {"post_mlp_layernorm", norm(Role::kPostFfnNorm)},
    {"mlp.gate", linear(Role::kRouter)},
    {"mlp.router", linear(Role::kRouter)},
    {"block_sparse_moe.gate", linear(Role::kRouter)},
    {"feed_forward.router", linear(Role::kRouter)},
    {"mixer.gate", linear(Role::kRouter)},
    {"ffn.gate", linear(Role::kRouter)},
    {"moe.gate", linear(Role::kRouter)},
    {"router.proj", linear(Role::kRouter)},
    {"gate", linear(Role::kRouter)},
    {"mlp.gate.e_score_correction_bias", other(Role::kRouterBias)},
    {"mixer.gate.e_score_correction_bias", other(Role::kRouterBias)},
    {"mlp.experts.e_score_correction_bias", other(Role::kRouterBias)},
    {"block_sparse_moe.e_score_correction_bias", other(Role::kRouterBias)},
    {"router.scale", other(Role::kRouterScale)},
    {"router.per_expert_scale", other(Role::kRouterExpertScale)},
    {"mixer.fc1_latent_proj", linear(Role::kLatentDown)},
    {"mixer.fc2_latent_proj", linear(Role::kLatentUp)},
    {"mlp.shared_expert_gate", linear(Role::kSharedGateScalar)},
    {"linear_attn.in_proj_qkvz", linear(Role::kGdnQkvz)},
    {"linear_attn.in_proj_qkv", linear(Role::kGdnQkv)},
    {"linear_attn.in_proj_z", linear(Role::kGdnZ)},
    {"linear_attn.in_proj_ba", linear(Role::kGdnBa)},
    {"linear_attn.in_proj_b", linear(Role::kGdnB)},
    {"linear_attn.in_proj_a", linear(Role::kGdnA)},
    {"linear_attn.conv1d", other(Role::kGdnConv)},
    {"linear_attn.A_log", other(Role::kGdnALog)},
    {"linear_attn.dt_bias", other(Role::kGdnDtBias)},
    {"linear_attn.norm", norm(Role::kGdnNorm)},
    {"linear_attn.out_proj", linear(Role::kGdnOut)},
    {"mixer.in_proj", linear(Role::kMambaIn)},
    {"mixer.conv1d", other(Role::kMambaConv)},
    {"mixer.A_log", other(Role::kMambaALog)},
    {"mixer.D", other(Role::kMambaD)},
    {"mixer.dt_bias", other(Role::kMambaDtBias)},
    {"mixer.norm", norm(Role::kMambaNorm)},
    {"mixer.out_proj", linear(Role::kMambaOut)},
    {"layer_scalar", other(Role::kLayerScalar)},
    {"per_layer_input_gate", linear(Role::kPerLayerGate)},
    {"per_layer_projection", linear(Role::kPerLayerProjection)},
    {"post_per_layer_input_norm", norm(Role::kPerLayerNorm)},
    {"embed_tokens", {Role::kMtpEmbedding, ModuleKind::kEmbedding}},
    {"enorm", norm(Role::kMtpEmbeddingNorm)},
    {"hnorm", norm(Role::kMtpHiddenNorm)},
    {"eh_proj", linear(Role::kMtpProjection)},
    {"shared_head.norm", norm(Role::kMtpNorm)},
    {"shared_head.head", linear(Role::kMtpHead)},
};

// Behind "self_attn.", "attention." (Mistral), "attn." (DeepSeek), "mixer." (Nemotron-H).
constexpr LeafRow kAttention[] = {
    {"qkv_proj", linear(Role::kAttnQkv)},
    {"q_proj", linear(Role::kAttnQ)},
    {"wq", linear(Role::kAttnQ)},
    {"k_proj", linear(Role::kAttnK)},
    {"wk", linear(Role::kAttnK)},
    {"v_proj", linear(Role::kAttnV)},
    {"wv", linear(Role::kAttnV)},
    {"o_proj", linear(Role::kAttnO)},
    {"wo", linear(Role::kAttnO)},
    {"q_norm", norm(Role::kAttnQNorm)},
    {"k_norm", norm(Role::kAttnKNorm)},
    {"sinks", other(Role::kAttnSinks)},
    {"kv_scale", other(Role::kKvScale)},
    {"q_a_proj", linear(Role::kMlaQA)},
    {"wq_a", linear(Role::kMlaQA)},
    {"q_a_layernorm", norm(Role::kMlaQANorm)},
    {"q_a_norm", norm(Role::kMlaQANorm)},
    {"q_b_proj", linear(Role::kMlaQB)},
    {"wq_b", linear(Role::kMlaQB)},
    {"kv_a_proj_with_mqa", linear(Role::kMlaKvA)},
    {"wkv_a_with_mqa", linear(Role::kMlaKvA)},
    {"wkv_a", linear(Role::kMlaKvA)},
    {"kv_a_layernorm", norm(Role::kMlaKvANorm)},
    {"kv_a_norm", norm(Role::kMlaKvANorm)},
    {"kv_norm", norm(Role::kMlaKvANorm)},
    {"kv_b_proj", linear(Role::kMlaKvB)},
    {"kv_b_proj.k_b", other(Role::kMlaKvB)},  // halves of GGUF (model.h, StoredAs)
    {"kv_b_proj.v_b", other(Role::kMlaKvB)},
    {"wkv_b", linear(Role::kMlaKvB)},
    {"indexer.wq_b", linear(Role::kDsaQB)},
    {"indexer.wk", linear(Role::kDsaK)},
    {"indexer.k_norm", norm(Role::kDsaKNorm)},
    {"indexer.weights_proj", linear(Role::kDsaWeights)},
};
constexpr std::string_view kAttentionParents[] = {"self_attn.", "attention.", "attn.", "mixer."};

/// The parts of a feed-forward block, under the names of every family (w1 gate, w3 up, w2 down).
struct Parts {
  ModuleRole gate_up, gate, up, down;
};
constexpr Parts kDense{linear(Role::kFfnGateUp), linear(Role::kFfnGate), linear(Role::kFfnUp),
                       linear(Role::kFfnDown)};
constexpr Parts kRouted{linear(Role::kExpertGateUp), linear(Role::kExpertGate),
                        linear(Role::kExpertUp), linear(Role::kExpertDown)};
constexpr Parts kShared{linear(Role::kSharedGateUp), linear(Role::kSharedGate),
                        linear(Role::kSharedUp), linear(Role::kSharedDown)};
constexpr std::string_view kDenseParents[] = {"mlp.", "feed_forward.", "ffn.", "mixer."};
constexpr std::string_view kRoutedParents[] = {"mlp.experts.",
                                               "block_sparse_moe.experts.",
                                               "feed_forward.experts.",
                                               "ffn.experts.",
                                               "moe.experts.",
                                               "mixer.experts.",
                                               "experts.",
                                               "moe."};
constexpr std::string_view kSharedParents[] = {
    "mlp.shared_expert.",  "mlp.shared_experts.",   "feed_forward.shared_expert.",
    "ffn.shared_experts.", "mixer.shared_experts.", "shared_experts.",
    "share_expert."};

// No text: kept as they are (checkpoint-formats 7.1), with or without "model." before them.
constexpr std::string_view kTowers[] = {
    "visual.",       "vision_tower.",          "vision_model.", "vision_encoder.",
    "audio_tower.",  "vision_adapter.",        "embed_vision.", "embed_audio.",
    "mm_projector.", "multi_modal_projector.", "patch_merger.", "vision_language_adapter."};

/// `leaf` without the longest of `parents` that it begins with; empty if it begins with none.
template <size_t kCount>
std::string_view behind(std::string_view leaf, const std::string_view (&parents)[kCount]) {
  std::string_view rest;
  for (const std::string_view parent : parents)
    if (leaf.starts_with(parent) && (rest.empty() || leaf.size() - parent.size() < rest.size()))
      rest = leaf.substr(parent.size());
  return rest;
}

std::optional<ModuleRole> part_of(std::string_view name, const Parts& parts) {
  if (name == "gate_up_proj") return parts.gate_up;
  if (name == "gate_proj" || name == "w1") return parts.gate;
  if (name == "up_proj" || name == "w3") return parts.up;
  if (name == "down_proj" || name == "w2") return parts.down;
  return std::nullopt;
}

template <size_t kCount>
std::optional<ModuleRole> find_row(std::string_view leaf, const LeafRow (&rows)[kCount]) {
  for (const LeafRow& row : rows)
    if (row.leaf == leaf) return row.role;
  return std::nullopt;
}

}  // namespace

bool is_tower(std::string_view name) {
  if (name.starts_with("model.")) name.remove_prefix(6);
  return std::any_of(std::begin(kTowers), std::end(kTowers),
                     [&](std::string_view tower) { return name.starts_with(tower); });
}

std::optional<ModuleRole> role_of_leaf(std::string_view leaf) {
  if (is_tower(leaf)) return other(Role::kOther);
  if (const auto role = find_row(leaf, kLeaves)) return role;
  if (const auto role = find_row(behind(leaf, kAttentionParents), kAttention)) return role;
  std::string_view routed = behind(leaf, kRoutedParents);
  if (routed.starts_with("*.")) routed.remove_prefix(2);
  if (const auto role = part_of(routed, kRouted)) return role;
  if (const auto role = part_of(behind(leaf, kSharedParents), kShared)) return role;
  return part_of(behind(leaf, kDenseParents), kDense);
}

}  // namespace imp::model
