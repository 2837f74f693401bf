#include "src/model/grouping.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include "src/model/architecture.h"
#include "src/model/layer_roles.h"

namespace imp::model {
namespace {

struct GroupRow {
  Role fused;
  std::string_view leaf;  ///< last component of the fused operand's name
  std::initializer_list<Role> members;
};

const GroupRow kGroups[] = {
    {Role::kAttnQkv, "qkv_proj", {Role::kAttnQ, Role::kAttnK, Role::kAttnV}},
    {Role::kFfnGateUp, "gate_up_proj", {Role::kFfnGate, Role::kFfnUp}},
    {Role::kExpertGateUp, "gate_up_proj", {Role::kExpertGate, Role::kExpertUp}},
    {Role::kSharedGateUp, "gate_up_proj", {Role::kSharedGate, Role::kSharedUp}},
    {Role::kMlaQKvA, "q_kv_a_proj", {Role::kMlaQA, Role::kMlaKvA}},
};

/// Embedding first, then layers, then what belongs to no layer.
uint64_t layer_key(const Weight& weight) {
  if (weight.role == Role::kTokenEmbedding) return 0;
  return weight.layer == kNone ? uint64_t{kNone} + 1 : uint64_t{weight.layer} + 1;
}

/// "model.layers.0.self_attn" of "model.layers.0.self_attn.q_proj".
std::string parent_of(const std::string& name) { return name.substr(0, name.rfind('.')); }

/// Names of weights that no GEMM takes end in a suffix, the others are modules.
std::string leaf_of(const Weight& weight) {
  const auto name = parse_name(weight.name);
  return name ? name->leaf : weight.name;
}

void settle_roles(Model& model) {
  std::map<uint32_t, LayerTraits> layers;
  for (const Weight& weight : model.weights)
    if (weight.layer != kNone) layers[weight.layer].add(leaf_of(weight));
  for (Weight& weight : model.weights)
    if (weight.layer != kNone)
      weight.role = layers[weight.layer].settle(leaf_of(weight), weight.role);
}

/// A weight by the module that it lies in and what it does there.
using Place = std::pair<std::string, Role>;

std::vector<FusionGroup> find_groups(const std::vector<Weight>& weights) {
  std::map<Place, uint32_t> by_place;
  for (uint32_t w = 0; w < weights.size(); ++w)
    if (weights[w].gemm) by_place[{parent_of(weights[w].name), weights[w].role}] = w;
  std::vector<FusionGroup> groups;
  for (const Weight& first : weights) {
    if (!first.gemm) continue;
    for (const GroupRow& row : kGroups) {
      if (first.role != *row.members.begin()) continue;
      const std::string parent = parent_of(first.name);
      FusionGroup group{parent + "." + std::string(row.leaf), row.fused, {}};
      for (const Role role : row.members)
        if (const auto it = by_place.find({parent, role}); it != by_place.end())
          group.weights.push_back(it->second);
      if (group.weights.size() > 1) groups.push_back(std::move(group));
    }
  }
  return groups;
}

}  // namespace

void order_and_group(Model& model) {
  settle_roles(model);
  std::sort(model.weights.begin(), model.weights.end(), [](const Weight& a, const Weight& b) {
    const auto key = [](const Weight& w) {
      return std::tuple(layer_key(w), execution_rank(w.role));
    };
    return key(a) != key(b) ? key(a) < key(b) : a.name < b.name;
  });
  model.groups.clear();
  if (is_known_architecture(model.architecture)) model.groups = find_groups(model.weights);
}

}  // namespace imp::model
