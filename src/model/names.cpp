#include "src/model/names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace imp::model {
namespace {

struct Rename {
  std::string_view from;
  std::string_view to;
};

// Whole components; longest first: the first that fits is replaced, once (checkpoint-formats 7.1).
constexpr Rename kPrefixes[] = {
    {"model.language_model.lm_head", "lm_head"},
    {"language_model.embed_tokens", "model.embed_tokens"},
    {"language_model.lm_head", "lm_head"},
    {"language_model.layers", "model.layers"},
    {"language_model.model", "model"},
    {"model.language_model", "model"},
    {"language_model.norm", "model.norm"},
    {"backbone.embeddings", "model.embed_tokens"},
    {"backbone.norm_f", "model.norm"},
    {"tok_embeddings", "model.embed_tokens"},
    {"model.lm_head", "lm_head"},
    {"embed_tokens", "model.embed_tokens"},
    {"backbone", "model"},
    {"layers", "model.layers"},
    {"output", "lm_head"},
    {"embed", "model.embed_tokens"},
    {"norm", "model.norm"},
    {"head", "lm_head"},
};

constexpr std::array<std::string_view, 5> kWrappers = {
    "base_layer", "_fsdp_wrapped_module", "_orig_mod", "_checkpoint_wrapped_module", "module"};

struct SuffixRow {
  std::string_view text;
  Suffix suffix;
};

// Behind a '.', or behind a '_' for stacks of experts. Where one ends another, the longer is first.
constexpr SuffixRow kSuffixes[] = {
    {"weight_quantizer._svdquant_lora_a", Suffix::kSvdA},
    {"weight_quantizer._svdquant_lora_b", Suffix::kSvdB},
    {"svdquant_lora_a", Suffix::kSvdA},
    {"svdquant_lora_b", Suffix::kSvdB},
    {"q_fake_quantizer.qscale_act", Suffix::kQScale},
    {"k_fake_quantizer.qscale_act", Suffix::kKScale},
    {"v_fake_quantizer.qscale_act", Suffix::kVScale},
    {"weight_super_scale", Suffix::kWeightSuperScale},
    {"weight_super_min", Suffix::kWeightSuperMin},
    {"weight_min", Suffix::kWeightMin},
    {"weight_global_scale", Suffix::kGlobalScale},
    {"input_global_scale", Suffix::kInputGlobalScale},
    {"weight_zero_point", Suffix::kWeightZeroPoint},
    {"input_zero_point", Suffix::kInputZeroPoint},
    {"weight_scale_inv", Suffix::kWeightScaleInv},
    {"weight_scale_2", Suffix::kWeightScale2},
    {"weight_packed", Suffix::kWeightPacked},
    {"weight_scale", Suffix::kWeightScale},
    {"weight_shape", Suffix::kWeightShape},
    {"weight_g_idx", Suffix::kGroupIndex},
    {"pre_quant_scale", Suffix::kPreQuantScale},
    {"activation_scale", Suffix::kInputScale},
    {"output_scale", Suffix::kOutputScale},
    {"input_scale", Suffix::kInputScale},
    {"qscale_weight", Suffix::kScales},
    {"qscale_act", Suffix::kInputScale},
    {"row_offsets", Suffix::kRowOffsets},
    {"compressed", Suffix::kCompressed},
    {"k_scale", Suffix::kKScale},
    {"v_scale", Suffix::kVScale},
    {"q_scale", Suffix::kQScale},
    {"k_bias", Suffix::kKBias},
    {"v_bias", Suffix::kVBias},
    {"bitmask", Suffix::kBitmask},
    {"blocks", Suffix::kBlocks},
    {"scales", Suffix::kScales},
    {"weight", Suffix::kWeight},
    {"scale", Suffix::kScale},
    {"shape", Suffix::kWeightShape},
    {"bias", Suffix::kBias},
};

// All experts in one tensor, which is named like a module (Llama4, gpt-oss, Motif).
constexpr std::string_view kStacks[] = {"gate_up_proj", "gate_proj", "up_proj", "down_proj"};

constexpr std::string_view kExperts = "experts.";

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

bool is_wrapper(std::string_view segment) {
  return std::find(kWrappers.begin(), kWrappers.end(), segment) != kWrappers.end();
}

/// Calls visit(segment) for each component of a name.
template <typename Visit>
void for_each_segment(std::string_view name, const Visit& visit) {
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    visit(name.substr(begin, end - begin));
    begin = end + 1;
  }
}

std::string without_wrappers(std::string_view name) {
  std::string out;
  for_each_segment(name, [&](std::string_view segment) {
    if (!is_wrapper(segment)) out += (out.empty() ? "" : ".") + std::string(segment);
  });
  return out;
}

/// Behind "experts." of `body`, or npos.
size_t behind_experts(std::string_view body) {
  if (body.starts_with(kExperts)) return kExperts.size();
  const size_t at = body.find(".experts.");
  return at == std::string_view::npos ? at : at + 1 + kExperts.size();
}

/// "gate_up_proj_weight_scale" behind "experts.": the stack's own length, 0 for another name.
size_t stack_length(std::string_view last) {
  for (const std::string_view stack : kStacks)
    if (last.starts_with(stack) && (last.size() == stack.size() || last[stack.size()] == '_'))
      return stack.size();
  return 0;
}

struct Split {
  size_t module_length = 0;
  Suffix suffix = Suffix::kParameter;
};

/// The stacks of experts: their suffixes hang on an underscore, and the stack itself has none.
std::optional<Split> split_stack(std::string_view body) {
  const size_t last = behind_experts(body);
  if (last == std::string_view::npos) return std::nullopt;
  const size_t length = stack_length(body.substr(last));
  if (length == 0) return std::nullopt;
  if (last + length == body.size()) return Split{body.size(), Suffix::kWeight};
  const std::string_view text = body.substr(last + length + 1);
  for (const SuffixRow& row : kSuffixes)
    if (row.text == text) return Split{last + length, row.suffix};
  return std::nullopt;
}

Split split_suffix(std::string_view body) {
  // Some parameters end like a suffix (Gemma 4's router.scale).
  if (role_of_leaf(body)) return {body.size(), Suffix::kParameter};
  for (const SuffixRow& row : kSuffixes) {
    if (body.size() <= row.text.size() + 1 || !body.ends_with(row.text)) continue;
    const size_t dot = body.size() - row.text.size() - 1;
    if (body[dot] == '.') return {dot, row.suffix};
  }
  return {body.size(), Suffix::kParameter};
}

}  // namespace

bool has_wrapper_segment(std::string_view name) {
  bool any = false;
  for_each_segment(name, [&](std::string_view segment) { any = any || is_wrapper(segment); });
  return any;
}

std::string normalise_prefix(std::string_view name) {
  std::string unwrapped;
  if (has_wrapper_segment(name)) name = unwrapped = without_wrappers(name);
  for (const auto& [from, to] : kPrefixes) {
    if (!name.starts_with(from)) continue;
    const std::string_view rest = name.substr(from.size());
    if (rest.empty() || rest.front() == '.' || rest.front() == '*')
      return std::string(to) + std::string(rest);
  }
  return std::string(name);
}

std::vector<std::string> other_spellings(const std::string& canonical) {
  std::vector<std::string> list;
  if (is_tower(canonical)) return list;
  for (const auto& [from, to] : kPrefixes)
    if (canonical.starts_with(to) && (canonical.size() == to.size() || canonical[to.size()] == '.'))
      list.push_back(std::string(from) + canonical.substr(to.size()));
  return list;
}

std::optional<ParsedName> parse_name(std::string_view tensor_name) {
  const std::string name = normalise_prefix(tensor_name);
  if (name.empty() || name.front() == '.' || name.back() == '.') return std::nullopt;
  ParsedName parsed;
  if (is_tower(name)) {  // carried tensor by tensor, scales and all
    parsed.module = parsed.leaf = name;
    return parsed;
  }
  std::string head;
  std::string_view body = name;
  constexpr std::string_view kLayers = "model.layers.";
  if (body.starts_with(kLayers)) {
    body.remove_prefix(kLayers.size());
    if (!take_number(body, parsed.layer) || body.size() < 2) return std::nullopt;
    body.remove_prefix(1);
    head = name.substr(0, name.size() - body.size());
  }
  std::string starred(body);
  if (const size_t at = behind_experts(body); at != std::string_view::npos) {
    std::string_view tail = body.substr(at);
    if (take_number(tail, parsed.expert))
      starred = std::string(body.substr(0, at)) + "*" + std::string(tail);
    else if (!starts_like_module(tail))
      return std::nullopt;
  }
  const auto stack = split_stack(starred);
  const Split split = stack ? *stack : split_suffix(starred);
  parsed.suffix = split.suffix;
  parsed.leaf = starred.substr(0, split.module_length);
  parsed.module = head + parsed.leaf;
  return parsed;
}

}  // namespace imp::model
