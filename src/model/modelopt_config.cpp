#include "src/model/modelopt_config.h"

#include <algorithm>

namespace imp::model {
namespace {

using nlohmann::json;

std::string string_at(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

std::vector<std::string> strings_at(const json& object, const char* key) {
  std::vector<std::string> list;
  const auto it = object.find(key);
  if (it == object.end() || !it->is_array()) return list;
  for (const json& item : *it)
    if (item.is_string()) list.push_back(item.get<std::string>());
  return list;
}

std::string producer_version_of(const json& object) {
  const auto it = object.find("producer");
  return it != object.end() && it->is_object() ? string_at(*it, "version") : "";
}

/// kv_cache_scheme is a raw string but for FP8, which is an argument object.
std::string kv_algo_of(const json& section) {
  const auto it = section.find("kv_cache_scheme");
  if (it == section.end() || it->is_null()) return "";
  if (it->is_string()) return it->get<std::string>();
  if (!it->is_object()) return "unknown";
  const auto bits = it->find("num_bits");
  return bits != it->end() && *bits == 8 && string_at(*it, "type") == "float" ? "FP8" : "unknown";
}

std::optional<uint64_t> group_size_of(const json& section) {
  if (const auto it = section.find("group_size"); it != section.end() && it->is_number_unsigned())
    return it->get<uint64_t>();
  const auto groups = section.find("config_groups");
  if (groups == section.end() || !groups->is_object()) return std::nullopt;
  for (const auto& [name, group] : groups->items()) {
    if (!group.is_object() || !group.contains("weights") || !group["weights"].is_object()) continue;
    const auto size = group["weights"].find("group_size");
    if (size != group["weights"].end() && size->is_number_unsigned()) return size->get<uint64_t>();
  }
  return std::nullopt;
}

ModelOptConfig from_config_json(const json& section) {
  ModelOptConfig config;
  config.file = "config.json";
  config.quant_algo = string_at(section, "quant_algo");
  config.kv_cache_quant_algo = kv_algo_of(section);
  config.group_size = group_size_of(section);
  config.exclude_modules = strings_at(section, "ignore");
  config.producer_version = producer_version_of(section);
  return config;
}

ModelOptConfig from_hf_quant_config(const json& document) {
  ModelOptConfig config;
  config.file = "hf_quant_config.json";
  config.producer_version = producer_version_of(document);
  const json& section = document.at("quantization");
  config.quant_algo = string_at(section, "quant_algo");
  config.kv_cache_quant_algo = string_at(section, "kv_cache_quant_algo");
  config.group_size = group_size_of(section);
  config.exclude_modules = strings_at(section, "exclude_modules");
  return config;
}

bool same_patterns(std::vector<std::string> a, std::vector<std::string> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

void warn_where_they_differ(const ModelOptConfig& used, const ModelOptConfig& other, Log& log) {
  if (used.quant_algo != other.quant_algo)
    log.warn(used.file + " says quant_algo '" + used.quant_algo + "', " + other.file + " says '" +
             other.quant_algo + "'; the tensors decide");
  if (!same_patterns(used.exclude_modules, other.exclude_modules))
    log.warn(used.file + " and " + other.file + " exclude different modules; the tensors decide");
}

}  // namespace

Result<ModelOptConfig> read_modelopt_config(const std::optional<json>& config,
                                            const std::optional<json>& hf_quant_config,
                                            const std::string& folder, Log& log) {
  std::optional<ModelOptConfig> first, second;
  std::string foreign_method;
  if (config && config->contains("quantization_config") &&
      !(*config)["quantization_config"].is_null()) {
    const json& section = (*config)["quantization_config"];
    if (!section.is_object())
      return Error{ErrorKind::kBadConfig, "quantization_config is no JSON object",
                   folder + "/config.json", ""};
    const std::string method = string_at(section, "quant_method");
    if (method.starts_with("modelopt"))
      first = from_config_json(section);
    else
      foreign_method = method.empty() ? "(none named)" : method;
  }
  if (hf_quant_config) {
    if (!hf_quant_config->contains("quantization") ||
        !(*hf_quant_config)["quantization"].is_object())
      return Error{ErrorKind::kBadConfig, "has no object 'quantization'",
                   folder + "/hf_quant_config.json", ""};
    second = from_hf_quant_config(*hf_quant_config);
  }
  if (first && second) warn_where_they_differ(*first, *second, log);
  if (first) return std::move(*first);
  if (second) {
    if (!foreign_method.empty())
      log.warn("config.json names quant_method '" + foreign_method +
               "', hf_quant_config.json is ModelOpt's; the latter is used");
    return std::move(*second);
  }
  if (!foreign_method.empty())
    return Error{ErrorKind::kUnsupportedFormat,
                 "quant_method is '" + foreign_method +
                     "'; checkpoints of ModelOpt ('modelopt') can be converted",
                 folder, ""};
  return Error{ErrorKind::kUnsupportedFormat,
               "no quantization found (neither quantization_config in config.json nor "
               "hf_quant_config.json); "
               "unquantized checkpoints are not supported",
               folder, ""};
}

}  // namespace imp::model
