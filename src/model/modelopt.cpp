#include "src/model/modelopt.h"

#include <map>
#include <set>
#include <string>
#include <utility>

#include "src/model/architecture.h"
#include "src/model/grouping.h"
#include "src/model/module_table.h"
#include "src/model/nvfp4_module.h"
#include "src/model/quant_config.h"
#include "src/model/scalars.h"

namespace imp::model {
namespace {

Status check_recipe(const QuantConfig& config, const std::string& folder) {
  if (config.dialect == Dialect::kModelOpt && config.quantization == "NVFP4") return {};
  return Error{ErrorKind::kUnsupportedScheme,
               "quantization is '" + config.quantization + "'; supported is ModelOpt's NVFP4",
               folder, ""};
}

Source take_source(hf::Checkpoint& checkpoint) {
  Source source;
  source.folder = checkpoint.folder;
  for (hf::SourceFile& file : checkpoint.files)
    source.files.push_back({std::move(file.name), std::move(file.handle), file.has_metadata,
                            std::move(file.metadata)});
  source.tensors.reserve(checkpoint.tensors.size());
  for (hf::SourceTensor& t : checkpoint.tensors)
    source.tensors.push_back({std::move(t.name), t.file, t.dtype, t.shape, t.offset_bytes,
                              t.size_bytes, Disposition::kCopied, ""});
  for (const hf::Companion& companion : checkpoint.companions)
    source.companions.push_back(companion.name);
  return source;
}

/// K scale without V scale, or the other way round, in one layer: a lost tensor.
Status check_kv_pairs(const Source& source, const std::map<std::string, Module>& modules) {
  for (const auto& [name, module] : modules) {
    if (module.leaf != "self_attn.k_proj" && module.leaf != "self_attn.v_proj") continue;
    const bool is_k = module.leaf == "self_attn.k_proj";
    const ModuleTensors& mine = module.experts.begin()->second;
    const uint32_t scale = mine[is_k ? Suffix::kKScale : Suffix::kVScale];
    if (scale == kNone) continue;
    const std::string other = "model.layers." + std::to_string(module.layer) +
                              (is_k ? ".self_attn.v_proj" : ".self_attn.k_proj");
    const auto it = modules.find(other);
    if (it == modules.end() ||
        !it->second.experts.begin()->second.has(is_k ? Suffix::kVScale : Suffix::kKScale))
      return tensor_error(source, scale, ErrorKind::kMissingTensor,
                          "has no counterpart " + other + (is_k ? ".v_scale" : ".k_scale"));
  }
  return {};
}

/// Configuration and tensors must tell one story; where they do not, the tensors decide and the
/// user is told.
void compare_with_exclude_list(const Model& model, const QuantConfig& config, bool tied, Log& log) {
  for (const Weight& weight : model.weights) {
    // Exporters list modules; a norm's weight is named after its tensor.
    const std::string& name = weight.name;
    const bool excluded =
        !config.expect(name.ends_with(".weight") ? name.substr(0, name.size() - 7) : name)
             .quantized;
    if (!weight.gemm) continue;
    if (excluded && is_quantized(weight.scheme))
      log.warn("module '" + weight.name + "' is quantized although " + config.file +
               " excludes it");
    if (!excluded && !is_quantized(weight.scheme) && weight.role != Role::kRouter)
      log.warn("module '" + weight.name + "' is not quantized although " + config.file +
               " does not exclude it");
  }
  for (const std::string& pattern : config.unmatched())
    if (!(tied && pattern == "lm_head"))
      log.note("exclude pattern '" + pattern + "' in " + config.file + " matches no module");
}

/// The second half of the inventory: each tensor is a plane of exactly one weight.
Status close_inventory(Model& model) {
  std::vector<uint32_t> uses(model.source.tensors.size(), 0);
  for (const Weight& weight : model.weights)
    for (const PlaneSet& set : weight.planes)
      for (const uint32_t t : set.tensors)
        if (t != kNone) {
          ++uses[t];
          model.source.tensors[t].disposition =
              is_quantized(weight.scheme) ? Disposition::kConverted : Disposition::kCopied;
        }
  for (uint32_t t = 0; t < uses.size(); ++t)
    if (uses[t] != 1)
      return tensor_error(
          model.source, t, ErrorKind::kUnknownTensor,
          uses[t] == 0 ? "belongs to no weight" : "belongs to more than one weight");
  return {};
}

Status add_weights(Model& model, const std::map<std::string, Module>& modules,
                   const Architecture& architecture, Log& log) {
  for (const auto& [name, module] : modules) {
    IMP_ASSIGN(Weight weight,
               weight_of_module(model.source, module,
                                module.per_expert ? architecture.num_experts : 1, log));
    weight.tied_head = weight.role == Role::kTokenEmbedding && architecture.tied_embeddings &&
                       !modules.contains("lm_head");
    model.weights.push_back(std::move(weight));
    for (const Suffix suffix : {Suffix::kKScale, Suffix::kVScale}) {
      if (!module.experts.begin()->second.has(suffix)) continue;
      IMP_ASSIGN(Weight scale, kv_scale_weight(model.source, module, suffix, log));
      model.weights.push_back(std::move(scale));
    }
  }
  return {};
}

/// Layers past the configured ones (draft heads) have no place in this model.
Status check_layer_numbers(const Source& source, const std::map<std::string, Module>& modules,
                           const Architecture& architecture) {
  for (const auto& [name, module] : modules)
    if (module.layer != kNone && module.layer >= architecture.num_layers) {
      const ModuleTensors& tensors = module.experts.begin()->second;
      for (const uint32_t t : tensors.tensor)
        if (t != kNone)
          return tensor_error(source, t, ErrorKind::kUnknownTensor,
                              "is in layer " + std::to_string(module.layer) + ", config.json has " +
                                  std::to_string(architecture.num_layers) + " layers");
    }
  return {};
}

}  // namespace

Result<Model> import_modelopt(hf::Checkpoint checkpoint, Log& log) {
  const std::string folder = checkpoint.folder.string();
  IMP_ASSIGN(
      const auto config,
      read_quant_config({checkpoint.config, checkpoint.hf_quant_config, {}, {}}, folder, log));
  IMP_TRY(check_recipe(*config, folder));
  if (!checkpoint.config)
    return Error{ErrorKind::kUnsupportedArchitecture,
                 "there is no config.json to name the architecture", folder, ""};
  IMP_ASSIGN(const Architecture architecture, read_architecture(*checkpoint.config, folder));

  Model model;
  model.architecture = architecture.name;
  model.producer = config->producer;
  model.quantization = config->quantization;
  model.source = take_source(checkpoint);
  IMP_ASSIGN(const auto modules, sort_into_modules(model.source));
  IMP_TRY(check_layer_numbers(model.source, modules, architecture));
  IMP_TRY(check_complete(architecture, modules, folder));
  IMP_TRY(check_kv_pairs(model.source, modules));
  IMP_TRY(add_weights(model, modules, architecture, log));
  IMP_TRY(close_inventory(model));
  order_and_group(model);
  if (architecture.tied_embeddings && modules.contains("lm_head"))
    log.warn(
        "config.json ties the output head to the embedding, but lm_head is stored; both are kept");
  compare_with_exclude_list(model, *config, architecture.tied_embeddings, log);
  return model;
}

}  // namespace imp::model
