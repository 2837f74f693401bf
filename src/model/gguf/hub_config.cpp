#include "src/model/gguf/hub_config.h"

#include <algorithm>
#include <string>

#include "src/model/gguf/value_json.h"
#include "src/model/gguf/view_writer.h"

namespace imp::model {
namespace {

using nlohmann::json;

struct KeyRow {
  std::string_view gguf;
  const char* hub;
};

// Numbers and switches that have one name in most configurations; rows of one hub name are tried in
// order.
constexpr KeyRow kKeys[] = {
    {"vocab_size", "vocab_size"},
    {"context_length", "max_position_embeddings"},
    {"embedding_length", "hidden_size"},
    {"attention.head_count", "num_attention_heads"},
    {"attention.head_count_kv", "num_key_value_heads"},
    {"attention.sliding_window", "sliding_window"},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps"},
    {"attention.layer_norm_epsilon", "norm_eps"},
    {"attention.q_lora_rank", "q_lora_rank"},
    {"attention.kv_lora_rank", "kv_lora_rank"},
    {"rope.freq_base", "rope_theta"},
    {"rope.freq_base_swa", "rope_local_base_freq"},
    {"rope.scaling.original_context_length", "original_max_position_embeddings"},
    {"attn_logit_softcapping", "attn_logit_softcapping"},
    {"final_logit_softcapping", "final_logit_softcapping"},
    {"expert_used_count", "num_experts_per_tok"},
    {"expert_feed_forward_length", "moe_intermediate_size"},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size"},
    {"expert_shared_count", "n_shared_experts"},
    {"expert_group_count", "n_group"},
    {"expert_group_used_count", "topk_group"},
    {"expert_weights_scale", "routed_scaling_factor"},
    {"expert_weights_norm", "norm_topk_prob"},
    {"leading_dense_block_count", "first_k_dense_replace"},
    {"ssm.conv_kernel", "linear_conv_kernel_dim"},
    {"ssm.state_size", "linear_key_head_dim"},
    {"ssm.group_count", "linear_num_key_heads"},
    {"ssm.time_step_rank", "linear_num_value_heads"},
};
// Factors that other families call otherwise, or do not have as such.
constexpr KeyRow kGraniteKeys[] = {
    {"attention.scale", "attention_multiplier"},
    {"embedding_scale", "embedding_multiplier"},
    {"residual_scale", "residual_multiplier"},
    {"logit_scale", "logits_scaling"},
};

/// Beyond this a list is none of numbers of layers.
constexpr uint64_t kMostElems = 4096;

void copy_key(const Metadata& metadata, std::string_view key, const char* hub, json& out) {
  const gguf::Value* value = metadata.find(key);
  if (value != nullptr && value->count <= kMostElems) out[hub] = value_json(*value);
}

/// Sizes that a list gives layer by layer are the same in most layers; the largest is what
/// configurations name.
json largest(const gguf::Value& value) {
  json most = nullptr;
  for (uint64_t i = 0; i < (value.is_array ? value.count : 1); ++i) {
    const json one = element_json(value, i);
    if (most.is_null() || one > most) most = one;
  }
  return most;
}

void add_latent(const Metadata& metadata, json& config) {
  const gguf::Value* key = metadata.find("attention.key_length_mla");
  const gguf::Value* value = metadata.find("attention.value_length_mla");
  const gguf::Value* rope = metadata.find("rope.dimension_count");
  if (value != nullptr) config["v_head_dim"] = value_json(*value);
  if (rope != nullptr) config["qk_rope_head_dim"] = value_json(*rope);
  const uint64_t key_dim = key == nullptr ? 0 : key->as_uint().value_or(0);
  const uint64_t rope_dim = rope == nullptr ? 0 : rope->as_uint().value_or(0);
  if (rope_dim != 0 && key_dim >= rope_dim) config["qk_nope_head_dim"] = key_dim - rope_dim;
  // The metadata speaks of the latent form, where all heads share one.
  config["num_key_value_heads"] = config["num_attention_heads"];
  if (const gguf::Value* gating = metadata.find("expert_gating_func"))
    config["scoring_func"] = gating->as_uint() == 2 ? "sigmoid" : "softmax";
}

void add_rope_scaling(const Metadata& metadata, json& config) {
  json scaling = json::object();
  for (const auto& [key, hub] :
       {KeyRow{"rope.scaling.type", "rope_type"}, KeyRow{"rope.scaling.factor", "factor"},
        KeyRow{"rope.scaling.attn_factor", "attention_factor"},
        KeyRow{"rope.scaling.yarn_beta_fast", "beta_fast"},
        KeyRow{"rope.scaling.yarn_beta_slow", "beta_slow"},
        KeyRow{"rope.scaling.original_context_length", "original_max_position_embeddings"}})
    copy_key(metadata, key, hub, scaling);
  if (scaling.empty() || scaling.value("rope_type", json()) == "none") return;
  if (!scaling.contains("rope_type") && scaling.contains("factor")) scaling["rope_type"] = "linear";
  config["rope_scaling"] = scaling;
}

/// Recurrent layers as the file lists them: full_attention_interval can contradict it.
void add_layer_types(const Metadata& metadata, json& config) {
  const gguf::Value* recurrent = metadata.find("attention.recurrent_layers");
  if (recurrent == nullptr || !recurrent->is_array || recurrent->count > kMostElems) {
    copy_key(metadata, "full_attention_interval", "full_attention_interval", config);
    return;
  }
  json types = json::array();
  for (uint64_t i = 0; i < recurrent->count; ++i)
    types.push_back(recurrent->as_bool(i).value_or(false) ? "linear_attention" : "full_attention");
  config["layer_types"] = types;
}

/// Not in the metadata: the tensors tell.
void add_inferred(const StoredModules& stored, const Source& source, json& config) {
  config["tie_word_embeddings"] = is_tied(stored);
  const auto embedding = stored.top.find("token_embd");
  if (embedding != stored.top.end() && embedding->second.weight != kNone)
    config["vocab_size"] = matrix_of(source.stored[embedding->second.weight]).rows;
  for (const auto& [number, block] : stored.blocks)
    for (const char* name : {"attn_q", "attn_qkv"})
      if (const auto it = block.find(name); it != block.end() && it->second.bias != kNone)
        config["attention_bias"] = true;
}

}  // namespace

Result<json> hub_config(const Metadata& metadata, const Facts& facts, const StoredModules& stored,
                        const Source& source) {
  json config = json::object();
  config["architectures"] = {std::string(facts.family->architecture)};
  config["model_type"] = std::string(facts.family->model_type);
  for (const KeyRow& row : kKeys) copy_key(metadata, row.gguf, row.hub, config);
  if (facts.family->name == "granite")
    for (const KeyRow& row : kGraniteKeys) copy_key(metadata, row.gguf, row.hub, config);
  config["num_hidden_layers"] = num_layers(facts, stored);
  const gguf::Value* feed = metadata.find("feed_forward_length");
  if (feed != nullptr) config["intermediate_size"] = largest(*feed);
  const gguf::Value* head = metadata.find("attention.key_length");
  if (facts.family->has(kLatent))
    add_latent(metadata, config);
  else if (head != nullptr)
    config["head_dim"] = value_json(*head);
  if (facts.experts != 0 && !facts.family->experts_key.empty())
    config[std::string(facts.family->experts_key)] = facts.experts;
  if (facts.delta.keys != 0) config["linear_value_head_dim"] = facts.delta.value_dim;
  add_rope_scaling(metadata, config);
  add_layer_types(metadata, config);
  add_inferred(stored, source, config);
  IMP_ASSIGN(config["gguf"], gguf_member(metadata, source));
  return config;
}

}  // namespace imp::model
