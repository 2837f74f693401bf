#include "src/model/module_table.h"

#include <optional>
#include <string_view>
#include <utility>

#include "src/model/detect.h"
#include "src/model/scalars.h"

namespace imp::model {
namespace {

/// Last components that show a form which nothing here reads, next to weights that would look
/// familiar without them.
std::string_view what_it_shows(std::string_view last) {
  constexpr std::pair<std::string_view, std::string_view> kKnown[] = {
      {"qweight", "AutoGPTQ or AutoAWQ packing"},
      {"qzeros", "AutoGPTQ or AutoAWQ packing"},
      {"comfy_quant", "ComfyUI's nvfp4, whose nibbles and scales are in another order"},
      {"scale_packed", "marlin-24, in the order of one kernel"},
      {"_scale",
       "a leaked quantizer scale of a compressed ModelOpt model: its weight_scale is wrong"},
      {"_double_scale",
       "a leaked quantizer scale of a compressed ModelOpt model: its weight_scale is wrong"},
      {"absmax", "bitsandbytes"},
  };
  for (const auto& [name, what] : kKnown)
    if (name == last) return what;
  return last.find("csf") != std::string_view::npos ? "NVFP4 with compressed block scales" : "";
}

std::string_view last_component(std::string_view name) { return name.substr(name.rfind('.') + 1); }

/// The module with a weight that a GEMM takes in which the parameter `name` lies, or nullptr.
const Module* linear_around(const std::map<std::string, Module>& modules, std::string_view name) {
  for (size_t dot = name.rfind('.'); dot != std::string_view::npos && dot != 0;
       dot = name.rfind('.', dot - 1)) {
    const auto it = modules.find(std::string(name.substr(0, dot)));
    if (it == modules.end() || it->second.role.kind != ModuleKind::kLinear) continue;
    if (codes_of(it->second.experts.begin()->second)) return &it->second;
  }
  return nullptr;
}

/// A tensor without a known meaning is a value of its own, but not inside a linear layer: what it
/// does to the weight there is not known.
Status check_parameters(const Source& source, const std::map<std::string, Module>& modules) {
  for (const auto& [name, module] : modules) {
    if (module.has_role) continue;
    const ModuleTensors& tensors = module.experts.begin()->second;
    for (const uint32_t t : tensors.tensor) {
      if (t == kNone) continue;
      const std::string_view last = last_component(source.tensors[t].name);
      const std::string_view shows = what_it_shows(last);
      const Module* around = linear_around(modules, name);
      if (shows.empty() && around == nullptr) break;
      return tensor_error(source, t, ErrorKind::kUnknownTensor,
                          "suffix '" + std::string(last) + "' is not supported" +
                              (shows.empty() ? " beside the weight of '" + around->name + "'"
                                             : " (" + std::string(shows) + ")"));
    }
  }
  return {};
}

/// Scales of the K cache hang on k_proj or on the attention block, never on another projection.
bool kv_suffix_fits(Suffix suffix, std::string_view leaf) {
  const std::string_view last = last_component(leaf);
  if (!last.ends_with("_proj") || last == "qkv_proj") return true;
  switch (suffix) {
    case Suffix::kKScale:
    case Suffix::kKBias:
      return last == "k_proj";
    case Suffix::kVScale:
    case Suffix::kVBias:
      return last == "v_proj";
    case Suffix::kQScale:
      return last == "q_proj";
    default:
      return true;
  }
}

Status add_tensor(const Source& source, uint32_t t, std::map<std::string, Module>& modules) {
  const auto name = parse_name(source.tensors[t].name);
  if (!name)
    return tensor_error(
        source, t, ErrorKind::kUnknownTensor,
        "name is not of the form MODULE.SUFFIX with plain layer and expert numbers");
  if (!kv_suffix_fits(name->suffix, name->leaf))
    return tensor_error(source, t, ErrorKind::kUnknownTensor,
                        "suffix '" + std::string(last_component(source.tensors[t].name)) +
                            "' is not supported on module '" + name->leaf + "'");
  const auto role = role_of_leaf(name->leaf);
  Module& module = modules[name->module];
  module.name = name->module;
  module.leaf = name->leaf;
  module.layer = name->layer;
  module.has_role = role.has_value();
  if (role) module.role = *role;
  module.per_expert = name->expert != kNone;
  uint32_t& slot = module.experts[module.per_expert ? name->expert : 0]
                       .tensor[static_cast<size_t>(name->suffix)];
  if (slot != kNone)
    return tensor_error(source, t, ErrorKind::kDuplicateName,
                        "means the same as tensor '" + source.tensors[slot].name + "'");
  slot = t;
  return {};
}

}  // namespace

Result<std::map<std::string, Module>> sort_into_modules(const Source& source) {
  std::map<std::string, Module> modules;
  for (uint32_t t = 0; t < source.tensors.size(); ++t) IMP_TRY(add_tensor(source, t, modules));
  IMP_TRY(check_parameters(source, modules));
  return modules;
}

}  // namespace imp::model
