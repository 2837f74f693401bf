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
    {Role::kAttnNorm, "attn_norm"},
    {Role::kAttnQkv, "attn_qkv"},
    {Role::kAttnQ, "attn_q"},
    {Role::kAttnK, "attn_k"},
    {Role::kAttnV, "attn_v"},
    {Role::kAttnQNorm, "attn_q_norm"},
    {Role::kAttnKNorm, "attn_k_norm"},
    {Role::kKvKScale, "kv_k_scale"},
    {Role::kKvVScale, "kv_v_scale"},
    {Role::kAttnO, "attn_o"},
    {Role::kFfnNorm, "ffn_norm"},
    {Role::kFfnGateUp, "ffn_gate_up"},
    {Role::kFfnGate, "ffn_gate"},
    {Role::kFfnUp, "ffn_up"},
    {Role::kFfnDown, "ffn_down"},
    {Role::kRouter, "router"},
    {Role::kExpertGateUp, "expert_gate_up"},
    {Role::kExpertGate, "expert_gate"},
    {Role::kExpertUp, "expert_up"},
    {Role::kExpertDown, "expert_down"},
    {Role::kSharedGateUp, "shared_gate_up"},
    {Role::kSharedGate, "shared_gate"},
    {Role::kSharedUp, "shared_up"},
    {Role::kSharedDown, "shared_down"},
    {Role::kSharedGateScalar, "shared_gate_scalar"},
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
