#include "src/model/grouping.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>

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
};

/// Embedding first, then layers, then what belongs to no layer.
uint64_t layer_key(const Weight& weight) {
  if (weight.role == Role::kTokenEmbedding) return 0;
  return weight.layer == kNone ? uint64_t{kNone} + 1 : uint64_t{weight.layer} + 1;
}

std::string fused_name(const std::string& member, std::string_view leaf) {
  return member.substr(0, member.rfind('.') + 1) + std::string(leaf);
}

}  // namespace

void order_and_group(Model& model) {
  std::sort(model.weights.begin(), model.weights.end(), [](const Weight& a, const Weight& b) {
    const auto key = [](const Weight& w) {
      return std::tuple(layer_key(w), execution_rank(w.role));
    };
    return key(a) != key(b) ? key(a) < key(b) : a.name < b.name;
  });
  std::map<std::pair<uint32_t, Role>, uint32_t> by_role;
  for (uint32_t w = 0; w < model.weights.size(); ++w)
    by_role[{model.weights[w].layer, model.weights[w].role}] = w;
  model.groups.clear();
  for (uint32_t first = 0; first < model.weights.size(); ++first) {
    for (const GroupRow& row : kGroups) {
      if (model.weights[first].role != *row.members.begin()) continue;
      FusionGroup group{fused_name(model.weights[first].name, row.leaf), row.fused, {}};
      for (const Role role : row.members)
        if (const auto it = by_role.find({model.weights[first].layer, role}); it != by_role.end())
          group.weights.push_back(it->second);
      if (group.weights.size() > 1) model.groups.push_back(std::move(group));
    }
  }
}

}  // namespace imp::model
