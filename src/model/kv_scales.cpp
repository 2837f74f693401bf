#include "src/model/kv_scales.h"

#include <bit>
#include <vector>

#include "src/model/scalars.h"

namespace imp::model {
namespace {

/// Tensors of one meaning by the attention block that they belong to, in the order of their names.
using Spellings = std::map<std::string, std::vector<std::pair<const Module*, uint32_t>>>;

/// "X.k_proj", "X.v_proj", "X.qkv_proj" and "X.attn" are of the block X.
std::string block_of(const std::string& module) {
  const size_t dot = module.rfind('.');
  if (dot == std::string::npos) return module;
  const std::string last = module.substr(dot + 1);
  for (const char* part : {"k_proj", "v_proj", "qkv_proj", "attn"})
    if (last == part) return module.substr(0, dot);
  return module;
}

Spellings spellings_of(const std::map<std::string, Module>& modules, Suffix suffix) {
  Spellings found;
  for (const auto& [name, module] : modules) {
    const ModuleTensors& tensors = module.experts.begin()->second;
    if (tensors.has(suffix)) found[block_of(name)].emplace_back(&module, tensors[suffix]);
  }
  return found;
}

/// "X.k_proj" has its counterpart in "X.v_proj", "self_attn" in itself.
std::string counterpart(const std::string& module, bool is_k) {
  const std::string mine = is_k ? "k_proj" : "v_proj";
  if (!module.ends_with(mine)) return module;
  return module.substr(0, module.size() - mine.size()) + (is_k ? "v_proj" : "k_proj");
}

Status check_pairs(const ImportContext& context, const Spellings& mine, const Spellings& others,
                   bool is_k, const char* suffix) {
  for (const auto& [block, tensors] : mine) {
    if (others.contains(block)) continue;
    const auto& [module, tensor] = tensors.front();
    return tensor_error(context.source, tensor, ErrorKind::kMissingTensor,
                        "has no counterpart " + counterpart(module->name, is_k) + suffix);
  }
  return {};
}

Status check_equal(const ImportContext& context, const Spellings& spellings) {
  for (const auto& [block, tensors] : spellings) {
    const uint32_t first = tensors.front().second;
    for (const auto& [module, tensor] : tensors) {
      if (tensor == first) continue;
      IMP_ASSIGN(const std::vector<uint32_t> a, read_floats(context.source, first));
      IMP_ASSIGN(const std::vector<uint32_t> b, read_floats(context.source, tensor));
      if (a != b)
        return tensor_error(context.source, tensor, ErrorKind::kBadScale,
                            "differs from '" + context.source.tensors[first].name +
                                "', which means the same; which of them holds is not known");
    }
  }
  return {};
}

}  // namespace

Status check_kv_scales(const ImportContext& context, const std::map<std::string, Module>& modules) {
  const Spellings k = spellings_of(modules, Suffix::kKScale);
  const Spellings v = spellings_of(modules, Suffix::kVScale);
  IMP_TRY(check_pairs(context, k, v, true, ".v_scale"));
  IMP_TRY(check_pairs(context, v, k, false, ".k_scale"));
  const Spellings k_bias = spellings_of(modules, Suffix::kKBias);
  const Spellings v_bias = spellings_of(modules, Suffix::kVBias);
  IMP_TRY(check_pairs(context, k_bias, v_bias, true, ".v_bias"));
  IMP_TRY(check_pairs(context, v_bias, k_bias, false, ".k_bias"));
  IMP_TRY(check_equal(context, k));
  return check_equal(context, v);
}

}  // namespace imp::model
