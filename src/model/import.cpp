#include "src/model/import.h"

#include <algorithm>
#include <bit>
#include <map>

#include "formats/gguf/checkpoint.h"
#include "formats/hf/checkpoint.h"
#include "src/base/text.h"
#include "src/model/architecture.h"
#include "src/model/config_check.h"
#include "src/model/gguf/import_gguf.h"
#include "src/model/grouping.h"
#include "src/model/import_context.h"
#include "src/model/inventory.h"
#include "src/model/kv_scales.h"
#include "src/model/module_table.h"
#include "src/model/quant_config.h"
#include "src/model/weight_of_module.h"

namespace imp::model {
namespace {

Status add_weights(Model& model, ImportContext& context,
                   const std::map<std::string, Module>& modules) {
  const bool tied = context.architecture.tied_embeddings && !modules.contains("lm_head");
  for (const auto& [name, module] : modules) {
    IMP_ASSIGN(std::vector<Weight> weights, weights_of_module(context, module));
    for (Weight& weight : weights) {
      weight.tied_head = tied && weight.role == Role::kTokenEmbedding && weight.name == name;
      model.weights.push_back(std::move(weight));
    }
  }
  return {};
}

float as_multiplier(const Scalar& scalar) {
  const auto value = std::bit_cast<float>(scalar.bits);
  return scalar.state == ScalarState::kDivisor ? 1 / value : value;
}

/// Largest ratio between two parts' global scales; 1 where they are equal.
float ratio_in(const Model& model, const FusionGroup& group) {
  float ratio = 1;
  const Weight& first = model.weights[group.weights.front()];
  for (const uint32_t w : group.weights) {
    const Weight& other = model.weights[w];
    if (!has_two_levels(first.scheme) || !has_two_levels(other.scheme)) continue;
    for (size_t e = 0; e < std::min(first.multipliers.size(), other.multipliers.size()); ++e) {
      const Scalar &a = first.multipliers[e], &b = other.multipliers[e];
      if (a == b || a.state == ScalarState::kUnused || b.state == ScalarState::kUnused) continue;
      const float x = as_multiplier(a), y = as_multiplier(b);
      if (x > 0 && y > 0) ratio = std::max({ratio, x / y, y / x});
    }
  }
  return ratio;
}

/// Consumers that fuse by the largest scale get such weights wrong (T4); here each part keeps its
/// own.
void warn_of_ratios(const Model& model, Log& log) {
  float largest = 1;
  size_t groups = 0;
  std::string name;
  for (const FusionGroup& group : model.groups) {
    const float ratio = ratio_in(model, group);
    groups += ratio > 1;
    if (ratio > largest) name = group.name;
    largest = std::max(largest, ratio);
  }
  if (groups != 0)
    log.warn(std::to_string(groups) +
             " groups of weights that share their input have different global scales (largest "
             "ratio " +
             std::to_string(largest) + " in '" + name + "'); each part keeps its own");
}

ConfigDocuments documents_of(const hf::Checkpoint& checkpoint) {
  ConfigDocuments documents{checkpoint.config, checkpoint.hf_quant_config, checkpoint.params, {}};
  for (const hf::SourceFile& file : checkpoint.files)
    for (const auto& [key, value] : file.metadata) documents.metadata_keys.push_back(key);
  return documents;
}

/// Training tools leave segments in names, which are read as if they were not there.
void warn_of_wrappers(const Source& source, Log& log) {
  Occurrences wrapped;
  for (const SourceTensor& tensor : source.tensors)
    if (has_wrapper_segment(tensor.name)) wrapped.add(tensor.name);
  if (wrapped.count != 0)
    log.warn(with_thousands(wrapped.count) + " tensors have the names of a wrapped model (first '" +
             wrapped.first + "'); the wrapper's segments are left out");
}

/// Everything after the files are open and the configuration is read.
Status fill_model(Model& model, ImportContext& context) {
  if (model.source.tensors.empty())
    return Error{ErrorKind::kMissingTensor, "holds no tensor, expected a model",
                 model.source.folder.string(), ""};
  warn_of_wrappers(model.source, context.log);
  IMP_ASSIGN(const auto modules, sort_into_modules(model.source));
  IMP_TRY(check_complete(context.architecture, modules, model.source.folder.string()));
  IMP_TRY(check_kv_scales(context, modules));
  IMP_TRY(add_weights(model, context, modules));
  IMP_TRY(close_inventory(model));
  order_and_group(model);
  if (context.architecture.tied_embeddings && modules.contains("lm_head"))
    context.log.warn(
        "config.json ties the output head to the embedding, but lm_head is stored; both are kept");
  warn_of_counts(context.counts, context.log);
  warn_of_ratios(model, context.log);
  return compare_with_config(model, modules, context);
}

Result<Model> make_model(Model model, const ConfigDocuments& documents, const QuantConfig& config,
                         Log& log) {
  IMP_ASSIGN(const Architecture architecture,
             read_architecture(documents, model.source.folder.string(), log));
  model.architecture = architecture.name;
  ImportContext context{
      model.source, config,
      architecture, read_expert_sizes(documents.config.value_or(nlohmann::json::object())),
      log,          {}};
  IMP_TRY(fill_model(model, context));
  return model;
}

Result<Model> import_gguf(const std::filesystem::path& path, const ImportOptions& options,
                          Log& log) {
  IMP_ASSIGN(GgufSource gguf, read_gguf_source(path, options, log));
  const ConfigDocuments documents{gguf.config, {}, {}, {}};
  Model model;
  model.producer = "gguf";
  model.quantization = gguf.types.empty() ? "none" : gguf.types;
  model.source = std::move(gguf.source);
  IMP_ASSIGN(const std::unique_ptr<QuantConfig> config,
             read_quant_config(documents, model.source.folder.string(), log));
  return make_model(std::move(model), documents, *config, log);
}

}  // namespace

Result<Model> import_checkpoint(const std::filesystem::path& path, const ImportOptions& options,
                                Log& log) {
  // "folder/" and "folder" are one place; messages should not show "folder//config.json".
  const std::filesystem::path place = path.has_filename() ? path : path.parent_path();
  if (gguf::is_gguf(place)) return import_gguf(place, options, log);
  IMP_ASSIGN(hf::Checkpoint checkpoint, hf::open_checkpoint(place, log));
  const ConfigDocuments documents = documents_of(checkpoint);
  IMP_ASSIGN(const std::unique_ptr<QuantConfig> config,
             read_quant_config(documents, checkpoint.folder.string(), log));
  Model model;
  const bool unquantized = config->dialect == Dialect::kUnquantized;
  model.producer = unquantized ? "unquantized" : config->producer;
  model.quantization = unquantized ? "none" : config->quantization;
  model.source = take_source(checkpoint);
  return make_model(std::move(model), documents, *config, log);
}

}  // namespace imp::model
