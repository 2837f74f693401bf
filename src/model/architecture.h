// What config.json says about the model's shape, and what is known of its architecture.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/module_table.h"
#include "src/model/quant_config.h"

namespace imp::model {

struct Family;  // architecture_table.h

struct Architecture {
  std::string name;  ///< "Qwen3MoeForCausalLM"; for a file that names none what it does name
  /// Nobody described this architecture: no completeness, no fusion, every module by itself.
  bool generic = false;
  uint32_t num_layers = 0;   ///< 0 where a generic architecture's configuration does not say
  uint64_t num_experts = 0;  ///< routed experts of a MoE layer; 0 for a dense model
  bool tied_embeddings = false;
  bool has_shared_expert = false;
  bool has_qk_norm = false;
  bool has_qkv_bias = false;
  bool in_first_stacks = false;      ///< experts in one unpacked tensor are [E, K, N]
  bool interleaved_gate_up = false;  ///< rows of gate and up alternate in fused experts
  const Family* family = nullptr;    ///< null where generic
};

/// From config.json (its text_config or llm_config where there is one), else from Mistral's
/// params.json, else by no name at all; a generic one is warned about. Errors: kBadConfig where a
/// known architecture's configuration lacks a number that is needed, or has an absurd one.
/// `folder` is named in errors.
Result<Architecture> read_architecture(const ConfigDocuments& documents, const std::string& folder,
                                       Log& log);

/// The name is one that read_architecture does not call generic.
bool is_known_architecture(std::string_view name);

/// Every module that a layer of this architecture must have is there, and no layer behind the last
/// but draft layers. Nothing is checked of a generic one. Errors: kMissingTensor naming the first
/// that is not there, kUnknownTensor for a layer too many.
Status check_complete(const Architecture& architecture,
                      const std::map<std::string, Module>& modules, const std::string& folder);

}  // namespace imp::model
