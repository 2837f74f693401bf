#include "src/model/names.h"

#include <array>
#include <charconv>
#include <utility>

namespace imp::model {
namespace {

using Rename = std::pair<std::string_view, std::string_view>;

// Longest first: the first prefix that fits is replaced, once.
constexpr std::array<Rename, 8> kPrefixes = {{
    {"model.language_model.lm_head", "lm_head"},
    {"language_model.lm_head", "lm_head"},
    {"model.lm_head", "lm_head"},
    {"model.language_model.", "model."},
    {"language_model.model.", "model."},
    {"language_model.layers.", "model.layers."},
    {"language_model.embed_tokens", "model.embed_tokens"},
    {"language_model.norm", "model.norm"},
}};

struct SuffixRow {
  std::string_view text;
  Suffix suffix;
};

constexpr SuffixRow kSuffixes[] = {
    {"weight", Suffix::kWeight},
    {"weight_packed", Suffix::kWeightPacked},
    {"compressed", Suffix::kCompressed},
    {"weight_scale", Suffix::kWeightScale},
    {"scale", Suffix::kScale},
    {"weight_scale_inv", Suffix::kWeightScaleInv},
    {"weight_scale_2", Suffix::kWeightScale2},
    {"weight_global_scale", Suffix::kGlobalScale},
    {"input_scale", Suffix::kInputScale},
    {"input_global_scale", Suffix::kInputGlobalScale},
    {"weight_zero_point", Suffix::kWeightZeroPoint},
    {"input_zero_point", Suffix::kInputZeroPoint},
    {"weight_shape", Suffix::kWeightShape},
    {"weight_g_idx", Suffix::kGroupIndex},
    {"bitmask", Suffix::kBitmask},
    {"row_offsets", Suffix::kRowOffsets},
    {"pre_quant_scale", Suffix::kPreQuantScale},
    {"output_scale", Suffix::kOutputScale},
    {"bias", Suffix::kBias},
    {"k_scale", Suffix::kKScale},
    {"v_scale", Suffix::kVScale},
    {"k_bias", Suffix::kKBias},
    {"v_bias", Suffix::kVBias},
};

Suffix suffix_from(std::string_view text) {
  for (const auto& [name, suffix] : kSuffixes)
    if (name == text) return suffix;
  return Suffix::kParameter;
}

struct LeafRow {
  std::string_view leaf;
  ModuleRole role;
};

constexpr LeafRow kLeaves[] = {
    {"model.embed_tokens", {Role::kTokenEmbedding, ModuleKind::kEmbedding}},
    {"model.norm", {Role::kFinalNorm, ModuleKind::kNorm}},
    {"lm_head", {Role::kLmHead, ModuleKind::kLinear}},
    {"input_layernorm", {Role::kAttnNorm, ModuleKind::kNorm}},
    {"post_attention_layernorm", {Role::kFfnNorm, ModuleKind::kNorm}},
    {"self_attn.q_proj", {Role::kAttnQ, ModuleKind::kLinear}},
    {"self_attn.k_proj", {Role::kAttnK, ModuleKind::kLinear}},
    {"self_attn.v_proj", {Role::kAttnV, ModuleKind::kLinear}},
    {"self_attn.o_proj", {Role::kAttnO, ModuleKind::kLinear}},
    {"self_attn.q_norm", {Role::kAttnQNorm, ModuleKind::kNorm}},
    {"self_attn.k_norm", {Role::kAttnKNorm, ModuleKind::kNorm}},
    {"mlp.gate_proj", {Role::kFfnGate, ModuleKind::kLinear}},
    {"mlp.up_proj", {Role::kFfnUp, ModuleKind::kLinear}},
    {"mlp.down_proj", {Role::kFfnDown, ModuleKind::kLinear}},
    {"mlp.gate", {Role::kRouter, ModuleKind::kLinear}},
    {"mlp.experts.*.gate_proj", {Role::kExpertGate, ModuleKind::kLinear}},
    {"mlp.experts.*.up_proj", {Role::kExpertUp, ModuleKind::kLinear}},
    {"mlp.experts.*.down_proj", {Role::kExpertDown, ModuleKind::kLinear}},
    {"mlp.shared_expert.gate_proj", {Role::kSharedGate, ModuleKind::kLinear}},
    {"mlp.shared_expert.up_proj", {Role::kSharedUp, ModuleKind::kLinear}},
    {"mlp.shared_expert.down_proj", {Role::kSharedDown, ModuleKind::kLinear}},
    {"mlp.shared_expert_gate", {Role::kSharedGateScalar, ModuleKind::kLinear}},
};

bool take_number(std::string_view& text, uint32_t& number) {
  const char* end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, number);
  // "00" and "+1" would make two names of one layer.
  if (error != std::errc{} || (next != end && *next != '.') || number == 0xFFFFFFFFu) return false;
  if (text[0] == '0' && next - text.data() > 1) return false;
  text.remove_prefix(static_cast<size_t>(next - text.data()));
  return true;
}

/// "experts.gate_up_proj" is a module; "experts.00", "experts.-1" and "experts.*" are no experts.
bool starts_like_module(std::string_view text) {
  const char c = text.empty() ? '\0' : text.front();
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

}  // namespace

std::string normalise_prefix(std::string_view name) {
  for (const auto& [from, to] : kPrefixes)
    if (name.starts_with(from)) return std::string(to) + std::string(name.substr(from.size()));
  return std::string(name);
}

std::optional<ParsedName> parse_name(std::string_view tensor_name) {
  const std::string name = normalise_prefix(tensor_name);
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return std::nullopt;
  ParsedName parsed;
  parsed.suffix = suffix_from(std::string_view(name).substr(dot + 1));
  std::string_view rest = std::string_view(name).substr(0, dot);
  constexpr std::string_view kLayers = "model.layers.";
  constexpr std::string_view kExperts = ".experts.";
  std::string head;
  if (rest.starts_with(kLayers)) {
    std::string_view tail = rest.substr(kLayers.size());
    if (!take_number(tail, parsed.layer) || tail.empty()) return std::nullopt;
    head = std::string(rest.substr(0, rest.size() - tail.size() + 1));
    rest = tail.substr(1);
  }
  parsed.leaf = std::string(rest);
  const size_t experts = rest.find(kExperts);
  if (experts != std::string_view::npos) {
    std::string_view tail = rest.substr(experts + kExperts.size());
    if (take_number(tail, parsed.expert))
      parsed.leaf =
          std::string(rest.substr(0, experts + kExperts.size())) + "*" + std::string(tail);
    else if (!starts_like_module(tail))
      return std::nullopt;
  }
  parsed.module = head + parsed.leaf;
  return parsed;
}

std::optional<ModuleRole> role_of_leaf(std::string_view leaf) {
  for (const LeafRow& row : kLeaves)
    if (row.leaf == leaf) return row.role;
  return std::nullopt;
}

}  // namespace imp::model
