// Tensor names of decoder checkpoints: prefixes, layers, experts, suffixes and what each module
// does. Source: checkpoint-formats 7 (module names of Hugging Face transformers, Mistral's and
// DeepSeek's native files); tables in names.cpp and leaf_roles.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
  kWeightMin,       ///< weight_min (views of GGUF blocks, as the next two)
  kWeightSuperScale,  ///< weight_super_scale
  kWeightSuperMin,    ///< weight_super_min
  kGlobalScale,       ///< weight_global_scale: a divisor
  kInputScale,        ///< input_scale, activation_scale, qscale_act
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

/// Canonical form of a name or of a name pattern: "model.language_model.layers.0.x",
/// "language_model.model.layers.0.x", "backbone.layers.0.x" and "layers.0.x" become
/// "model.layers.0.x"; "head.x" becomes "lm_head.x". Segments that wrappers leave behind
/// (`base_layer`, `_fsdp_wrapped_module`, `_orig_mod`, `module`) are dropped. Names of vision and
/// audio towers stay as they are.
std::string normalise_prefix(std::string_view name);

/// Other names that files give to a canonical one ("model.layers.0.x" is
/// "model.language_model.layers.0.x" somewhere): what a regular expression of a configuration may
/// have been written for. The canonical name is not among them.
std::vector<std::string> other_spellings(const std::string& canonical);

/// The name, with or without "model." before it, is one of a vision or audio tower.
bool is_tower(std::string_view name);

/// The name has a segment of a wrapper (PEFT, FSDP, torch.compile), which normalise_prefix drops.
bool has_wrapper_segment(std::string_view name);

/// A tensor name taken apart.
struct ParsedName {
  /// Canonical, with the expert's number as '*'. For kParameter the whole name, which every tensor
  /// of a vision or audio tower is: those are carried one by one; for a stack of
  /// experts ("experts.gate_up_proj_weight_scale") the stack ("experts.gate_up_proj").
  std::string module;
  Suffix suffix = Suffix::kParameter;
  uint32_t layer = 0xFFFFFFFFu;
  uint32_t expert = 0xFFFFFFFFu;  ///< kNone where the module is no expert
  std::string leaf;               ///< module without "model.layers.N."
};
/// nullopt where a layer or expert number should be and is not: "00", "-1", "*", 2^32 - 1 and
/// above; and for a name without anything before or after its last '.'.
std::optional<ParsedName> parse_name(std::string_view tensor_name);

enum class ModuleKind : uint8_t {
  kLinear,
  kNorm,
  kEmbedding,
  kOther,  ///< convolutions, A_log, sinks: any shape, no GEMM takes it; vision towers
};

struct ModuleRole {
  Role role;
  ModuleKind kind;
};
/// What the module with this leaf is, from its name alone; nullopt for one that no known
/// architecture has. Modules of vision and audio towers are kOther, kOther. Two roles depend on
/// what else the layer has (grouping.h, settle_roles).
std::optional<ModuleRole> role_of_leaf(std::string_view leaf);

}  // namespace imp::model
