#include "src/plan/fusion.h"

#include <algorithm>
#include <set>
#include <string>

#include "src/model/group_planes.h"
#include "src/plan/constants.h"
#include "src/plan/engine_forms.h"
#include "src/plan/planes.h"

namespace imp::plan {
namespace {

using model::FusionGroup;
using model::Model;
using model::PlaneSet;
using model::Weight;

std::string last_component(const std::string& name) { return name.substr(name.rfind('.') + 1); }

bool same_bias(const Model& model, const Weight& a, const Weight& b) {
  const PlaneSet* x = a.find(ComponentKind::kBias);
  const PlaneSet* y = b.find(ComponentKind::kBias);
  if (x == nullptr || y == nullptr) return x == y;
  return first_tensor(model, *x).dtype == first_tensor(model, *y).dtype;
}

/// Numbers of the index: each part keeps its own, or has none.
bool is_scalar(ComponentKind kind) {
  return kind == ComponentKind::kMultiplier || kind == ComponentKind::kInputScale;
}

/// Every plane of `a` has its like in `b`.
bool planes_have_twins(const Model& model, const Weight& a, const Weight& b) {
  for (const PlaneSet& plane : a.planes) {
    if (is_scalar(plane.kind)) continue;
    const PlaneSet* other = b.find(plane.kind);
    if (other == nullptr || other->encoding != plane.encoding) return false;
    if (first_tensor(model, plane).dtype != first_tensor(model, *other).dtype) return false;
    if (joint_of(plane.kind) != Joint::kRows &&
        expert_shape(model, a, plane) != expert_shape(model, b, *other))
      return false;
  }
  return true;
}

/// Why the source's planes of a part do not stand one below the other; empty if they do.
std::string reason_in_source(const Model& model, const Weight& weight) {
  for (const PlaneSet& plane : weight.planes) {
    if (plane.kind == ComponentKind::kSvdA) return "has low-rank factors of its own";
    if (holds_every_expert(model, weight, plane)) return "experts are stacked in the source";
    if (plane.kind != ComponentKind::kCodes && !model::is_group_plane(plane.kind)) continue;
    const uint64_t unit = quant::cut_rows(coding_of(model, weight, plane, weight.n));
    const uint64_t rows_per_row = plane.kind == ComponentKind::kCodes ? 1 : weight.group_rows;
    if (unit == 0) return "rows of the source's planes are not separate";
    if (weight.n % (unit * rows_per_row) != 0)
      return "has " + std::to_string(weight.n) + " rows, the source packs " +
             std::to_string(unit * rows_per_row) + " together";
    if (plane.encoding == model::Encoding::kRows && expert_shape(model, weight, plane).rank == 0)
      return "its scale has no rows";
  }
  return "";
}

/// Why two members cannot be parts of one operand; empty if they can.
std::string reason_between(const Model& model, const Weight& a, const Weight& b) {
  if (a.scheme != b.scheme || a.group_size != b.group_size || a.group_rows != b.group_rows ||
      a.activations_8bit != b.activations_8bit || a.multipliers.empty() != b.multipliers.empty())
    return "schemes differ";
  if (a.k != b.k || a.experts != b.experts) return "shapes differ";
  if (!same_bias(model, a, b)) return "only some parts have a bias, or of another dtype";
  if (!planes_have_twins(model, a, b) || !planes_have_twins(model, b, a))
    return "planes differ in kind, dtype or packing";
  if (a.stored_as != b.stored_as) return "stored values differ in meaning";
  if (a.k_scales != b.k_scales) return "pre-quantisation scales differ";
  if (a.k_gather != b.k_gather) return "act-orders differ";
  return "";
}

bool same_multipliers(const Weight& a, const Weight& b) {
  for (uint64_t e = 0; e < a.experts; ++e)
    if (kernel_multiplier(a, e) != kernel_multiplier(b, e)) return false;
  return true;
}

std::string reason_of_layout(const Weight& weight, const Weight& first, bool last,
                             const FormChoice& form) {
  const layouts::LayoutInfo& layout = *layouts::find_layout(static_cast<uint16_t>(form.layout));
  if (layout.fusion == layouts::Fusion::kNever)
    return "layout " + std::string(layout.name) + " does not fuse";
  if (has_joint_multiplier(form.layout, weight.scheme) && !same_multipliers(weight, first))
    return "multipliers differ, " + std::string(layout.name) + " has one for all parts";
  if (pads_parts(form.layout, weight.role))
    return weight.n == first.n ? "" : "parts that are padded one by one differ in rows";
  if (!last && weight.n % layout.fuse_unit_n != 0)
    return last_component(weight.name) + " has " + std::to_string(weight.n) + " rows, " +
           layout.name + " joins at multiples of " + std::to_string(layout.fuse_unit_n);
  return "";
}

/// Why these weights cannot be one operand; empty if they can.
std::string reason_not_to_fuse(const Model& model, const FusionGroup& group,
                               const std::vector<std::vector<FormChoice>>& forms) {
  const Weight& first = model.weights[group.weights[0]];
  for (size_t i = 0; i < group.weights.size(); ++i) {
    const Weight& weight = model.weights[group.weights[i]];
    if (const std::string reason = reason_between(model, weight, first); !reason.empty())
      return reason;
    if (const std::string reason = reason_in_source(model, weight); !reason.empty())
      return last_component(weight.name) + ": " + reason;
    if (forms[i] != forms[0]) return "layouts differ";
    const bool last = i + 1 == group.weights.size();
    for (const FormChoice& form : forms[i])
      if (const std::string reason = reason_of_layout(weight, first, last, form); !reason.empty())
        return reason;
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
  operand.group_rows = first.group_rows;
  operand.gemm = first.gemm;
  operand.tied_head = first.tied_head;
  operand.stored_as = first.stored_as;
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

/// Layouts of every weight, and where the one that was asked for is not among them, why.
struct Choices {
  std::vector<std::vector<FormChoice>> forms;
  std::vector<std::string> refused;
};

std::string not_in(LayoutId layout, const std::string& reason) {
  return "not " + std::string(layouts::find_layout(static_cast<uint16_t>(layout))->name) + ": " +
         reason;
}

Result<Choices> choose_all(const Model& model, const Options& options) {
  Choices choices;
  for (const Weight& weight : model.weights) {
    IMP_ASSIGN(auto forms, choose_forms(model, weight, options));
    choices.forms.push_back(std::move(forms));
    choices.refused.emplace_back();
    if (!options.layout || !is_packed_somewhere(weight)) continue;
    const std::string reason = reason_not_held(*options.layout, weight, model);
    if (!reason.empty()) choices.refused.back() = not_in(*options.layout, reason);
  }
  return choices;
}

/// Engines take gate and up of experts in one matrix with one multiplier. Where the source has two
/// the layout would have to requantise one of them, which is not done: neither part gets it.
Status refuse_unequal_experts(const Model& model, const Options& options, Choices& choices) {
  if (!options.layout) return {};
  for (const FusionGroup& group : model.groups) {
    const Weight& first = model.weights[group.weights[0]];
    if (first.experts == 1 || !has_joint_multiplier(*options.layout, first.scheme)) continue;
    const auto differs = [&](uint32_t w) {
      const Weight& weight = model.weights[w];
      return weight.scheme == first.scheme && weight.experts == first.experts &&
             !same_multipliers(weight, first);
    };
    if (std::none_of(group.weights.begin(), group.weights.end(), differs)) continue;
    for (const uint32_t w : group.weights) {
      if (!choices.refused[w].empty()) continue;
      IMP_ASSIGN(choices.forms[w], choose_forms(model, model.weights[w], {options.sms, {}}));
      choices.refused[w] =
          not_in(*options.layout, "multipliers of an expert's parts differ, it has one for both");
    }
  }
  return {};
}

/// Why the members of a group are not one operand; empty if they are one.
std::string reason_against(const Model& model, const FusionGroup& group, const Choices& choices) {
  std::vector<std::vector<FormChoice>> of_group;
  for (const uint32_t member : group.weights) of_group.push_back(choices.forms[member]);
  return reason_not_to_fuse(model, group, of_group);
}

}  // namespace

Result<std::vector<Operand>> make_operands(const Model& model, const Options& options) {
  IMP_ASSIGN(Choices choices, choose_all(model, options));
  IMP_TRY(refuse_unequal_experts(model, options, choices));
  std::vector<const FusionGroup*> group_of(model.weights.size(), nullptr);
  for (const FusionGroup& group : model.groups)
    for (const uint32_t w : group.weights) group_of[w] = &group;

  std::vector<Operand> operands;
  for (uint32_t w = 0; w < model.weights.size(); ++w) {
    const FusionGroup* group = group_of[w];
    const std::string reason = group == nullptr ? "" : reason_against(model, *group, choices);
    const bool fused = group != nullptr && reason.empty();
    if (fused && group->weights[0] != w) continue;
    Operand operand =
        operand_of(model, fused ? group->weights : std::vector<uint32_t>{w}, choices.forms[w]);
    operand.refused = choices.refused[w];
    if (fused) {
      operand.name = operand_name(group->name);
      operand.role = group->role;
      operand.fusion = "fused: " + list_of_parts(model, *group);
    } else if (group != nullptr) {
      operand.fusion = "not fused: " + reason;
    }
    operands.push_back(std::move(operand));
  }
  IMP_TRY(check_unique_names(operands));
  return operands;
}

}  // namespace imp::plan
