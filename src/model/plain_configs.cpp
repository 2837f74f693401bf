#include "src/model/plain_configs.h"

#include <utility>
#include <vector>

#include "src/model/compressed_tensors_config.h"
#include "src/model/json_fields.h"
#include "src/model/module_class.h"
#include "src/model/names.h"
#include "src/model/patterns.h"

namespace imp::model {
namespace {

using nlohmann::json;

class NoQuantConfig : public QuantConfig {
 public:
  Expectation expect(const std::string&) const override { return {}; }
  std::vector<std::string> unmatched() const override { return {}; }
};

class Mxfp4Config : public QuantConfig {
 public:
  Mxfp4Config(const json& section, Log& log)
      : left_out_(strings_at(section, "modules_to_not_convert"), PatternStyle::kComponents, log) {
    dialect = Dialect::kMxfp4;
    producer = "mxfp4";
    quantization = "mxfp4";
    file = "config.json";
  }

  Expectation expect(const std::string& module) const override {
    Expectation expectation;
    const bool left_out = left_out_.matches(module);
    if (!is_routed_expert(module)) return expectation;
    expectation.quantized = !left_out;
    expectation.word = "mxfp4";
    expectation.bits = 4;
    expectation.is_float = true;
    expectation.group_size = 32;
    expectation.weight_only = true;
    return expectation;
  }

  std::vector<std::string> unmatched() const override { return left_out_.unmatched(); }

 private:
  static bool is_routed_expert(const std::string& module) {
    const auto name = parse_name(module + ".weight");
    const auto role = name ? role_of_leaf(name->leaf) : std::nullopt;
    return role && (role->role == Role::kExpertGateUp || role->role == Role::kExpertGate ||
                    role->role == Role::kExpertUp || role->role == Role::kExpertDown);
  }

  ModulePatterns left_out_;
};

class MistralFp8Config : public QuantConfig {
 public:
  explicit MistralFp8Config(bool unscaled) : unscaled_(unscaled) {
    dialect = Dialect::kMistral;
    producer = "mistral";
    quantization = "fp8_e4m3";
    file = "params.json";
  }

  Expectation expect(const std::string& module) const override {
    Expectation expectation;
    expectation.quantized = class_of_module(module) == ModuleClass::kLinear && module != "lm_head";
    expectation.word = "fp8_e4m3";
    expectation.bits = 8;
    expectation.is_float = true;
    expectation.per_tensor = true;
    expectation.activations_8bit = true;
    expectation.unscaled = unscaled_;
    return expectation;
  }

  std::vector<std::string> unmatched() const override { return {}; }

 private:
  bool unscaled_;
};

}  // namespace

std::unique_ptr<QuantConfig> no_quant_config() { return std::make_unique<NoQuantConfig>(); }

std::unique_ptr<QuantConfig> mxfp4_config(const json& section, Log& log) {
  return std::make_unique<Mxfp4Config>(section, log);
}

Result<std::unique_ptr<QuantConfig>> read_mistral_config(const json& section,
                                                         const std::string& folder, Log& log) {
  if (object_at(section, "config_groups") != nullptr) {
    IMP_ASSIGN(auto config, read_compressed_tensors_config(section, "params.json", folder, log));
    return config;
  }
  const std::string where = folder + "/params.json";
  const std::string format = string_at(section, "qformat_weight");
  if (format != "fp8_e4m3")
    return Error{ErrorKind::kUnsupportedScheme,
                 "qformat_weight is '" + format +
                     "'; supported are fp8_e4m3 and compressed-tensors' config_groups",
                 where, ""};
  const std::string activations = string_at(section, "qscheme_act");
  if (!activations.empty() && activations != "TENSOR" && activations != "NO_SCALES")
    return Error{ErrorKind::kUnsupportedScheme,
                 "qscheme_act is '" + activations + "'; supported are TENSOR and NO_SCALES", where,
                 ""};
  return std::unique_ptr<QuantConfig>(
      std::make_unique<MistralFp8Config>(activations == "NO_SCALES"));
}

}  // namespace imp::model
