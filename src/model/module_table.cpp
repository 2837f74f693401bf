#include "src/model/module_table.h"

#include <optional>
#include <string_view>
#include <utility>

#include "src/model/scalars.h"

namespace imp::model {
namespace {

/// Why a suffix that exporters do write is not taken here; empty for one that nobody writes.
std::string known_but_unsupported(std::string_view suffix) {
  constexpr std::pair<std::string_view, std::string_view> kKnown[] = {
      {"pre_quant_scale",
       "an AWQ or SmoothQuant scale of the activations; dropping it would change the model"},
      {"weight_packed", "compressed-tensors packing"},
      {"weight_global_scale", "a compressed-tensors divisor"},
      {"weight_scale_inv", "DeepSeek-style FP8 blocks"},
      {"weight_zero_point", "asymmetric integer weights"},
      {"weight_g_idx", "act-order groups"},
      {"k_bias", "an affine KV cache"},
      {"v_bias", "an affine KV cache"},
      {"qweight", "AutoGPTQ or AutoAWQ packing"},
      {"_svdquant_lora_a", "SVDQuant factors"},
      {"_svdquant_lora_b", "SVDQuant factors"},
      {"comfy_quant", "ComfyUI's nvfp4, whose nibbles and scales are in another order"},
  };
  for (const auto& [name, what] : kKnown)
    if (name == suffix) return std::string(what);
  return "";
}

Error unknown_suffix(const Source& source, uint32_t tensor, const std::string& suffix) {
  const std::string what = known_but_unsupported(suffix);
  return tensor_error(
      source, tensor, ErrorKind::kUnknownTensor,
      "suffix '" + suffix + "' is not supported" + (what.empty() ? "" : " (" + what + ")"));
}

Error misplaced_suffix(const Source& source, uint32_t tensor, Suffix suffix,
                       const ModuleRole& role) {
  const bool scale = suffix == Suffix::kWeightScale || suffix == Suffix::kWeightScale2 ||
                     suffix == Suffix::kInputScale;
  if (scale && role.kind == ModuleKind::kEmbedding)
    return tensor_error(source, tensor, ErrorKind::kUnsupportedScheme,
                        "a quantized token embedding is not supported");
  return unknown_suffix(source, tensor, source.tensors[tensor].name);
}

Error unknown_module(const Source& source, uint32_t tensor, const ParsedName& name) {
  const bool stacked = name.expert == kNone && name.leaf.find(".experts") != std::string::npos;
  return tensor_error(source, tensor, ErrorKind::kUnknownTensor,
                      stacked
                          ? "stacked experts are not supported, expected one module an expert"
                          : "module '" + name.leaf + "' has no known role in this architecture");
}

/// KV-cache scales hang on k_proj and v_proj but are no part of their GEMM.
bool suffix_fits(Suffix suffix, const ParsedName& name, const ModuleRole& role) {
  switch (suffix) {
    case Suffix::kWeight:
      return true;
    case Suffix::kKScale:
      return name.leaf == "self_attn.k_proj";
    case Suffix::kVScale:
      return name.leaf == "self_attn.v_proj";
    default:
      return role.kind == ModuleKind::kLinear;
  }
}

}  // namespace

Result<std::map<std::string, Module>> sort_into_modules(const Source& source) {
  std::map<std::string, Module> modules;
  for (uint32_t t = 0; t < source.tensors.size(); ++t) {
    const auto name = parse_name(source.tensors[t].name);
    if (!name)
      return tensor_error(
          source, t, ErrorKind::kUnknownTensor,
          "name is not of the form MODULE.SUFFIX with plain layer and expert numbers");
    const std::string& full = source.tensors[t].name;
    const std::string word = full.substr(full.rfind('.') + 1);
    const bool known = name->suffix == Suffix::kWeight || name->suffix == Suffix::kWeightScale ||
                       name->suffix == Suffix::kWeightScale2 ||
                       name->suffix == Suffix::kInputScale || name->suffix == Suffix::kBias ||
                       name->suffix == Suffix::kKScale || name->suffix == Suffix::kVScale;
    const auto role = role_of_leaf(name->leaf);
    if (!known && (role || !known_but_unsupported(word).empty()))
      return unknown_suffix(source, t, word);
    if (!role) return unknown_module(source, t, *name);
    if (!suffix_fits(name->suffix, *name, *role))
      return misplaced_suffix(source, t, name->suffix, *role);
    Module& module = modules[name->module];
    module.name = name->module;
    module.leaf = name->leaf;
    module.layer = name->layer;
    module.role = *role;
    module.per_expert = name->expert != kNone;
    uint32_t& slot = module.experts[module.per_expert ? name->expert : 0]
                         .tensor[static_cast<size_t>(name->suffix)];
    if (slot != kNone)
      return tensor_error(source, t, ErrorKind::kDuplicateName,
                          "means the same as tensor '" + source.tensors[slot].name + "'");
    slot = t;
  }
  return modules;
}

}  // namespace imp::model
