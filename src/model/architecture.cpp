#include "src/model/architecture.h"

#include <initializer_list>
#include <string_view>

#include "src/model/detect.h"

namespace imp::model {
namespace {

using nlohmann::json;

struct ArchitectureRow {
  std::string_view name;
  bool moe;
  bool shared_expert;
  bool qk_norm;
  bool qkv_bias;  ///< unless the configuration says otherwise
};

constexpr ArchitectureRow kArchitectures[] = {
    {"LlamaForCausalLM", false, false, false, false},
    {"MistralForCausalLM", false, false, false, false},
    {"Qwen2ForCausalLM", false, false, false, true},
    {"Qwen2MoeForCausalLM", true, true, false, true},
    {"Qwen3ForCausalLM", false, false, true, false},
    {"Qwen3MoeForCausalLM", true, false, true, false},
};

const ArchitectureRow* find_architecture(std::string_view name) {
  for (const ArchitectureRow& row : kArchitectures)
    if (row.name == name) return &row;
  return nullptr;
}

Result<uint64_t> number(const json& config, std::initializer_list<const char*> keys,
                        const std::string& folder) {
  for (const char* key : keys)
    if (const auto it = config.find(key); it != config.end() && it->is_number_unsigned())
      return it->get<uint64_t>();
  return Error{ErrorKind::kBadConfig, "has no number '" + std::string(*keys.begin()) + "'",
               folder + "/config.json", ""};
}

bool flag(const json& config, const char* key, bool otherwise) {
  const auto it = config.find(key);
  return it != config.end() && it->is_boolean() ? it->get<bool>() : otherwise;
}

/// Layers that Qwen's MoE configurations keep dense.
bool is_dense_layer(const std::map<std::string, Module>& modules, const std::string& prefix) {
  return modules.contains(prefix + "mlp.gate_proj") || modules.contains(prefix + "mlp.down_proj");
}

Error missing_tensor(const std::string& name, const std::string& folder) {
  return Error{ErrorKind::kMissingTensor,
               "is missing, expected in every layer of this architecture (truncated checkpoint?)",
               folder, name};
}

Status require(const std::map<std::string, Module>& modules, const std::string& name,
               const std::string& folder, Suffix suffix = Suffix::kWeight) {
  const auto it = modules.find(name);
  if (it != modules.end()) {
    const ModuleTensors& tensors = it->second.experts.begin()->second;
    if (suffix == Suffix::kWeight ? codes_of(tensors).has_value() : tensors.has(suffix)) return {};
  }
  return missing_tensor(name + (suffix == Suffix::kBias ? ".bias" : ".weight"), folder);
}

Status require_all(const std::map<std::string, Module>& modules, const std::string& prefix,
                   std::initializer_list<const char*> leaves, const std::string& folder) {
  for (const char* leaf : leaves) IMP_TRY(require(modules, prefix + leaf, folder));
  return {};
}

}  // namespace

Result<Architecture> read_architecture(const json& config, const std::string& folder) {
  Architecture architecture;
  const auto names = config.find("architectures");
  if (names != config.end() && names->is_array() && !names->empty() && names->front().is_string())
    architecture.name = names->front().get<std::string>();
  const ArchitectureRow* row = find_architecture(architecture.name);
  if (row == nullptr) {
    architecture.generic = true;
    architecture.tied_embeddings = flag(config, "tie_word_embeddings", false);
    architecture.in_first_stacks =
        architecture.name.starts_with("Llama4") || architecture.name.starts_with("GptOss");
    architecture.interleaved_gate_up = architecture.name.starts_with("GptOss");
    return architecture;
  }
  IMP_ASSIGN(const uint64_t layers, number(config, {"num_hidden_layers"}, folder));
  constexpr uint64_t kMaxLayers = 1u << 20;
  if (layers > kMaxLayers)
    return Error{ErrorKind::kBadConfig, "num_hidden_layers is " + std::to_string(layers),
                 folder + "/config.json", ""};
  architecture.num_layers = static_cast<uint32_t>(layers);
  if (row->moe) {
    IMP_ASSIGN(architecture.num_experts,
               number(config, {"num_experts", "num_local_experts", "n_routed_experts"}, folder));
  }
  architecture.has_shared_expert = row->shared_expert;
  architecture.has_qk_norm = row->qk_norm;
  architecture.tied_embeddings = flag(config, "tie_word_embeddings", false);
  // Qwen2-MoE calls it qkv_bias, Llama attention_bias.
  architecture.has_qkv_bias =
      flag(config, "qkv_bias", flag(config, "attention_bias", row->qkv_bias));
  return architecture;
}

Status check_complete(const Architecture& architecture,
                      const std::map<std::string, Module>& modules, const std::string& folder) {
  if (architecture.generic) return {};
  for (const char* name : {"model.embed_tokens", "model.norm"})
    IMP_TRY(require(modules, name, folder));
  if (!architecture.tied_embeddings) IMP_TRY(require(modules, "lm_head", folder));
  for (uint32_t layer = 0; layer < architecture.num_layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    IMP_TRY(require_all(modules, prefix,
                        {"input_layernorm", "self_attn.q_proj", "self_attn.k_proj",
                         "self_attn.v_proj", "self_attn.o_proj", "post_attention_layernorm"},
                        folder));
    if (architecture.has_qkv_bias)
      for (const char* leaf : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"})
        IMP_TRY(require(modules, prefix + leaf, folder, Suffix::kBias));
    if (architecture.has_qk_norm)
      IMP_TRY(require_all(modules, prefix, {"self_attn.q_norm", "self_attn.k_norm"}, folder));
    if (architecture.num_experts == 0 || is_dense_layer(modules, prefix)) {
      IMP_TRY(
          require_all(modules, prefix, {"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}, folder));
      continue;
    }
    IMP_TRY(require_all(
        modules, prefix,
        {"mlp.gate", "mlp.experts.*.gate_proj", "mlp.experts.*.up_proj", "mlp.experts.*.down_proj"},
        folder));
    if (architecture.has_shared_expert)
      IMP_TRY(require_all(modules, prefix,
                          {"mlp.shared_expert.gate_proj", "mlp.shared_expert.up_proj",
                           "mlp.shared_expert.down_proj", "mlp.shared_expert_gate"},
                          folder));
  }
  return {};
}

}  // namespace imp::model
