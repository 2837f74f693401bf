#include "src/model/modelopt_config.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "src/model/json_fields.h"
#include "src/model/module_class.h"
#include "src/model/names.h"
#include "src/model/patterns.h"

namespace imp::model {
namespace {

using nlohmann::json;

/// What the two documents both say, under different keys.
struct Document {
  std::string file;
  std::string version;
  std::string quant_algo;  ///< empty where only the KV cache is quantized
  std::string kv_cache;
  std::optional<uint64_t> group_size;
  std::vector<std::string> exclude_modules;
  const json* quantized_layers = nullptr;
  const json* config_groups = nullptr;
};

/// kv_cache_scheme is a raw string but for FP8, which is an argument object.
std::string kv_word_of(const json& section) {
  const json* scheme = value_at(section, "kv_cache_scheme");
  if (scheme == nullptr) return "";
  if (scheme->is_string()) return scheme->get<std::string>();
  const bool fp8 = number_at(*scheme, "num_bits") == 8u && string_at(*scheme, "type") == "float";
  return fp8 ? "FP8" : "unknown";
}

std::optional<uint64_t> group_size_of(const json& section) {
  if (const auto size = number_at(section, "group_size")) return size;
  const json* groups = object_at(section, "config_groups");
  if (groups == nullptr) return std::nullopt;
  for (const json& group : *groups)
    if (const json* weights = object_at(group, "weights"))
      if (const auto size = number_at(*weights, "group_size")) return size;
  return std::nullopt;
}

Document read_document(const json& root, const json& section, const char* file,
                       const char* exclude_key) {
  Document document;
  document.file = file;
  if (const json* producer = object_at(root, "producer"))
    document.version = string_at(*producer, "version");
  document.quant_algo = string_at(section, "quant_algo");
  document.kv_cache = string_at(section, "kv_cache_quant_algo");
  if (document.kv_cache.empty()) document.kv_cache = kv_word_of(section);
  document.group_size = group_size_of(section);
  document.exclude_modules = strings_at(section, exclude_key);
  document.quantized_layers = object_at(section, "quantized_layers");
  document.config_groups = object_at(section, "config_groups");
  return document;
}

std::vector<std::string> sorted(std::vector<std::string> list) {
  std::sort(list.begin(), list.end());
  return list;
}

/// What ModelOpt's default recipes quantize; stacks of experts are among it.
bool is_quantizable(ModuleClass c) {
  return c == ModuleClass::kLinear || c == ModuleClass::kStack || c == ModuleClass::kUnknown;
}

void warn_where_they_differ(const Document& used, const Document& other, Log& log) {
  if (to_upper(used.quant_algo) != to_upper(other.quant_algo))
    log.warn(used.file + " says quant_algo '" + used.quant_algo + "', " + other.file + " says '" +
             other.quant_algo + "'; the tensors decide");
  if (sorted(used.exclude_modules) != sorted(other.exclude_modules))
    log.warn(used.file + " and " + other.file + " exclude different modules; the tensors decide");
}

struct AlgoRow {
  std::string_view name;  ///< in upper case
  uint32_t bits;
  bool is_float;
  uint64_t group_size;  ///< where the configuration names none; 0: one scale a tensor
  uint64_t block_rows;
  bool activations_8bit;
  bool weight_only;
};

// checkpoint-formats 3.2 to 3.8. FP8_PB_WO and FP8_PB_REAL have no group_size in either document.
constexpr AlgoRow kAlgos[] = {
    {"FP8", 8, true, 0, 0, true, false},
    {"FP8_PER_CHANNEL_PER_TOKEN", 8, true, kWholeRow, 0, true, false},
    {"FP8_PB_WO", 8, true, 128, 128, false, true},
    {"FP8_PB_REAL", 8, true, 128, 128, false, true},
    {"W4A16_AWQ", 4, false, 128, 0, false, true},
    {"W4A8_AWQ", 4, false, 128, 0, true, false},
    {"W8A16", 8, false, kWholeRow, 0, false, true},
    {"W8A8_SQ_PER_CHANNEL", 8, false, kWholeRow, 0, true, false},
    {"NVFP4", 4, true, 16, 0, false, false},
    {"W4A16_NVFP4", 4, true, 16, 0, false, true},
    {"NVFP4_AWQ", 4, true, 16, 0, false, false},
    {"NVFP4_SVD", 4, true, 16, 0, false, false},
    {"W4A8_NVFP4_FP8", 4, true, 32, 0, true, false},
    {"MXFP4", 4, true, 32, 0, false, false},
    {"W4A8_MXFP4_FP8", 4, true, 32, 0, true, false},
    {"MXFP8", 8, true, 32, 0, true, false},
};

constexpr std::string_view kMixed = "MIXED_PRECISION";

std::string known_algos() {
  std::string list;
  for (const AlgoRow& row : kAlgos) list += std::string(row.name) + ", ";
  return list + std::string(kMixed);
}

Error unknown_algo(const std::string& algo, const std::string& where, const std::string& module) {
  return Error{ErrorKind::kUnsupportedScheme,
               "quant_algo is '" + algo + "'; supported are " + known_algos(), where, module};
}

/// A module, or a container of modules, and what is said of it.
using Layers = std::map<std::string, Expectation>;

Result<Layers> layers_of(const json& quantized_layers, const std::string& where) {
  Layers layers;
  for (const auto& [name, value] : quantized_layers.items()) {
    const std::string algo = string_at(value, "quant_algo");
    const auto expectation = expectation_of_algo(algo, number_at(value, "group_size"));
    if (!expectation) return unknown_algo(algo, where, name);
    layers[normalise_prefix(name)] = *expectation;
  }
  return layers;
}

/// config.json alone may carry the layers as targets of groups, whose algorithm its numbers tell.
Layers layers_of_groups(const json& config_groups) {
  Layers layers;
  for (const json& group : config_groups) {
    const json* weights = object_at(group, "weights");
    if (weights == nullptr || string_at(*weights, "type") != "float") continue;
    const auto bits = number_at(*weights, "num_bits");
    const char* algo = bits == 8u ? "FP8" : bits == 4u ? "NVFP4" : "";
    const auto expectation = expectation_of_algo(algo, number_at(*weights, "group_size"));
    if (!expectation) continue;
    for (const std::string& name : strings_at(group, "targets"))
      layers[normalise_prefix(name)] = *expectation;
  }
  return layers;
}

class ModelOptConfig : public QuantConfig {
 public:
  ModelOptConfig(const Document& document, std::optional<Expectation> everywhere, Layers layers,
                 Log& log)
      : everywhere_(std::move(everywhere)),
        layers_(std::move(layers)),
        excluded_(document.exclude_modules, PatternStyle::kWholeName, log) {
    dialect = Dialect::kModelOpt;
    producer = "modelopt" + (document.version.empty() ? "" : " " + document.version);
    version = document.version;
    quantization = document.quant_algo;
    file = document.file;
    kv_cache = document.kv_cache;
  }

  Expectation expect(const std::string& module) const override {
    const bool excluded = excluded_.matches(module);
    Expectation expectation;
    if (everywhere_) {
      expectation = *everywhere_;
      expectation.quantized = !excluded && is_quantizable(class_of_module(module));
    } else if (const Expectation* layer = longest_prefix(module)) {
      expectation = *layer;
      expectation.quantized = !excluded;
    }
    return expectation;
  }

  std::vector<std::string> unmatched() const override {
    std::vector<std::string> list = excluded_.unmatched();
    for (const auto& [name, expectation] : layers_)
      if (!matched_layers_.contains(name)) list.push_back(name);
    return list;
  }

 private:
  /// The entry of quantized_layers that names the module or the closest container of it.
  const Expectation* longest_prefix(const std::string& module) const {
    std::string name = module;
    for (;;) {
      if (const auto it = layers_.find(name); it != layers_.end()) {
        matched_layers_[name] = true;
        return &it->second;
      }
      const size_t dot = name.rfind('.');
      if (dot == std::string::npos) return nullptr;
      name.resize(dot);
    }
  }

  std::optional<Expectation> everywhere_;
  Layers layers_;
  ModulePatterns excluded_;
  mutable std::map<std::string, bool> matched_layers_;
};

/// MIXED_PRECISION names its layers in either document.
Result<Layers> mixed_layers(const Document& first, const Document* second,
                            const std::string& folder) {
  for (const Document* document : {&first, second})
    if (document != nullptr && document->quantized_layers != nullptr)
      return layers_of(*document->quantized_layers, folder + "/" + document->file);
  for (const Document* document : {&first, second})
    if (document != nullptr && document->config_groups != nullptr)
      return layers_of_groups(*document->config_groups);
  return Error{ErrorKind::kBadConfig, "quant_algo is MIXED_PRECISION without 'quantized_layers'",
               folder + "/" + first.file, ""};
}

void warn_of_kv_word(const std::string& word, const std::string& file, Log& log) {
  constexpr std::array<std::string_view, 5> kKnown = {"", "FP8", "INT8", "NVFP4", "NVFP4_AFFINE"};
  if (std::find(kKnown.begin(), kKnown.end(), word) == kKnown.end())
    log.warn(file + " asks for KV cache scheme '" + word +
             "', which is unknown; its tensors are carried as they are");
}

}  // namespace

std::optional<Expectation> expectation_of_algo(const std::string& quant_algo,
                                               std::optional<uint64_t> group_size) {
  const std::string name = to_upper(quant_algo);
  for (const AlgoRow& row : kAlgos) {
    if (row.name != name) continue;
    Expectation expectation;
    expectation.quantized = true;
    expectation.word = quant_algo;
    expectation.bits = row.bits;
    expectation.is_float = row.is_float;
    expectation.symmetric = true;
    expectation.per_tensor = row.group_size == 0;
    if (row.group_size != 0)
      expectation.group_size =
          row.group_size == kWholeRow ? kWholeRow : group_size.value_or(row.group_size);
    if (row.block_rows != 0) expectation.block_rows = row.block_rows;
    expectation.activations_8bit = row.activations_8bit;
    expectation.weight_only = row.weight_only;
    return expectation;
  }
  return std::nullopt;
}

Result<std::unique_ptr<QuantConfig>> read_modelopt_config(const json* section, const json* document,
                                                          const std::string& folder, Log& log) {
  std::optional<Document> first, second;
  if (section != nullptr) first = read_document(*section, *section, "config.json", "ignore");
  if (document != nullptr) {
    const json* inner = object_at(*document, "quantization");
    if (inner == nullptr)
      return Error{ErrorKind::kBadConfig, "has no object 'quantization'",
                   folder + "/hf_quant_config.json", ""};
    second = read_document(*document, *inner, "hf_quant_config.json", "exclude_modules");
  }
  if (first && second) warn_where_they_differ(*first, *second, log);
  if (!first) std::swap(first, second);
  if (!first->group_size && second) first->group_size = second->group_size;
  warn_of_kv_word(first->kv_cache, first->file, log);

  std::optional<Expectation> everywhere;
  Layers layers;
  if (to_upper(first->quant_algo) == kMixed) {
    IMP_ASSIGN(layers, mixed_layers(*first, second ? &*second : nullptr, folder));
  } else if (!first->quant_algo.empty()) {
    everywhere = expectation_of_algo(first->quant_algo, first->group_size);
    if (!everywhere) return unknown_algo(first->quant_algo, folder + "/" + first->file, "");
  }
  return std::unique_ptr<QuantConfig>(
      std::make_unique<ModelOptConfig>(*first, std::move(everywhere), std::move(layers), log));
}

}  // namespace imp::model
