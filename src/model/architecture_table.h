// The architectures that are known, as data: which modules a layer has (checkpoint-formats 7.2,
// 7.3).
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "src/model/roles.h"

namespace imp::model {

/// All modules of one way to build a block.
using Roles = std::span<const Role>;
/// Ways to build a block: hybrid models have several, and files hold one block in several forms.
using Blocks = std::span<const Roles>;

enum class Experts : uint8_t { kNever, kSometimes, kAlways };

struct Family {
  std::string_view architecture;  ///< "Qwen3MoeForCausalLM", config.json's architectures[0]
  std::string_view model_type;    ///< "qwen3_moe"
  Roles norms;                    ///< of each layer
  Blocks mixers;  ///< attention and its kin: a layer has one of them, the first if in doubt
  Blocks feeds;   ///< feed-forward: the same; empty where a layer has a mixer or a feed
  Experts experts = Experts::kNever;
  bool shared_expert = false;
  bool qk_norm = false;
  bool qkv_bias = false;  ///< unless the configuration says otherwise
  bool tied = false;      ///< where the configuration does not say
  bool in_first_stacks = false;
  bool interleaved_gate_up = false;
};

/// By name in "architectures"; nullptr for another.
const Family* find_family(std::string_view architecture);
/// By model_type, where a file names no architecture.
const Family* find_family_of_type(std::string_view model_type);

}  // namespace imp::model
