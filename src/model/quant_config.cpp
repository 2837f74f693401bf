#include "src/model/quant_config.h"

#include <utility>

#include "src/model/compressed_tensors_config.h"
#include "src/model/fp8_config.h"
#include "src/model/json_fields.h"
#include "src/model/modelopt_config.h"
#include "src/model/plain_configs.h"
#include "src/model/refused_producers.h"

namespace imp::model {
namespace {

using nlohmann::json;

/// Where a section was found, and under which key.
struct Section {
  json value;
  std::string method;
};

/// Old compressed-tensors files nest the quantization inside compression_config.
json flatten_compression_config(const json& section) {
  json flat = section;
  if (const json* inner = object_at(section, "quantization_config")) {
    for (const auto& [key, value] : inner->items()) flat[key] = value;
    flat.erase("quantization_config");
  }
  if (string_at(flat, "quant_method").empty()) flat["quant_method"] = "compressed-tensors";
  return flat;
}

/// The section that speaks of quantization: at the top, or inside the part of a multi-modal model
/// that is text. nullopt where there is none.
Result<std::optional<Section>> find_section(const json& config, const std::string& folder) {
  for (const json* level :
       {&config, object_at(config, "text_config"), object_at(config, "llm_config")}) {
    if (level == nullptr) continue;
    for (const char* key : {"quantization_config", "compression_config"}) {
      const json* value = value_at(*level, key);
      if (value == nullptr) continue;
      if (!value->is_object())
        return Error{ErrorKind::kBadConfig, std::string(key) + " is no JSON object",
                     folder + "/config.json", ""};
      Section section{*value, ""};
      if (key == std::string_view("compression_config"))
        section.value = flatten_compression_config(*value);
      section.method = string_at(section.value, "quant_method");
      return std::optional(std::move(section));
    }
  }
  return std::optional<Section>();
}

/// hf_quant_config.json goes before a section that names another producer, which is stale (trap
/// T31); but DeepSeek-V4 is fp8 with ModelOpt's experts.
bool goes_to_modelopt(const Section* section, bool has_hf, Log& log) {
  if (section != nullptr && section->method.starts_with("modelopt")) return true;
  if (!has_hf) return false;
  if (section == nullptr) return true;
  if (section->method == "fp8" && value_at(section->value, "moe_quant_algo") != nullptr)
    return false;
  log.warn("config.json names quant_method '" +
           (section->method.empty() ? "(none named)" : section->method) +
           "', hf_quant_config.json is ModelOpt's; the latter is used");
  return true;
}

Result<std::unique_ptr<QuantConfig>> read_section(const Section& section, const std::string& folder,
                                                  Log& log) {
  if (section.method == "compressed-tensors" || section.method == "sparseml")
    return read_compressed_tensors_config(section.value, "config.json", folder, log);
  if (section.method == "fp8") return read_fp8_config(section.value, folder, log);
  if (section.method == "mxfp4") return mxfp4_config(section.value, log);
  return Error{ErrorKind::kUnsupportedFormat,
               section.method.empty()
                   ? "quantization_config names no quant_method; expected one of modelopt, "
                     "compressed-tensors, fp8, mxfp4"
                   : describe_quant_method(section.method) +
                         "; can be converted: modelopt, compressed-tensors, fp8, mxfp4",
               folder, ""};
}

}  // namespace

Result<std::unique_ptr<QuantConfig>> read_quant_config(const ConfigDocuments& documents,
                                                       const std::string& folder, Log& log) {
  if (const auto refusal = unnamed_producer(documents))
    return Error{ErrorKind::kUnsupportedFormat, *refusal + "; it cannot be converted", folder, ""};
  std::optional<Section> section;
  if (documents.config) {
    IMP_ASSIGN(section, find_section(*documents.config, folder));
  }
  const bool has_hf = documents.hf_quant_config.has_value();
  if (goes_to_modelopt(section ? &*section : nullptr, has_hf, log)) {
    const bool own = section && section->method.starts_with("modelopt");
    return read_modelopt_config(own ? &section->value : nullptr,
                                has_hf ? &*documents.hf_quant_config : nullptr, folder, log);
  }
  if (section) return read_section(*section, folder, log);
  if (documents.params)
    if (const json* quantization = object_at(*documents.params, "quantization"))
      return read_mistral_config(*quantization, folder, log);
  return no_quant_config();
}

}  // namespace imp::model
