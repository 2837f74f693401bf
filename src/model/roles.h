// What a weight does in the model. Numbers are frozen: they are stored in .imp files
// (OperandRecord::role).
#pragma once

#include <cstdint>
#include <string_view>

namespace imp::model {

enum class Role : uint16_t {
  kTokenEmbedding = 1,
  kLmHead = 2,
  kFinalNorm = 3,
  kAttnNorm = 10,
  kFfnNorm = 11,
  kAttnQkv = 20,  ///< q, k, v in one operand
  kAttnQ = 21,
  kAttnK = 22,
  kAttnV = 23,
  kAttnO = 24,
  kAttnQNorm = 25,
  kAttnKNorm = 26,
  kKvKScale = 30,  ///< multiplier of the quantised K cache
  kKvVScale = 31,
  kFfnGateUp = 40,
  kFfnGate = 41,
  kFfnUp = 42,
  kFfnDown = 43,
  kRouter = 50,
  kExpertGateUp = 52,
  kExpertGate = 53,
  kExpertUp = 54,
  kExpertDown = 55,
  kSharedGateUp = 60,  ///< shared expert
  kSharedGate = 61,
  kSharedUp = 62,
  kSharedDown = 63,
  kSharedGateScalar = 64,  ///< [1, K] gate of the shared expert
  kOther = 999,            ///< a module or tensor that this version gives no name
};

/// Snake-case name, e.g. "attn_qkv"; "?" for a number that is no role of this version.
std::string_view role_name(Role role);

/// Place of a role in a forward pass through one layer, ascending. Embedding comes before all
/// layers, final norm and head after.
uint32_t execution_rank(Role role);

}  // namespace imp::model
