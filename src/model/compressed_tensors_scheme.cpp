#include "src/model/compressed_tensors_scheme.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "src/model/json_fields.h"

namespace imp::model {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 9> kFormats = {
    "dense",           "nvfp4-pack-quantized", "mxfp4-pack-quantized",
    "pack-quantized",  "mxfp8-quantized",      "int-quantized",
    "mixed-precision", "float-quantized",      "naive-quantized"};

Error bad(const std::string& message) { return Error{ErrorKind::kBadConfig, message, "", ""}; }

/// [128, 128], or "128x128" in older files.
std::optional<std::pair<uint64_t, uint64_t>> block_structure(const json& arguments) {
  const json* value = value_at(arguments, "block_structure");
  if (value == nullptr) return std::pair<uint64_t, uint64_t>{128, 128};
  uint64_t rows = 0, columns = 0;
  if (value->is_array() && value->size() == 2) {
    rows = as_number((*value)[0]).value_or(0);
    columns = as_number((*value)[1]).value_or(0);
  } else if (value->is_string()) {
    const std::string text = value->get<std::string>();
    const char* end = text.data() + text.size();
    const auto [x, error] = std::from_chars(text.data(), end, rows);
    if (error != std::errc{} || x == end || *x != 'x' ||
        std::from_chars(x + 1, end, columns).ptr != end)
      return std::nullopt;
  }
  if (rows == 0 || columns == 0) return std::nullopt;
  return std::pair{rows, columns};
}

/// The group size, where -1 means a scale per row.
std::optional<uint64_t> group_size(const json& arguments) {
  const json* value = value_at(arguments, "group_size");
  if (value == nullptr) return std::nullopt;
  if (*value == -1) return kWholeRow;
  const auto size = as_number(*value);
  return size.value_or(0) == 0 ? std::nullopt : size;
}

/// The strategy that a file may leave out follows from the group size (checkpoint-formats 4.1).
std::string strategy_of(const json& arguments) {
  const std::string named = string_at(arguments, "strategy");
  if (!named.empty()) return named;
  const auto size = group_size(arguments);
  return !size ? "tensor" : *size == kWholeRow ? "channel" : "group";
}

Status apply_strategy(const json& arguments, Expectation& expectation) {
  const std::string strategy = strategy_of(arguments);
  if (strategy == "tensor") {
    expectation.per_tensor = true;
  } else if (strategy == "channel") {
    expectation.group_size = kWholeRow;
  } else if (strategy == "group" || strategy == "tensor_group") {
    expectation.group_size = group_size(arguments);
    if (!expectation.group_size)
      return bad("strategy is '" + strategy + "' without a positive group_size");
  } else if (strategy == "block") {
    const auto block = block_structure(arguments);
    if (!block) return bad("block_structure is neither [rows, columns] nor \"RxC\"");
    expectation.block_rows = block->first;
    expectation.group_size = block->second;
  } else {
    return Error{ErrorKind::kUnsupportedScheme,
                 "strategy of weights is '" + strategy +
                     "'; supported are tensor, channel, group, tensor_group and block",
                 "", ""};
  }
  return {};
}

/// "group" and its spellings permute columns on disk; "weight" ones only did while quantizing.
Result<bool> permutes_columns(const json& arguments) {
  const json* value = value_at(arguments, "actorder");
  if (value == nullptr) return false;
  if (value->is_boolean()) return value->get<bool>();
  const std::string word = value->is_string() ? value->get<std::string>() : value->dump();
  if (word == "group" || word == "dynamic") return true;
  if (word == "weight" || word == "static") return false;
  return bad("actorder is '" + word + "'; expected group, weight, dynamic, static or a boolean");
}

/// The format of a group that names none, as the producer chooses it.
std::string infer_format(const Expectation& e) {
  if (*e.is_float && *e.bits == 4)
    return e.group_size == 32u ? "mxfp4-pack-quantized" : "nvfp4-pack-quantized";
  if (*e.is_float) return e.group_size == 32u ? "mxfp8-quantized" : "float-quantized";
  return e.weight_only ? "pack-quantized" : "int-quantized";
}

struct PresetRow {
  std::string_view name;
  uint32_t bits;
  bool is_float;
  uint64_t group_size;  ///< 0: one scale a tensor
  uint64_t block_rows;
  uint32_t activation_bits;
};

// A preset that meant a scale per row in some releases and one per 128 columns in others.
constexpr uint64_t kUnsaid = kWholeRow - 1;

constexpr PresetRow kPresets[] = {
    {"FP8", 8, true, 0, 0, 8},           {"FP8_DYNAMIC", 8, true, kWholeRow, 0, 8},
    {"FP8_BLOCK", 8, true, 128, 128, 8}, {"W8A8", 8, false, kWholeRow, 0, 8},
    {"INT8", 8, false, kWholeRow, 0, 8}, {"W4A8", 4, false, 128, 0, 8},
    {"W4AFP8", 4, false, 128, 0, 8},     {"W4A4", 4, false, kUnsaid, 0, 4},
    {"W8A16", 8, false, kUnsaid, 0, 16}, {"NVFP4", 4, true, 16, 0, 4},
    {"NVFP4_46", 4, true, 16, 0, 4},     {"NVFP4A16", 4, true, 16, 0, 16},
    {"NVFP4A16_46", 4, true, 16, 0, 16}, {"MXFP4", 4, true, 32, 0, 4},
    {"MXFP4A16", 4, true, 32, 0, 16},    {"MXFP8", 8, true, 32, 0, 8},
    {"MXFP8A16", 8, true, 32, 0, 16},
};

/// "W4A16", "W3A16_ASYM": the bits (below 8), 0 for another name.
uint32_t bits_of_weight_only_preset(std::string_view name) {
  if (name.ends_with("_ASYM")) name.remove_suffix(5);
  if (name.size() != 5 || name[0] != 'W' || !name.ends_with("A16")) return 0;
  return name[1] >= '2' && name[1] <= '7' ? static_cast<uint32_t>(name[1] - '0') : 0;
}

}  // namespace

Status check_format_word(const std::string& format) {
  if (format == "marlin-24")
    return Error{ErrorKind::kUnsupportedFormat,
                 "format is 'marlin-24': weights in the order of one engine's kernel, for which "
                 "no inverse was ever published; expected a format whose planes can be read",
                 "", ""};
  if (!format.empty() && std::find(kFormats.begin(), kFormats.end(), format) == kFormats.end() &&
      format != "sparse-24-bitmask" && format != "sparse-bitmask")
    return Error{ErrorKind::kUnsupportedFormat,
                 "format is '" + format + "', which is none of compressed-tensors that is known",
                 "", ""};
  return {};
}

Result<Expectation> expectation_of_group(const json& group_json, const std::string& format) {
  Expectation expectation;
  const json* weights = object_at(group_json, "weights");
  if (weights == nullptr) return expectation;  // activations only: weights stay as they are
  expectation.quantized = true;
  expectation.bits = static_cast<uint32_t>(
      std::min<uint64_t>(number_at(*weights, "num_bits").value_or(8), 1u << 16));
  const std::string type = string_at(*weights, "type");
  if (!type.empty() && type != "int" && type != "float")
    return bad("type of weights is '" + type + "'; expected int or float");
  expectation.is_float = type == "float";
  expectation.symmetric = flag_at(*weights, "symmetric", true);
  IMP_TRY(apply_strategy(*weights, expectation));
  IMP_ASSIGN(expectation.act_order, permutes_columns(*weights));
  const json* activations = object_at(group_json, "input_activations");
  expectation.weight_only = activations == nullptr;
  expectation.activations_8bit =
      activations != nullptr && number_at(*activations, "num_bits").value_or(8) == 8;
  const bool codes_are_known = *expectation.is_float
                                   ? *expectation.bits == 4 || *expectation.bits == 8
                                   : *expectation.bits >= 2 && *expectation.bits <= 8;
  if (!codes_are_known)
    return Error{ErrorKind::kUnsupportedScheme,
                 "weights are " + std::to_string(*expectation.bits) + "-bit " +
                     (*expectation.is_float ? "floats; supported are 4 and 8 bits"
                                            : "integers; supported are 2 to 8 bits"),
                 "", ""};
  expectation.word = string_at(group_json, "format");
  if (expectation.word.empty() && format != "mixed-precision") expectation.word = format;
  if (expectation.word.empty()) expectation.word = infer_format(expectation);
  IMP_TRY(check_format_word(expectation.word));
  if (expectation.word == "dense") expectation.quantized = false;
  return expectation;
}

std::optional<Expectation> expectation_of_preset(const std::string& name,
                                                 const std::string& format) {
  const std::string preset = to_upper(name);
  Expectation expectation;
  if (preset == "UNQUANTIZED") return expectation;
  expectation.quantized = true;
  expectation.symmetric = !preset.ends_with("_ASYM");
  if (const uint32_t bits = bits_of_weight_only_preset(preset)) {
    expectation.bits = bits;
    expectation.is_float = false;
    expectation.group_size = 128;
    expectation.weight_only = true;
  } else {
    const auto* row =
        std::find_if(std::begin(kPresets), std::end(kPresets),
                     [&](const PresetRow& candidate) { return candidate.name == preset; });
    if (row == std::end(kPresets)) return std::nullopt;
    expectation.bits = row->bits;
    expectation.is_float = row->is_float;
    expectation.per_tensor = row->group_size == 0;
    if (row->group_size != 0 && row->group_size != kUnsaid)
      expectation.group_size = row->group_size;
    if (row->block_rows != 0) expectation.block_rows = row->block_rows;
    expectation.activations_8bit = row->activation_bits == 8;
    expectation.weight_only = row->activation_bits == 16;
  }
  const bool says = !format.empty() && format != "mixed-precision";
  expectation.word = says ? format : infer_format(expectation);
  return expectation;
}

}  // namespace imp::model
