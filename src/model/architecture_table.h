// The architectures that are known, as data: which modules a layer has (checkpoint-formats 7.2,
// 7.3).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "src/model/roles.h"

namespace imp::model {

/// All modules of one way to build a block.
using Roles = std::span<const Role>;
/// Ways to build a block: hybrid models have several, and files hold one block in several forms.
using Blocks = std::span<const Roles>;

enum class Experts : uint8_t { kNever, kSometimes, kAlways };

enum class Trait : uint32_t {
  kSharedExpert = 1,
  kQkNorm = 2,
  kQkvBias = 4,            ///< unless the configuration says otherwise
  kTied = 8,               ///< where the configuration does not say
  kInFirstStacks = 16,     ///< Architecture::in_first_stacks
  kInterleavedGateUp = 32  ///< Architecture::interleaved_gate_up
};

struct Family {
  std::string_view architecture;  ///< "Qwen3MoeForCausalLM", config.json's architectures[0]
  std::string_view model_type;    ///< "qwen3_moe"
  Roles norms;                    ///< of each layer
  Blocks mixers;  ///< attention and its kin: a layer has one of them, the first if in doubt
  Blocks feeds;   ///< feed-forward: the same; empty where a layer has a mixer or a feed
  Experts experts = Experts::kNever;
  uint32_t traits = 0;  ///< Trait, or-ed
  bool has(Trait trait) const { return (traits & static_cast<uint32_t>(trait)) != 0; }
};

/// By name in "architectures"; nullptr for another.
const Family* find_family(std::string_view architecture);
/// By model_type, where a file names no architecture.
const Family* find_family_of_type(std::string_view model_type);

}  // namespace imp::model
