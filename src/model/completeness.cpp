// A truncated checkpoint is found by what its architecture must have.
#include <algorithm>
#include <map>
#include <utility>

#include "src/model/architecture.h"
#include "src/model/architecture_table.h"
#include "src/model/detect.h"
#include "src/model/layer_roles.h"

namespace imp::model {
namespace {

using Modules = std::map<std::string, Module>;

/// The modules of one layer by role; of two with one role the first by name.
struct Layer {
  LayerTraits traits;
  std::vector<const Module*> modules;
  std::map<Role, const Module*> by_role;
};

// Leaves to name in an error where no other layer shows what this file calls a role.
constexpr std::pair<Role, const char*> kUsualLeaves[] = {
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
    {Role::kAttnK, "self_attn.k_proj"},
    {Role::kAttnV, "self_attn.v_proj"},
    {Role::kAttnO, "self_attn.o_proj"},
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
    {Role::kFfnUp, "mlp.up_proj"},
    {Role::kFfnDown, "mlp.down_proj"},
    {Role::kRouter, "mlp.gate"},
    {Role::kExpertGateUp, "mlp.experts.gate_up_proj"},
    {Role::kExpertGate, "mlp.experts.*.gate_proj"},
    {Role::kExpertUp, "mlp.experts.*.up_proj"},
    {Role::kExpertDown, "mlp.experts.*.down_proj"},
    {Role::kSharedGate, "mlp.shared_expert.gate_proj"},
    {Role::kSharedUp, "mlp.shared_expert.up_proj"},
    {Role::kSharedDown, "mlp.shared_expert.down_proj"},
    {Role::kSharedGateScalar, "mlp.shared_expert_gate"},
};

bool has_values(const Module& module) {
  const ModuleTensors& tensors = module.experts.begin()->second;
  return codes_of(tensors).has_value() || tensors.has(Suffix::kParameter);
}

bool is_parameter(Role role) {
  const auto* row = std::find_if(std::begin(kUsualLeaves), std::end(kUsualLeaves),
                                 [&](const auto& candidate) { return candidate.first == role; });
  if (row == std::end(kUsualLeaves)) return false;
  const auto found = role_of_leaf(row->second);
  return found && found->kind == ModuleKind::kOther && role != Role::kGdnConv &&
         role != Role::kMambaConv;
}

/// Everything about one checkpoint that the checks share.
class Completeness {
 public:
  Completeness(const Architecture& architecture, const Modules& modules, const std::string& folder)
      : architecture_(architecture), folder_(folder) {
    for (const auto& [name, module] : modules) {
      Layer& layer = layers_[module.layer];
      layer.traits.add(module.leaf);
      layer.modules.push_back(&module);
    }
    for (auto& [number, layer] : layers_)
      for (const Module* module : layer.modules)
        if (has_values(*module))
          layer.by_role.emplace(layer.traits.settle(module->leaf, module->role.role), module);
  }

  Status check() {
    for (const Role role : {Role::kTokenEmbedding, Role::kFinalNorm}) IMP_TRY(require(kNone, role));
    if (!architecture_.tied_embeddings) IMP_TRY(require(kNone, Role::kLmHead));
    for (uint32_t number = 0; number < architecture_.num_layers; ++number)
      IMP_TRY(check_layer(number));
    return check_layers_behind();
  }

 private:
  Status check_layer(uint32_t number) {
    const Family& family = *architecture_.family;
    for (const Role role : family.norms) IMP_TRY(require(number, role));
    IMP_TRY(require_block(number, family.mixers));
    IMP_TRY(require_block(number, family.feeds));
    if (architecture_.has_qkv_bias) IMP_TRY(require_biases(number));
    return {};
  }

  /// The form of which the layer has most modules must be whole; the first in doubt.
  Status require_block(uint32_t number, Blocks blocks) {
    if (blocks.empty()) return {};
    const Layer& layer = layers_[number];
    const auto present = [&](Roles roles) {
      return std::count_if(roles.begin(), roles.end(),
                           [&](Role role) { return layer.by_role.contains(role); });
    };
    Roles best = blocks.front();
    for (const Roles& roles : blocks)
      if (present(roles) > present(best)) best = roles;
    for (const Role role : best)
      if (is_promised(role)) IMP_TRY(require(number, role));
    return {};
  }

  /// Shared experts and norms of q and k are an architecture's, unless its configuration has none.
  bool is_promised(Role role) const {
    switch (role) {
      case Role::kSharedGate:
      case Role::kSharedUp:
      case Role::kSharedDown:
      case Role::kSharedGateScalar:
        return architecture_.has_shared_expert;
      default:
        return true;
    }
  }

  Status require_biases(uint32_t number) {
    for (const Role role : {Role::kAttnQkv, Role::kAttnQ, Role::kAttnK, Role::kAttnV}) {
      const auto it = layers_[number].by_role.find(role);
      if (it == layers_[number].by_role.end()) continue;
      if (!it->second->experts.begin()->second.has(Suffix::kBias))
        return missing(it->second->name + ".bias");
    }
    return {};
  }

  Status require(uint32_t number, Role role) {
    if (layers_[number].by_role.contains(role)) return {};
    const std::string prefix =
        number == kNone ? "" : "model.layers." + std::to_string(number) + ".";
    return missing(prefix + leaf_of(role) + (is_parameter(role) ? "" : ".weight"));
  }

  /// What this file calls a role, seen in any layer.
  std::string leaf_of(Role role) const {
    for (const auto& [number, layer] : layers_)
      if (const auto it = layer.by_role.find(role); it != layer.by_role.end())
        return it->second->leaf;
    for (const auto& [candidate, leaf] : kUsualLeaves)
      if (candidate == role) return leaf;
    return std::string(role_name(role));
  }

  Error missing(const std::string& name) const {
    return Error{ErrorKind::kMissingTensor,
                 "is missing, expected in every layer of this architecture (truncated checkpoint?)",
                 folder_, name};
  }

  /// Behind the last layer only draft layers may lie.
  Status check_layers_behind() const {
    for (const auto& [number, layer] : layers_) {
      if (number == kNone || number < architecture_.num_layers) continue;
      if (layer.by_role.contains(Role::kMtpProjection)) continue;
      return Error{ErrorKind::kUnknownTensor,
                   "is in layer " + std::to_string(number) + ", config.json has " +
                       std::to_string(architecture_.num_layers) + " layers",
                   folder_, layer.modules.front()->name};
    }
    return {};
  }

  const Architecture& architecture_;
  const std::string& folder_;
  std::map<uint32_t, Layer> layers_;
};

}  // namespace

Status check_complete(const Architecture& architecture, const Modules& modules,
                      const std::string& folder) {
  if (architecture.family == nullptr) return {};
  return Completeness(architecture, modules, folder).check();
}

}  // namespace imp::model
