#include "src/model/usual_leaves.h"

#include <algorithm>
#include <utility>

#include "src/model/names.h"

namespace imp::model {
namespace {

// The first of a role is the one to name where nothing else decides.
constexpr std::pair<Role, std::string_view> kUsual[] = {
    {Role::kTokenEmbedding, "model.embed_tokens"},
    {Role::kFinalNorm, "model.norm"},
    {Role::kLmHead, "lm_head"},
    {Role::kAttnNorm, "input_layernorm"},
    {Role::kFfnNorm, "post_attention_layernorm"},
    {Role::kPostAttnNorm, "post_attention_layernorm"},
    {Role::kPostFfnNorm, "post_feedforward_layernorm"},
    {Role::kMixerNorm, "norm"},
    {Role::kAttnQkv, "self_attn.qkv_proj"},
    {Role::kAttnQ, "self_attn.q_proj"},
    {Role::kAttnQ, "attention.wq"},
    {Role::kAttnQ, "mixer.q_proj"},
    {Role::kAttnK, "self_attn.k_proj"},
    {Role::kAttnK, "attention.wk"},
    {Role::kAttnK, "mixer.k_proj"},
    {Role::kAttnV, "self_attn.v_proj"},
    {Role::kAttnV, "attention.wv"},
    {Role::kAttnV, "mixer.v_proj"},
    {Role::kAttnO, "self_attn.o_proj"},
    {Role::kAttnO, "attention.wo"},
    {Role::kAttnO, "mixer.o_proj"},
    {Role::kAttnQNorm, "self_attn.q_norm"},
    {Role::kAttnKNorm, "self_attn.k_norm"},
    {Role::kAttnSinks, "self_attn.sinks"},
    {Role::kMlaQA, "self_attn.q_a_proj"},
    {Role::kMlaQANorm, "self_attn.q_a_layernorm"},
    {Role::kMlaQB, "self_attn.q_b_proj"},
    {Role::kMlaQ, "self_attn.q_proj"},
    {Role::kMlaKvA, "self_attn.kv_a_proj_with_mqa"},
    {Role::kMlaKvANorm, "self_attn.kv_a_layernorm"},
    {Role::kMlaKvB, "self_attn.kv_b_proj"},
    {Role::kGdnQkvz, "linear_attn.in_proj_qkvz"},
    {Role::kGdnQkv, "linear_attn.in_proj_qkv"},
    {Role::kGdnZ, "linear_attn.in_proj_z"},
    {Role::kGdnBa, "linear_attn.in_proj_ba"},
    {Role::kGdnB, "linear_attn.in_proj_b"},
    {Role::kGdnA, "linear_attn.in_proj_a"},
    {Role::kGdnConv, "linear_attn.conv1d"},
    {Role::kGdnALog, "linear_attn.A_log"},
    {Role::kGdnDtBias, "linear_attn.dt_bias"},
    {Role::kGdnNorm, "linear_attn.norm"},
    {Role::kGdnOut, "linear_attn.out_proj"},
    {Role::kMambaIn, "mixer.in_proj"},
    {Role::kMambaConv, "mixer.conv1d"},
    {Role::kMambaALog, "mixer.A_log"},
    {Role::kMambaD, "mixer.D"},
    {Role::kMambaDtBias, "mixer.dt_bias"},
    {Role::kMambaNorm, "mixer.norm"},
    {Role::kMambaOut, "mixer.out_proj"},
    {Role::kFfnGateUp, "mlp.gate_up_proj"},
    {Role::kFfnGate, "mlp.gate_proj"},
    {Role::kFfnGate, "feed_forward.gate_proj"},
    {Role::kFfnUp, "mlp.up_proj"},
    {Role::kFfnUp, "feed_forward.up_proj"},
    {Role::kFfnUp, "mixer.up_proj"},
    {Role::kFfnDown, "mlp.down_proj"},
    {Role::kFfnDown, "feed_forward.down_proj"},
    {Role::kFfnDown, "mixer.down_proj"},
    {Role::kRouter, "mlp.gate"},
    {Role::kRouter, "block_sparse_moe.gate"},
    {Role::kRouter, "feed_forward.router"},
    {Role::kRouter, "mixer.gate"},
    {Role::kExpertGateUp, "mlp.experts.gate_up_proj"},
    {Role::kExpertGateUp, "feed_forward.experts.gate_up_proj"},
    {Role::kExpertGate, "mlp.experts.*.gate_proj"},
    {Role::kExpertGate, "block_sparse_moe.experts.*.w1"},
    {Role::kExpertUp, "mlp.experts.*.up_proj"},
    {Role::kExpertUp, "block_sparse_moe.experts.*.w3"},
    {Role::kExpertUp, "mixer.experts.*.up_proj"},
    {Role::kExpertDown, "mlp.experts.*.down_proj"},
    {Role::kExpertDown, "mlp.experts.down_proj"},
    {Role::kExpertDown, "block_sparse_moe.experts.*.w2"},
    {Role::kExpertDown, "feed_forward.experts.down_proj"},
    {Role::kExpertDown, "mixer.experts.*.down_proj"},
    {Role::kSharedGate, "mlp.shared_expert.gate_proj"},
    {Role::kSharedGate, "mlp.shared_experts.gate_proj"},
    {Role::kSharedGate, "feed_forward.shared_expert.gate_proj"},
    {Role::kSharedUp, "mlp.shared_expert.up_proj"},
    {Role::kSharedUp, "mlp.shared_experts.up_proj"},
    {Role::kSharedUp, "feed_forward.shared_expert.up_proj"},
    {Role::kSharedDown, "mlp.shared_expert.down_proj"},
    {Role::kSharedDown, "mlp.shared_experts.down_proj"},
    {Role::kSharedDown, "feed_forward.shared_expert.down_proj"},
    {Role::kSharedGateScalar, "mlp.shared_expert_gate"},
};

size_t common_beginning(std::string_view a, std::string_view b) {
  const size_t size = std::min(a.size(), b.size());
  size_t same = 0;
  while (same < size && a[same] == b[same]) ++same;
  return same;
}

}  // namespace

std::string usual_leaf(Role role, std::span<const std::string_view> neighbours) {
  std::string_view best = role_name(role);
  size_t most = 0;
  bool found = false;
  for (const auto& [candidate, leaf] : kUsual) {
    if (candidate != role) continue;
    size_t shared = 0;
    for (const std::string_view neighbour : neighbours)
      shared = std::max(shared, common_beginning(leaf, neighbour));
    if (found && shared <= most) continue;
    best = leaf;
    most = shared;
    found = true;
  }
  return std::string(best);
}

bool is_parameter_leaf(std::string_view leaf) {
  const auto role = role_of_leaf(leaf);
  return role && role->kind == ModuleKind::kOther && !leaf.ends_with(".conv1d");
}

}  // namespace imp::model
