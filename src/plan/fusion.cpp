#include "src/plan/fusion.h"

#include <set>
#include <string>

namespace imp::plan {
namespace {

using model::FusionGroup;
using model::Model;
using model::Weight;

std::string last_component(const std::string& name) { return name.substr(name.rfind('.') + 1); }

bool same_bias(const Model& model, const Weight& a, const Weight& b) {
  const auto* x = a.find(ComponentKind::kBias);
  const auto* y = b.find(ComponentKind::kBias);
  if (x == nullptr || y == nullptr) return x == y;
  return model.source.tensors[x->tensors[0]].dtype == model.source.tensors[y->tensors[0]].dtype;
}

/// Why these weights cannot be one operand; empty if they can.
std::string reason_not_to_fuse(const Model& model, const FusionGroup& group,
                               const std::vector<std::vector<FormChoice>>& forms) {
  const Weight& first = model.weights[group.weights[0]];
  for (size_t i = 0; i < group.weights.size(); ++i) {
    const Weight& weight = model.weights[group.weights[i]];
    if (weight.scheme != first.scheme) return "schemes differ";
    if (weight.k != first.k || weight.experts != first.experts) return "shapes differ";
    if (!same_bias(model, weight, first)) return "only some parts have a bias, or of another dtype";
    if (forms[i] != forms[0]) return "layouts differ";
    if (i + 1 == group.weights.size()) break;
    for (const FormChoice& form : forms[i]) {
      const layouts::LayoutInfo& layout = *layouts::find_layout(static_cast<uint16_t>(form.layout));
      if (layout.fusion == layouts::Fusion::kNever)
        return "layout " + std::string(layout.name) + " does not fuse";
      if (weight.n % layout.fuse_unit_n != 0)
        return last_component(weight.name) + " has " + std::to_string(weight.n) + " rows, " +
               layout.name + " joins at multiples of " + std::to_string(layout.fuse_unit_n);
    }
  }
  return "";
}

/// Experts are inside an operand: "mlp.experts.*.down_proj" is the operand "mlp.experts.down_proj",
/// as stacked checkpoints name it.
std::string operand_name(std::string name) {
  const size_t star = name.find(".*.");
  return star == std::string::npos ? name : name.erase(star, 2);
}

Operand operand_of(const Model& model, const std::vector<uint32_t>& weights,
                   const std::vector<FormChoice>& forms) {
  const Weight& first = model.weights[weights[0]];
  Operand operand;
  operand.name = operand_name(first.name);
  operand.role = first.role;
  operand.scheme = first.scheme;
  operand.layer = first.layer;
  operand.experts = first.experts;
  operand.k = first.k;
  operand.group_size = first.group_size;
  operand.gemm = first.gemm;
  operand.tied_head = first.tied_head;
  for (const uint32_t w : weights) {
    operand.parts.push_back({w, operand.n, model.weights[w].n});
    operand.n += model.weights[w].n;
  }
  for (const FormChoice& choice : forms) operand.forms.push_back(make_form(operand, model, choice));
  return operand;
}

std::string list_of_parts(const Model& model, const FusionGroup& group) {
  std::string text;
  for (const uint32_t w : group.weights)
    text += (text.empty() ? "" : ", ") + last_component(model.weights[w].name);
  return text;
}

Status check_unique_names(const std::vector<Operand>& operands) {
  std::set<std::string_view> seen;
  for (const Operand& operand : operands)
    if (!seen.insert(operand.name).second)
      return Error{ErrorKind::kDuplicateName, "two operands would have this name", "",
                   operand.name};
  return {};
}

}  // namespace

Result<std::vector<Operand>> make_operands(const Model& model, const Options& options) {
  std::vector<std::vector<FormChoice>> forms(model.weights.size());
  for (size_t w = 0; w < model.weights.size(); ++w) {
    IMP_ASSIGN(forms[w], choose_forms(model.weights[w], options));
  }
  std::vector<const FusionGroup*> group_of(model.weights.size(), nullptr);
  for (const FusionGroup& group : model.groups)
    for (const uint32_t w : group.weights) group_of[w] = &group;

  std::vector<Operand> operands;
  for (uint32_t w = 0; w < model.weights.size(); ++w) {
    const FusionGroup* group = group_of[w];
    std::string reason;
    if (group != nullptr) {
      std::vector<std::vector<FormChoice>> of_group;
      for (const uint32_t member : group->weights) of_group.push_back(forms[member]);
      reason = reason_not_to_fuse(model, *group, of_group);
    }
    if (group != nullptr && reason.empty()) {
      if (group->weights[0] != w) continue;
      Operand operand = operand_of(model, group->weights, forms[w]);
      operand.name = operand_name(group->name);
      operand.role = group->role;
      operand.fusion = "fused: " + list_of_parts(model, *group);
      operands.push_back(std::move(operand));
      continue;
    }
    Operand operand = operand_of(model, {w}, forms[w]);
    if (group != nullptr) operand.fusion = "not fused: " + reason;
    operands.push_back(std::move(operand));
  }
  IMP_TRY(check_unique_names(operands));
  return operands;
}

}  // namespace imp::plan
