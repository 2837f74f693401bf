#include "src/model/fp8_config.h"

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "src/model/json_fields.h"
#include "src/model/modelopt_config.h"
#include "src/model/module_class.h"
#include "src/model/names.h"
#include "src/model/patterns.h"

namespace imp::model {
namespace {

using nlohmann::json;

using Containers = std::map<std::string, Expectation>;

Result<Expectation> read_scheme(const json& section, const std::string& where) {
  Expectation expectation;
  expectation.quantized = true;
  expectation.word = "fp8";
  expectation.bits = 8;
  expectation.is_float = true;
  expectation.symmetric = true;
  expectation.activations_8bit = true;
  const std::string fmt = string_at(section, "fmt");
  if (!fmt.empty() && fmt != "e4m3")
    return Error{ErrorKind::kUnsupportedScheme, "fmt is '" + fmt + "'; supported is e4m3", where,
                 ""};
  const json* block = value_at(section, "weight_block_size");
  if (block == nullptr) {
    expectation.per_tensor = true;
    return expectation;
  }
  const bool pair = block->is_array() && block->size() == 2;
  const auto rows = pair ? as_number((*block)[0]) : std::nullopt;
  const auto columns = pair ? as_number((*block)[1]) : std::nullopt;
  if (rows.value_or(0) == 0 || columns.value_or(0) == 0)
    return Error{ErrorKind::kBadConfig,
                 "weight_block_size is " + block->dump().substr(0, 40) +
                     ", expected [rows, columns] or null",
                 where, ""};
  expectation.block_rows = rows;
  expectation.group_size = columns;
  return expectation;
}

/// DeepSeek-V4: the routed experts are ModelOpt's, everything else is FP8.
Result<Containers> read_containers(const json& section, const std::string& where) {
  Containers containers;
  const std::string algo = string_at(section, "moe_quant_algo");
  if (algo.empty()) return containers;
  const auto expectation = expectation_of_algo(algo, number_at(section, "group_size"));
  if (!expectation)
    return Error{ErrorKind::kUnsupportedScheme,
                 "moe_quant_algo is '" + algo + "', which is unknown", where, ""};
  std::vector<std::string> names = strings_at(section, "quantized_layers");
  if (const json* layers = object_at(section, "quantized_layers"))
    for (const auto& [name, value] : layers->items()) names.push_back(name);
  for (const std::string& name : names) containers[normalise_prefix(name)] = *expectation;
  return containers;
}

std::vector<std::string> left_out(const json& section) {
  std::vector<std::string> list = strings_at(section, "modules_to_not_convert");
  for (std::string& name : strings_at(section, "ignored_layers")) list.push_back(std::move(name));
  return list;
}

class Fp8Config : public QuantConfig {
 public:
  Fp8Config(const json& section, Expectation scheme, Containers containers, Log& log)
      : scheme_(std::move(scheme)),
        containers_(std::move(containers)),
        left_out_(left_out(section), PatternStyle::kComponents, log) {
    dialect = Dialect::kFp8;
    producer = "fp8";
    quantization = "fp8";
    file = "config.json";
  }

  Expectation expect(const std::string& module) const override {
    Expectation expectation = scheme_;
    const auto container = find_container(module);
    if (container != containers_.end()) expectation = container->second;
    const ModuleClass c = class_of_module(module);
    // Writers keep the head whether or not their list says so.
    expectation.quantized = !left_out_.matches(module) && module != "lm_head" &&
                            (c == ModuleClass::kLinear || c == ModuleClass::kStack);
    return expectation;
  }

  std::vector<std::string> unmatched() const override { return left_out_.unmatched(); }

 private:
  Containers::const_iterator find_container(std::string name) const {
    for (;;) {
      const auto it = containers_.find(name);
      const size_t dot = name.rfind('.');
      if (it != containers_.end() || dot == std::string::npos) return it;
      name.resize(dot);
    }
  }

  Expectation scheme_;
  Containers containers_;
  ModulePatterns left_out_;
};

}  // namespace

Result<std::unique_ptr<QuantConfig>> read_fp8_config(const json& section, const std::string& folder,
                                                     Log& log) {
  const std::string where = folder + "/config.json";
  IMP_ASSIGN(Expectation scheme, read_scheme(section, where));
  IMP_ASSIGN(Containers containers, read_containers(section, where));
  return std::unique_ptr<QuantConfig>(
      std::make_unique<Fp8Config>(section, std::move(scheme), std::move(containers), log));
}

}  // namespace imp::model
