// The architectures of GGUF files whose names and transforms are known, as data (gguf.md, sections
// 4 and 5; the fixtures made by the converter confirm the rows that they use).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace imp::model {

/// What a module of a GGUF file becomes.
enum class Use : uint8_t {
  kMatrix,  ///< [N, K], and its bias where it has one
  kQuery,   ///< the same; its rows are those of a rotation
  kKey,
  kNorm,           ///< a vector, and its bias; x + 1 in families that store it so
  kOwnNorm,        ///< a norm that is x in every family
  kParameter,      ///< a vector whose name has no suffix
  kBiasParameter,  ///< the same, made of the bias
  kExperts,        ///< [E, N, K] and biases [E, N]: a matrix an expert
  kGateUpExperts,  ///< the same, each the gate's rows and then those of up
};

/// Which end of a matrix has the model's hidden size.
enum class Hidden : uint8_t { kAny, kIn, kOut };

/// What a family's blocks are made of, or-ed.
enum Parts : uint32_t {
  kPreNorms = 1u << 0,       ///< attn_norm, ffn_norm
  kSandwichNorms = 1u << 1,  ///< four norms (gemma 2 and 3)
  kPostNorms = 1u << 2,      ///< attn_norm, post_attention_norm before the feed-forward part
  kSplitQkv = 1u << 3,       ///< q, k, v
  kFusedQkv = 1u << 4,       ///< one qkv_proj (phi3)
  kQkNorms = 1u << 5,        ///< of each head of q and k
  kSinks = 1u << 6,          ///< of attention (gpt-oss)
  kDense = 1u << 7,          ///< gate, up, down
  kUngated = 1u << 8,        ///< up, down
  kFusedDense = 1u << 9,     ///< one gate_up_proj (phi3)
  kMoe = 1u << 10,           ///< experts one by one
  kShared = 1u << 11,        ///< shared experts
  kSharedGate = 1u << 12,    ///< and their gate
  kLatent = 1u << 13,        ///< MLA
  kDraft = 1u << 14,         ///< nextn.* behind the last layer
  kDeltaFused = 1u << 15,    ///< Gated DeltaNet, in_proj_qkvz and in_proj_ba (qwen3next)
  kDeltaTiled = 1u << 16,    ///< the same, split, V heads in another order (qwen35)
  kOpenStacks = 1u << 17,    ///< experts in stacks with gate and up interleaved (gpt-oss)
  kNeoNorms = 1u << 18,      ///< four norms under other names (glm4)
  kBackNorms = 1u << 19,     ///< norms behind attention and the feed-forward part only (olmo2)
  kOneNorm = 1u << 20,       ///< attn_norm, before both (cohere)
  kRouterBias = 1u << 21,    ///< added to the scores for the choice of experts
};

/// The hub's names of the parts of a MoE layer.
struct ExpertNames {
  std::string_view router;
  std::string_view gate, up, down;  ///< '*' is the expert
  std::string_view shared;          ///< before ".gate_proj"; empty: has none
};

enum class When : uint8_t { kAlways, kDense, kExperts, kSigmoid, kSliding, kPlainRotation };

struct GgufArchitecture {
  std::string_view name;          ///< general.architecture
  When when = When::kAlways;      ///< one name can be several families of the hub
  std::string_view architecture;  ///< config.json's architectures[0]
  std::string_view model_type;
  uint32_t parts = 0;
  bool permuted = false;  ///< the converter permutes the rows of q and k (5.1)
  bool plus_one = false;  ///< norms are stored as w + 1 (5.2)
  const ExpertNames* experts = nullptr;
  std::string_view experts_key = {};  ///< config.json's number of experts

  bool has(Parts part) const { return (parts & part) != 0; }
};

/// What decides between the families of one name.
struct FamilyTraits {
  bool has_experts = false;
  bool sigmoid_routing = false;  ///< expert_gating_func 2
  bool sliding_window = false;
  bool rope_sections = false;  ///< multimodal rotation, for which some converters move rows
};
/// nullptr for a name that is unknown or not confirmed.
const GgufArchitecture* find_gguf_architecture(std::string_view name, const FamilyTraits& traits);

struct ModuleRow {
  std::string_view gguf;  ///< "attn_q"
  std::string_view hub;   ///< "self_attn.q_proj"; "" for a name of ExpertNames
  Use use = Use::kMatrix;
  uint32_t parts = 0;  ///< families with any of these have it
  Hidden hidden = Hidden::kAny;
};
/// Modules of a block, those outside of blocks.
std::span<const ModuleRow> block_rows();
std::span<const ModuleRow> top_rows();

}  // namespace imp::model
