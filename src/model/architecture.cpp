#include "src/model/architecture.h"

#include <initializer_list>

#include "src/model/architecture_table.h"
#include "src/model/json_fields.h"

namespace imp::model {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxLayers = 1u << 20;

/// The part of a configuration that describes the text model, and the whole of it.
struct Levels {
  const json* text = nullptr;
  const json* top = nullptr;
  std::string file;
};

Levels levels_of(const json& config) { return {&text_part(config), &config, "config.json"}; }

/// The first of `keys` that is a number, in the text part before the whole.
std::optional<uint64_t> find_number(const Levels& levels, std::initializer_list<const char*> keys) {
  for (const json* level : {levels.text, levels.top})
    for (const char* key : keys)
      if (const auto number = number_at(*level, key)) return number;
  return std::nullopt;
}

std::optional<uint64_t> find_experts(const Levels& levels) {
  if (const auto number = find_number(
          levels, {"num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"}))
    return number;
  const json* moe = object_at(*levels.text, "moe");
  return moe == nullptr ? std::nullopt : number_at(*moe, "num_experts");
}

bool find_flag(const Levels& levels, std::initializer_list<const char*> keys, bool otherwise) {
  for (const char* key : keys)
    for (const json* level : {levels.text, levels.top})
      if (const json* value = value_at(*level, key); value != nullptr && value->is_boolean())
        return value->get<bool>();
  return otherwise;
}

/// Some families say it in the text part, some above it, and not all files say both: one yes is
/// yes.
bool find_tied(const Levels& levels, bool otherwise) {
  bool said = false, tied = false;
  for (const json* level : {levels.text, levels.top})
    for (const char* key : {"tie_word_embeddings", "tied_embeddings"})
      if (const json* value = value_at(*level, key); value != nullptr && value->is_boolean()) {
        said = true;
        tied = tied || value->get<bool>();
      }
  return said ? tied : otherwise;
}

std::string first_architecture(const json& config) {
  const auto names = config.find("architectures");
  const bool named =
      names != config.end() && names->is_array() && !names->empty() && names->front().is_string();
  return named ? names->front().get<std::string>() : "";
}

Error bad_number(const Levels& levels, const std::string& folder, const std::string& message) {
  return Error{ErrorKind::kBadConfig, message, folder + "/" + levels.file, ""};
}

Status read_layers(const Levels& levels, const std::string& folder, Architecture& architecture) {
  const auto layers = find_number(levels, {"num_hidden_layers", "n_layers"});
  if (!layers && !architecture.generic)
    return bad_number(levels, folder, "has no number 'num_hidden_layers'");
  if (layers.value_or(0) > kMaxLayers)
    return bad_number(levels, folder, "num_hidden_layers is " + std::to_string(*layers));
  architecture.num_layers = static_cast<uint32_t>(layers.value_or(0));
  return {};
}

Status read_experts(const Levels& levels, const std::string& folder, Architecture& architecture) {
  const Experts experts =
      architecture.family == nullptr ? Experts::kSometimes : architecture.family->experts;
  if (experts == Experts::kNever) return {};
  const auto number = find_experts(levels);
  if (!number && experts == Experts::kAlways)
    return bad_number(levels, folder, "has no number 'num_experts'");
  architecture.num_experts = number.value_or(0);
  return {};
}

/// Everything but the name.
Result<Architecture> read_levels(const Levels& levels, const Family* family, std::string name,
                                 const std::string& folder) {
  Architecture architecture;
  architecture.name = std::move(name);
  architecture.family = family;
  architecture.generic = family == nullptr;
  IMP_TRY(read_layers(levels, folder, architecture));
  IMP_TRY(read_experts(levels, folder, architecture));
  architecture.tied_embeddings = find_tied(levels, family != nullptr && family->has(Trait::kTied));
  if (family == nullptr) return architecture;
  architecture.has_shared_expert = family->has(Trait::kSharedExpert) &&
                                   find_number(levels, {"n_shared_experts"}).value_or(1) != 0;
  architecture.has_qk_norm = family->has(Trait::kQkNorm);
  // Qwen2-MoE calls it qkv_bias, Llama attention_bias.
  architecture.has_qkv_bias =
      find_flag(levels, {"qkv_bias", "attention_bias"}, family->has(Trait::kQkvBias));
  architecture.in_first_stacks = family->has(Trait::kInFirstStacks);
  architecture.interleaved_gate_up = family->has(Trait::kInterleavedGateUp);
  return architecture;
}

/// Mistral's own files name no architecture, but their keys tell.
const Family* family_of_params(const json& params) {
  if (value_at(params, "kv_lora_rank") != nullptr) return find_family("DeepseekV3ForCausalLM");
  if (value_at(params, "moe") != nullptr) return find_family("MixtralForCausalLM");
  return value_at(params, "n_layers") != nullptr ? find_family("MistralForCausalLM") : nullptr;
}

Result<Architecture> without_config(const json& params, const std::string& folder) {
  const Family* family = family_of_params(params);
  return read_levels({&params, &params, "params.json"}, family,
                     family == nullptr ? "" : std::string(family->architecture), folder);
}

Result<Architecture> from_config(const json& config, const std::string& folder) {
  const Levels levels = levels_of(config);
  std::string name = first_architecture(config);
  const Family* family = find_family(name);
  if (name.empty()) {
    const std::string type = string_at(config, "model_type");
    family = find_family_of_type(type);
    name = family == nullptr ? type : std::string(family->architecture);
  }
  return read_levels(levels, family, std::move(name), folder);
}

}  // namespace

bool is_known_architecture(std::string_view name) { return find_family(name) != nullptr; }

Result<Architecture> read_architecture(const ConfigDocuments& documents, const std::string& folder,
                                       Log& log) {
  const json nothing = json::object();
  const bool native = !documents.config && documents.params;
  IMP_ASSIGN(Architecture architecture,
             native ? without_config(*documents.params, folder)
                    : from_config(documents.config ? *documents.config : nothing, folder));
  if (architecture.generic)
    log.warn((architecture.name.empty()
                  ? std::string("no architecture is named")
                  : "architecture '" + architecture.name + "' is not among those that are known") +
             ": every module is taken by itself, nothing is fused, and missing ones cannot be "
             "noticed");
  return architecture;
}

}  // namespace imp::model
