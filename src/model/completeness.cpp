// A truncated checkpoint is found by what its architecture must have.
#include <algorithm>
#include <map>
#include <utility>

#include "src/model/architecture.h"
#include "src/model/architecture_table.h"
#include "src/model/detect.h"
#include "src/model/layer_roles.h"
#include "src/model/usual_leaves.h"

namespace imp::model {
namespace {

using Modules = std::map<std::string, Module>;

/// The modules of one layer by role; of two with one role the first by name.
struct Layer {
  LayerTraits traits;
  std::vector<const Module*> modules;
  std::map<Role, const Module*> by_role;
};

bool has_values(const Module& module) {
  const ModuleTensors& tensors = module.experts.begin()->second;
  return codes_of(tensors).has_value() || tensors.has(Suffix::kParameter);
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

  /// The form of which the layer has most modules (and then lacks fewest) must be whole; the first
  /// where it has none.
  Status require_block(uint32_t number, Blocks blocks) {
    if (blocks.empty()) return {};
    const Layer& layer = layers_[number];
    const auto present = [&](Roles roles) {
      return static_cast<size_t>(std::count_if(
          roles.begin(), roles.end(), [&](Role role) { return layer.by_role.contains(role); }));
    };
    Roles best = blocks.front();
    for (const Roles& roles : blocks) {
      const size_t here = present(roles), there = present(best);
      if (here > there || (here == there && here > 0 && roles.size() < best.size())) best = roles;
    }
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
    const std::string leaf = leaf_of(number, role);
    return missing(prefix + leaf + (is_parameter_leaf(leaf) ? "" : ".weight"));
  }

  /// What this file calls a role: as seen in any layer, else the name that goes best with its
  /// neighbours.
  std::string leaf_of(uint32_t number, Role role) {
    for (const auto& [other, layer] : layers_)
      if (const auto it = layer.by_role.find(role); it != layer.by_role.end())
        return it->second->leaf;
    std::vector<std::string_view> neighbours;
    for (const Module* module : layers_[number].modules) neighbours.push_back(module->leaf);
    return usual_leaf(role, neighbours);
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
