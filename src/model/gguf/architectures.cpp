#include "src/model/gguf/architectures.h"

namespace imp::model {
namespace {

constexpr ExpertNames kPlainNames{"mlp.gate", "mlp.experts.*.gate_proj", "mlp.experts.*.up_proj",
                                  "mlp.experts.*.down_proj", "mlp.shared_expert"};
constexpr ExpertNames kDeepseekNames{"mlp.gate", "mlp.experts.*.gate_proj", "mlp.experts.*.up_proj",
                                     "mlp.experts.*.down_proj", "mlp.shared_experts"};
constexpr ExpertNames kOpenNames{"mlp.router", "mlp.experts.*.gate_proj", "mlp.experts.*.up_proj",
                                 "mlp.experts.*.down_proj", ""};
constexpr ExpertNames kMixtralNames{"block_sparse_moe.gate", "block_sparse_moe.experts.*.w1",
                                    "block_sparse_moe.experts.*.w3",
                                    "block_sparse_moe.experts.*.w2", ""};

constexpr uint32_t kLlama = kPreNorms | kSplitQkv | kDense;
constexpr uint32_t kLlamaMoe = kPreNorms | kSplitQkv | kMoe;
constexpr uint32_t kGatedShared = kMoe | kShared | kSharedGate;
constexpr uint32_t kDeepseek =
    kPreNorms | kSplitQkv | kDense | kMoe | kShared | kRouterBias | kLatent | kDraft;
constexpr uint32_t kHybrid = kPostNorms | kSplitQkv | kQkNorms;

// clang-format off
constexpr GgufArchitecture kArchitectures[] = {
    {"llama", When::kDense, "LlamaForCausalLM", "llama", kLlama, true},
    {"llama", When::kExperts, "MixtralForCausalLM", "mixtral", kLlamaMoe, true, false,
     &kMixtralNames, "num_local_experts"},
    {"mistral3", When::kDense, "Ministral3ForCausalLM", "ministral3", kLlama, true},
    {"arcee", When::kAlways, "ArceeForCausalLM", "arcee", kPreNorms | kSplitQkv | kUngated, true},
    {"smollm3", When::kAlways, "SmolLM3ForCausalLM", "smollm3", kLlama, true},
    {"minicpm", When::kDense, "MiniCPMForCausalLM", "minicpm", kLlama, true},
    {"granite", When::kDense, "GraniteForCausalLM", "granite", kLlama, true},
    {"deepseek", When::kAlways, "DeepseekForCausalLM", "deepseek",
     kPreNorms | kSplitQkv | kDense | kMoe | kShared, true, false, &kDeepseekNames,
     "n_routed_experts"},
    {"deepseek2", When::kSigmoid, "DeepseekV3ForCausalLM", "deepseek_v3", kDeepseek, false, false,
     &kDeepseekNames, "n_routed_experts"},
    {"deepseek2", When::kAlways, "DeepseekV2ForCausalLM", "deepseek_v2", kDeepseek, false, false,
     &kDeepseekNames, "n_routed_experts"},
    {"qwen2", When::kAlways, "Qwen2ForCausalLM", "qwen2", kLlama},
    {"qwen2moe", When::kAlways, "Qwen2MoeForCausalLM", "qwen2_moe",
     kPreNorms | kSplitQkv | kDense | kGatedShared, false, false, &kPlainNames, "num_experts"},
    {"qwen3", When::kAlways, "Qwen3ForCausalLM", "qwen3", kLlama | kQkNorms},
    {"qwen3moe", When::kAlways, "Qwen3MoeForCausalLM", "qwen3_moe",
     kLlama | kMoe | kQkNorms, false, false, &kPlainNames, "num_experts"},
    {"qwen3next", When::kAlways, "Qwen3NextForCausalLM", "qwen3_next",
     kHybrid | kDense | kGatedShared | kDeltaFused, false, true, &kPlainNames, "num_experts"},
    {"qwen35", When::kAlways, "Qwen3_5ForCausalLM", "qwen3_5_text", kHybrid | kDense | kDeltaTiled,
     false, true},
    {"qwen35moe", When::kAlways, "Qwen3_5MoeForCausalLM", "qwen3_5_moe_text",
     kHybrid | kGatedShared | kDeltaTiled, false, true, &kPlainNames, "num_experts"},
    {"qwen2vl", When::kAlways, "Qwen2VLForConditionalGeneration", "qwen2_vl", kLlama},
    {"qwen3vl", When::kAlways, "Qwen3VLForConditionalGeneration", "qwen3_vl", kLlama | kQkNorms},
    {"qwen3vlmoe", When::kAlways, "Qwen3VLMoeForConditionalGeneration", "qwen3_vl_moe",
     kLlama | kMoe | kQkNorms, false, false, &kPlainNames, "num_experts"},
    {"olmo2", When::kSliding, "Olmo3ForCausalLM", "olmo3",
     kBackNorms | kSplitQkv | kQkNorms | kDense},
    {"olmo2", When::kAlways, "Olmo2ForCausalLM", "olmo2",
     kBackNorms | kSplitQkv | kQkNorms | kDense},
    {"olmoe", When::kAlways, "OlmoeForCausalLM", "olmoe", kLlamaMoe | kQkNorms, false, false,
     &kPlainNames, "num_experts"},
    {"command-r", When::kAlways, "CohereForCausalLM", "cohere", kOneNorm | kSplitQkv | kDense},
    {"cohere2", When::kAlways, "Cohere2ForCausalLM", "cohere2", kOneNorm | kSplitQkv | kDense},
    {"glm4", When::kPlainRotation, "Glm4ForCausalLM", "glm4", kNeoNorms | kSplitQkv | kFusedDense},
    {"glm4moe", When::kPlainRotation, "Glm4MoeForCausalLM", "glm4_moe",
     kPostNorms | kSplitQkv | kQkNorms | kDense | kMoe | kShared | kRouterBias | kDraft, false,
     false, &kDeepseekNames, "n_routed_experts"},
    {"gemma", When::kAlways, "GemmaForCausalLM", "gemma", kLlama, false, true},
    {"gemma2", When::kAlways, "Gemma2ForCausalLM", "gemma2", kSandwichNorms | kSplitQkv | kDense,
     false, true},
    {"gemma3", When::kAlways, "Gemma3ForCausalLM", "gemma3_text",
     kSandwichNorms | kSplitQkv | kDense | kQkNorms, false, true},
    {"phi3", When::kDense, "Phi3ForCausalLM", "phi3", kPreNorms | kFusedQkv | kFusedDense},
    {"gpt-oss", When::kAlways, "GptOssForCausalLM", "gpt_oss",
     kPostNorms | kSplitQkv | kSinks | kMoe | kOpenStacks, false, false, &kOpenNames,
     "num_local_experts"},
    {"nemotron", When::kAlways, "NemotronForCausalLM", "nemotron",
     kPreNorms | kSplitQkv | kUngated, false, true},
};

constexpr ModuleRow kTopRows[] = {
    {"token_embd", "model.embed_tokens", Use::kMatrix, ~0u, Hidden::kIn},
    {"output", "lm_head", Use::kMatrix, ~0u, Hidden::kIn},
    {"output_norm", "model.norm", Use::kNorm, ~0u, Hidden::kAny},
};

constexpr ModuleRow kBlockRows[] = {
    {"attn_norm", "input_layernorm", Use::kNorm, kPreNorms | kSandwichNorms | kPostNorms | kNeoNorms | kOneNorm, Hidden::kIn},
    {"ffn_norm", "post_attention_layernorm", Use::kNorm, kPreNorms | kNeoNorms, Hidden::kIn},
    {"ffn_norm", "pre_feedforward_layernorm", Use::kNorm, kSandwichNorms, Hidden::kIn},
    {"post_attention_norm", "post_attention_layernorm", Use::kNorm,
     kSandwichNorms | kPostNorms | kBackNorms, Hidden::kIn},
    {"post_attention_norm", "post_self_attn_layernorm", Use::kNorm, kNeoNorms, Hidden::kIn},
    {"post_ffw_norm", "post_feedforward_layernorm", Use::kNorm, kSandwichNorms | kBackNorms,
     Hidden::kIn},
    {"post_ffw_norm", "post_mlp_layernorm", Use::kNorm, kNeoNorms, Hidden::kIn},
    {"attn_q", "self_attn.q_proj", Use::kQuery, kSplitQkv, Hidden::kIn},
    {"attn_k", "self_attn.k_proj", Use::kKey, kSplitQkv, Hidden::kIn},
    {"attn_v", "self_attn.v_proj", Use::kMatrix, kSplitQkv, Hidden::kIn},
    {"attn_qkv", "self_attn.qkv_proj", Use::kMatrix, kFusedQkv, Hidden::kIn},
    {"attn_output", "self_attn.o_proj", Use::kMatrix, ~0u, Hidden::kOut},
    {"attn_q_norm", "self_attn.q_norm", Use::kNorm, kQkNorms, Hidden::kAny},
    {"attn_k_norm", "self_attn.k_norm", Use::kNorm, kQkNorms, Hidden::kAny},
    {"attn_sinks", "self_attn.sinks", Use::kParameter, kSinks, Hidden::kAny},
    {"attn_q_a", "self_attn.q_a_proj", Use::kMatrix, kLatent, Hidden::kIn},
    {"attn_q_a_norm", "self_attn.q_a_layernorm", Use::kNorm, kLatent, Hidden::kAny},
    {"attn_q_b", "self_attn.q_b_proj", Use::kMatrix, kLatent, Hidden::kAny},
    {"attn_kv_a_mqa", "self_attn.kv_a_proj_with_mqa", Use::kMatrix, kLatent, Hidden::kIn},
    {"attn_kv_a_norm", "self_attn.kv_a_layernorm", Use::kNorm, kLatent, Hidden::kAny},
    {"attn_kv_b", "self_attn.kv_b_proj", Use::kMatrix, kLatent, Hidden::kAny},
    {"ffn_gate", "mlp.gate_proj", Use::kMatrix, kDense, Hidden::kIn},
    {"ffn_up", "mlp.up_proj", Use::kMatrix, kDense | kUngated, Hidden::kIn},
    {"ffn_up", "mlp.gate_up_proj", Use::kMatrix, kFusedDense, Hidden::kIn},
    {"ffn_down", "mlp.down_proj", Use::kMatrix, kDense | kUngated | kFusedDense, Hidden::kOut},
    {"ffn_gate_inp", "", Use::kMatrix, kMoe, Hidden::kIn},
    {"exp_probs_b", "mlp.gate.e_score_correction_bias", Use::kBiasParameter, kRouterBias, Hidden::kAny},
    {"ffn_gate_exps", "", Use::kExperts, kMoe, Hidden::kIn},
    {"ffn_up_exps", "", Use::kExperts, kMoe, Hidden::kIn},
    {"ffn_down_exps", "", Use::kExperts, kMoe, Hidden::kOut},
    {"ffn_gate_up_exps", "", Use::kGateUpExperts, kMoe, Hidden::kIn},
    {"ffn_gate_shexp", "gate_proj", Use::kMatrix, kShared, Hidden::kIn},
    {"ffn_up_shexp", "up_proj", Use::kMatrix, kShared, Hidden::kIn},
    {"ffn_down_shexp", "down_proj", Use::kMatrix, kShared, Hidden::kOut},
    {"ffn_gate_inp_shexp", "mlp.shared_expert_gate", Use::kMatrix, kSharedGate, Hidden::kIn},
    {"ssm_norm", "linear_attn.norm", Use::kOwnNorm, kDeltaFused | kDeltaTiled, Hidden::kAny},
    {"ffn_norm", "post_attention_layernorm", Use::kNorm, kDeltaFused | kDeltaTiled, Hidden::kIn},
    {"nextn.eh_proj", "mtp.fc", Use::kMatrix, kDeltaFused | kDeltaTiled, Hidden::kOut},
    {"nextn.enorm", "mtp.pre_fc_norm_embedding", Use::kNorm, kDeltaFused | kDeltaTiled,
     Hidden::kIn},
    {"nextn.hnorm", "mtp.pre_fc_norm_hidden", Use::kNorm, kDeltaFused | kDeltaTiled, Hidden::kIn},
    {"nextn.shared_head_norm", "mtp.norm", Use::kNorm, kDeltaFused | kDeltaTiled, Hidden::kIn},
    {"nextn.eh_proj", "eh_proj", Use::kMatrix, kDraft, Hidden::kOut},
    {"nextn.embed_tokens", "embed_tokens", Use::kMatrix, kDraft, Hidden::kIn},
    {"nextn.enorm", "enorm", Use::kNorm, kDraft, Hidden::kIn},
    {"nextn.hnorm", "hnorm", Use::kNorm, kDraft, Hidden::kIn},
    {"nextn.shared_head_head", "shared_head.head", Use::kMatrix, kDraft, Hidden::kIn},
    {"nextn.shared_head_norm", "shared_head.norm", Use::kNorm, kDraft, Hidden::kIn},
};
// clang-format on

bool holds(When when, const FamilyTraits& traits) {
  switch (when) {
    case When::kAlways:
      return true;
    case When::kDense:
      return !traits.has_experts;
    case When::kExperts:
      return traits.has_experts;
    case When::kSigmoid:
      return traits.sigmoid_routing;
    case When::kSliding:
      return traits.sliding_window;
    case When::kPlainRotation:
      return !traits.rope_sections;
  }
  return false;
}

}  // namespace

const GgufArchitecture* find_gguf_architecture(std::string_view name, const FamilyTraits& traits) {
  for (const GgufArchitecture& row : kArchitectures)
    if (row.name == name && holds(row.when, traits)) return &row;
  return nullptr;
}

std::span<const ModuleRow> block_rows() { return kBlockRows; }
std::span<const ModuleRow> top_rows() { return kTopRows; }

}  // namespace imp::model
