// What config.json says about the model's shape, for the architectures that are known.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "src/base/result.h"
#include "src/model/module_table.h"

namespace imp::model {

struct Architecture {
  std::string name;  ///< "Qwen3MoeForCausalLM"
  uint32_t num_layers = 0;
  uint64_t num_experts = 0;  ///< routed experts of a MoE layer; 0 for a dense model
  bool tied_embeddings = false;
  bool has_shared_expert = false;
  bool has_qk_norm = false;
  bool has_qkv_bias = false;
  bool generic = false;              ///< none of the known ones
  bool in_first_stacks = false;      ///< unpacked stacks of experts are [E, K, N]
  bool interleaved_gate_up = false;  ///< rows of gate and up alternate in stacks
};

/// Errors: kUnsupportedArchitecture naming it; kBadConfig where a needed number is missing.
/// `folder` is named in errors.
Result<Architecture> read_architecture(const nlohmann::json& config, const std::string& folder);

/// Every module that a layer of this architecture must have is there. Errors: kMissingTensor naming
/// the first that is not.
Status check_complete(const Architecture& architecture,
                      const std::map<std::string, Module>& modules, const std::string& folder);

}  // namespace imp::model
