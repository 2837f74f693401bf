// Tensor names of decoder checkpoints: prefixes, layers, experts, suffixes and what each module
// does. Source: checkpoint-format notes on names (Hugging Face transformers module names), see
// table in names.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "src/model/roles.h"

namespace imp::model {

/// What a tensor is to its module, in the words of all dialects (checkpoint-formats 3 to 6).
enum class Suffix : uint8_t {
  kWeight,          ///< weight, or the stack itself ("experts.gate_up_proj"), qscale dialects alike
  kWeightPacked,    ///< weight_packed (compressed-tensors)
  kCompressed,      ///< compressed (sparse bitmask forms)
  kBlocks,          ///< _blocks, .blocks (gpt-oss)
  kWeightScale,     ///< weight_scale, _weight_scale
  kScales,          ///< _scales, .scales (gpt-oss), qscale_weight
  kScale,           ///< scale (DeepSeek-V4)
  kWeightScaleInv,  ///< weight_scale_inv
  kWeightScale2,    ///< weight_scale_2
  kGlobalScale,     ///< weight_global_scale: a divisor
  kInputScale,      ///< input_scale, activation_scale, qscale_act
  kInputGlobalScale,  ///< input_global_scale: a divisor
  kWeightZeroPoint,
  kInputZeroPoint,
  kWeightShape,  ///< weight_shape, shape (sparse)
  kGroupIndex,   ///< weight_g_idx
  kBitmask,
  kRowOffsets,
  kPreQuantScale,
  kSvdA,  ///< svdquant_lora_a, weight_quantizer._svdquant_lora_a
  kSvdB,
  kOutputScale,
  kBias,    ///< bias, _bias
  kKScale,  ///< k_scale, also of the module self_attn; k_proj.output_scale is kOutputScale
  kVScale,
  kQScale,
  kKBias,  ///< of an affine KV cache
  kVBias,
  kParameter,  ///< no suffix: the tensor is a parameter of its own (A_log, sinks)
};
inline constexpr size_t kSuffixCount = static_cast<size_t>(Suffix::kParameter) + 1;

/// Canonical form of a name or of a name pattern: "model.language_model.layers.0.x" and
/// "language_model.model.layers.0.x" become "model.layers.0.x".
std::string normalise_prefix(std::string_view name);

/// A tensor name taken apart.
struct ParsedName {
  std::string
      module;  ///< canonical, with the expert's number as '*'; for kParameter the whole name
  Suffix suffix = Suffix::kParameter;
  uint32_t layer = 0xFFFFFFFFu;
  uint32_t expert = 0xFFFFFFFFu;  ///< kNone where the module is no expert
  std::string leaf;               ///< module without "model.layers.N."
};
/// nullopt where a layer or expert number should be and is not: "00",
/// "-1", "*", 2^32 - 1 and above.
std::optional<ParsedName> parse_name(std::string_view tensor_name);

enum class ModuleKind : uint8_t {
  kLinear,
  kNorm,
  kEmbedding,
  kOther,  ///< no GEMM takes it, any shape: convolutions, A_log, sinks, vision towers
};

struct ModuleRole {
  Role role;
  ModuleKind kind;
};
/// What the module with this leaf is; nullopt for one that no known architecture has.
std::optional<ModuleRole> role_of_leaf(std::string_view leaf);

}  // namespace imp::model
