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

/// Canonical form of a name or of a name pattern: "model.language_model.layers.0.x" and
/// "language_model.model.layers.0.x" become "model.layers.0.x".
std::string normalise_prefix(std::string_view name);

/// A tensor name taken apart.
struct ParsedName {
  std::string module;  ///< canonical, with the expert's number as '*'
  std::string suffix;  ///< last component: "weight", "weight_scale", "bias", ...
  uint32_t layer = 0xFFFFFFFFu;
  uint32_t expert = 0xFFFFFFFFu;  ///< kNone where the module is no expert
  std::string leaf;               ///< module without "model.layers.N."
};
/// nullopt for a name without a dot, or where a layer or expert number should be and is not: "00",
/// "-1", "*", 2^32 - 1 and above.
std::optional<ParsedName> parse_name(std::string_view tensor_name);

enum class ModuleKind : uint8_t { kLinear, kNorm, kEmbedding };

struct ModuleRole {
  Role role;
  ModuleKind kind;
};
/// What the module with this leaf is in Llama-like models; nullopt if it has no meaning here.
std::optional<ModuleRole> role_of_leaf(std::string_view leaf);

}  // namespace imp::model
