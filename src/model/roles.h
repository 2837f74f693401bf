// What a weight does in the model. Numbers are frozen: they are stored in .imp files
// (OperandRecord::role; formats/imp/SPEC.md, registry "roles").
#pragma once

#include <cstdint>
#include <string_view>

namespace imp::model {

enum class Role : uint16_t {
  kTokenEmbedding = 1,
  kLmHead = 2,
  kFinalNorm = 3,
  kAttnNorm = 10,      ///< before attention, or whatever mixes tokens
  kFfnNorm = 11,       ///< before the feed-forward part
  kPostAttnNorm = 12,  ///< of what attention gives, before it is added (Gemma 2 and later, OLMo 2)
  kPostFfnNorm = 13,
  kMixerNorm = 14,  ///< the only norm of a layer (Nemotron-H)
  kAttnQkv = 20,    ///< q, k, v in one operand
  kAttnQ = 21,
  kAttnK = 22,
  kAttnV = 23,
  kAttnO = 24,
  kAttnQNorm = 25,
  kAttnKNorm = 26,
  kAttnSinks = 27,
  kKvKScale = 30,  ///< multiplier of the quantised K cache
  kKvVScale = 31,
  kKvQScale = 32,
  kKvKBias = 33,  ///< of an affine KV cache
  kKvVBias = 34,
  kKvScale = 35,  ///< one multiplier for K and V
  kFfnGateUp = 40,
  kFfnGate = 41,
  kFfnUp = 42,
  kFfnDown = 43,
  kRouter = 50,
  kRouterBias = 51,  ///< added to the scores for the choice of experts only
  kExpertGateUp = 52,
  kExpertGate = 53,
  kExpertUp = 54,
  kExpertDown = 55,
  kRouterScale = 56,
  kRouterExpertScale = 57,
  kLatentDown = 58,  ///< into the experts' narrower width (Nemotron 3)
  kLatentUp = 59,
  kSharedGateUp = 60,  ///< shared expert
  kSharedGate = 61,
  kSharedUp = 62,
  kSharedDown = 63,
  kSharedGateScalar = 64,  ///< [1, K] gate of the shared expert
  // Multi-head latent attention.
  kMlaQKvA = 70,  ///< q_a and kv_a in one operand
  kMlaQA = 71,
  kMlaQANorm = 72,
  kMlaQB = 73,
  kMlaQ = 74,  ///< without a low-rank step (DeepSeek-V2-Lite)
  kMlaKvA = 75,
  kMlaKvANorm = 76,
  kMlaKvB = 77,
  // Sparse attention's indexer (DeepSeek-V3.2).
  kDsaQB = 80,
  kDsaK = 81,
  kDsaKNorm = 82,
  kDsaWeights = 83,
  // Gated DeltaNet.
  kGdnQkvz = 90,
  kGdnQkv = 91,
  kGdnZ = 92,
  kGdnBa = 93,
  kGdnB = 94,
  kGdnA = 95,
  kGdnConv = 96,
  kGdnALog = 97,
  kGdnDtBias = 98,
  kGdnNorm = 99,
  kGdnOut = 100,
  // Mamba 2.
  kMambaIn = 110,
  kMambaConv = 111,
  kMambaALog = 112,
  kMambaD = 113,
  kMambaDtBias = 114,
  kMambaNorm = 115,
  kMambaOut = 116,
  // Gemma 3n and 4.
  kLayerScalar = 120,
  kPerLayerGate = 121,
  kPerLayerProjection = 122,
  kPerLayerNorm = 123,
  // Draft layer for multi-token prediction, which lies behind the last layer.
  kMtpEmbedding = 130,
  kMtpEmbeddingNorm = 131,
  kMtpHiddenNorm = 132,
  kMtpProjection = 133,
  kMtpNorm = 134,
  kMtpHead = 135,
  kOther = 999,  ///< a module or tensor that this version gives no name
};

/// Snake-case name, e.g. "attn_qkv"; "?" for a number that is no role of this version.
std::string_view role_name(Role role);

/// Place of a role in a forward pass through one layer, ascending. Embedding comes before all
/// layers, final norm and head after.
uint32_t execution_rank(Role role);

}  // namespace imp::model
