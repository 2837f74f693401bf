#include "tests/unit/random_checkpoint.h"

#include <algorithm>
#include <utility>

#include "tests/reference/encodings.h"

namespace imp::testing {
namespace {

using nlohmann::ordered_json;

/// No architecture that anybody named: every module stands for itself.
const std::string kModule = "model.layers.0.block.linear";
constexpr uint16_t kWords = 2, kPaddedWords = 3, kWordsAlongN = 4, kPaddedWordsAlongN = 5,
                   kNibblesAlongN = 6;  // formats/imp/SPEC.md, registry "encodings"

uint64_t up_to(std::mt19937& random, uint64_t most) { return 1 + random() % most; }
uint64_t div_up(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

std::string random_bytes(std::mt19937& random, uint64_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

/// Bytes below `limit`.
std::string bytes_below(std::mt19937& random, uint64_t size, uint32_t limit) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() % limit);
  return bytes;
}

/// Positive normal floats of `dtype`: sign 0, an exponent from the middle of the range.
std::string random_scales(std::mt19937& random, uint64_t count, const std::string& dtype) {
  std::string bytes;
  for (uint64_t i = 0; i < count; ++i) {
    const auto mantissa = static_cast<uint32_t>(random());
    const auto exponent = static_cast<uint32_t>(random() % 8);
    uint32_t bits = (120 + exponent) << 23 | (mantissa & 0x7FFFFF);
    if (dtype == "BF16") bits >>= 16;
    if (dtype == "F16") bits = (8 + exponent) << 10 | (mantissa & 0x3FF);
    const size_t size = dtype == "F32" ? 4 : 2;
    for (size_t b = 0; b < size; ++b) bytes.push_back(static_cast<char>(bits >> (8 * b)));
  }
  return bytes;
}

std::string packed(std::mt19937& random, const reference::HeldPlane& plane) {
  std::vector<uint8_t> source(reference::held_bytes(plane));
  for (uint64_t row = 0; row < plane.rows; ++row)
    for (uint64_t column = 0; column < plane.columns; ++column)
      reference::put_element(plane, row, column, random() % (uint64_t{1} << plane.bits), source);
  return std::string(source.begin(), source.end());
}

RandomCheckpoint empty_checkpoint(const ordered_json& quantization) {
  RandomCheckpoint made{CheckpointEditor("modelopt-nvfp4-llama"), ""};
  made.editor.remove_prefix("");
  made.editor.remove_file("hf_quant_config.json");
  ordered_json& config = made.editor.config();
  config = ordered_json{{"architectures", {"SomethingElseForCausalLM"}}, {"num_hidden_layers", 1}};
  config["quantization_config"] = quantization;
  return made;
}

void add(RandomCheckpoint& made, const std::string& suffix, const std::string& dtype,
         std::vector<uint64_t> shape, std::string bytes) {
  made.editor.add({kModule + suffix, dtype, std::move(shape), std::move(bytes)});
}

ordered_json ct_config(const std::string& format, const std::string& version, ordered_json weights,
                       ordered_json activations) {
  ordered_json group{{"targets", {"Linear"}},
                     {"weights", std::move(weights)},
                     {"input_activations", std::move(activations)},
                     {"output_activations", nullptr},
                     {"format", format}};
  return {{"quant_method", "compressed-tensors"},
          {"format", format},
          {"version", version},
          {"quantization_status", "compressed"},
          {"ignore", ordered_json::array()},
          {"config_groups", {{"group_0", group}}}};
}

ordered_json int_args(uint32_t bits, uint64_t group, bool symmetric) {
  return {{"num_bits", bits},
          {"type", "int"},
          {"symmetric", symmetric},
          {"strategy", group == 0 ? "channel" : "group"},
          {"group_size", group == 0 ? ordered_json() : ordered_json(group)},
          {"dynamic", false}};
}

RandomCheckpoint pack_quantized(std::mt19937& random) {
  const auto bits = static_cast<uint32_t>(2 + random() % 7);
  const bool symmetric = random() % 2 == 0, padded = random() % 3 == 0;
  constexpr uint64_t kGroups[] = {0, 16, 32, 64, 128};
  const uint64_t group = kGroups[random() % std::size(kGroups)];
  const uint64_t n = up_to(random, 150);
  const uint64_t k = group == 0 ? up_to(random, 300) : group * up_to(random, 300 / group + 1);
  const uint64_t groups = group == 0 ? 1 : k / group;
  const std::string dtype = random() % 3 == 0 ? "F32" : random() % 2 == 0 ? "F16" : "BF16";
  RandomCheckpoint made = empty_checkpoint(ct_config("pack-quantized", padded ? "0.12.2" : "0.19.0",
                                                     int_args(bits, group, symmetric), nullptr));
  const reference::HeldPlane codes{padded ? kPaddedWords : kWords, bits, n, k};
  const uint64_t columns = padded ? div_up(k, 32 / bits) : div_up(k * bits, 32);
  add(made, ".weight_packed", "I32", {n, columns}, packed(random, codes));
  add(made, ".weight_scale", dtype, {n, groups}, random_scales(random, n * groups, dtype));
  std::string shape(16, '\0');
  for (size_t b = 0; b < 8; ++b) {
    shape[b] = static_cast<char>(n >> (8 * b));
    shape[8 + b] = static_cast<char>(k >> (8 * b));
  }
  add(made, ".weight_shape", "I64", {2}, shape);
  if (!symmetric) {
    const reference::HeldPlane zeros{padded ? kPaddedWordsAlongN : kWordsAlongN, bits, n, groups};
    const uint64_t rows = padded ? div_up(n, 32 / bits) : div_up(n * bits, 32);
    add(made, ".weight_zero_point", "I32", {rows, groups}, packed(random, zeros));
  }
  made.text = "int" + std::to_string(bits) + " N " + std::to_string(n) + " K " + std::to_string(k) +
              " group " + std::to_string(group) + (symmetric ? " " : " asymmetric ") +
              (padded ? "padded " : "dense ") + dtype;
  return made;
}

RandomCheckpoint int_quantized(std::mt19937& random) {
  const uint64_t n = up_to(random, 150), k = up_to(random, 300);
  const bool weight_only = random() % 2 == 0;
  RandomCheckpoint made = empty_checkpoint(ct_config(
      "int-quantized", "0.19.0", int_args(8, 0, true),
      weight_only
          ? ordered_json()
          : ordered_json{
                {"num_bits", 8}, {"type", "int"}, {"dynamic", true}, {"strategy", "token"}}));
  add(made, ".weight", "I8", {n, k}, random_bytes(random, n * k));
  add(made, ".weight_scale", "BF16", {n, 1}, random_scales(random, n, "BF16"));
  made.text = "int8 N " + std::to_string(n) + " K " + std::to_string(k);
  return made;
}

RandomCheckpoint float8(std::mt19937& random) {
  const uint64_t n = up_to(random, 300), k = up_to(random, 300);
  const size_t kind = random() % 3;
  const char* strategies[] = {"tensor", "channel", "block"};
  ordered_json args{{"num_bits", 8},
                    {"type", "float"},
                    {"symmetric", true},
                    {"strategy", strategies[kind]},
                    {"dynamic", false}};
  if (kind == 2) args["block_structure"] = {128, 128};
  RandomCheckpoint made = empty_checkpoint(ct_config("naive-quantized", "0.19.0", args, nullptr));
  add(made, ".weight", "F8_E4M3", {n, k}, bytes_below(random, n * k, 0x7F));
  const uint64_t rows = kind == 0 ? 1 : kind == 1 ? n : div_up(n, 128);
  const uint64_t columns = kind == 2 ? div_up(k, 128) : 1;
  std::vector<uint64_t> shape{rows, columns};
  if (kind == 0) shape = {1};
  add(made, ".weight_scale", "F32", shape, random_scales(random, rows * columns, "F32"));
  made.text = std::string("fp8 ") + strategies[kind] + " N " + std::to_string(n) + " K " +
              std::to_string(k);
  return made;
}

RandomCheckpoint mxfp(std::mt19937& random) {
  const uint64_t n = up_to(random, 200), k = 32 * up_to(random, 9);
  const bool four = random() % 2 == 0;
  const char* format = four ? "mxfp4-pack-quantized" : "mxfp8-quantized";
  RandomCheckpoint made = empty_checkpoint(ct_config(format, "0.19.0",
                                                     {{"num_bits", four ? 4 : 8},
                                                      {"type", "float"},
                                                      {"symmetric", true},
                                                      {"strategy", "group"},
                                                      {"group_size", 32},
                                                      {"dynamic", false}},
                                                     nullptr));
  if (four)
    add(made, ".weight_packed", "U8", {n, k / 2}, random_bytes(random, n * k / 2));
  else
    add(made, ".weight", "F8_E4M3", {n, k}, bytes_below(random, n * k, 0x7F));
  add(made, ".weight_scale", "U8", {n, k / 32}, bytes_below(random, n * k / 32, 250));
  made.text = std::string(format) + " N " + std::to_string(n) + " K " + std::to_string(k);
  return made;
}

RandomCheckpoint nvfp4(std::mt19937& random) {
  const bool wide = random() % 2 == 0;  // groups of 32
  const uint64_t group = wide ? 32 : 16;
  const uint64_t n = up_to(random, 200), k = group * up_to(random, 300 / group);
  RandomCheckpoint made = empty_checkpoint(
      {{"quant_method", "modelopt"},
       {"quant_algo", "W4A16_NVFP4"},
       {"ignore", ordered_json::array()},
       {"producer", {{"name", "modelopt"}, {"version", "0.47.0"}}},
       {"config_groups",
        {{"group_0",
          {{"targets", {"Linear"}},
           {"weights",
            {{"num_bits", 4}, {"type", "float"}, {"group_size", group}, {"dynamic", false}}}}}}}});
  add(made, ".weight", "U8", {n, k / 2}, random_bytes(random, n * k / 2));
  std::string scales = bytes_below(random, n * k / group, 127);
  for (char& scale : scales)
    if (random() % 16 == 0) scale = static_cast<char>(random() % 2 == 0 ? 0x00 : 0x80);
  add(made, ".weight_scale", "F8_E4M3", {n, k / group}, scales);
  add(made, ".weight_scale_2", "F32", {}, random_scales(random, 1, "F32"));
  made.text = "nvfp4 N " + std::to_string(n) + " K " + std::to_string(k) + " group " +
              std::to_string(group);
  return made;
}

RandomCheckpoint int4_along_n(std::mt19937& random) {
  const uint64_t n = 2 * up_to(random, 100), k = 128 * up_to(random, 3);
  RandomCheckpoint made =
      empty_checkpoint({{"quant_method", "modelopt"},
                        {"quant_algo", "W4A16_AWQ"},
                        {"ignore", ordered_json::array()},
                        {"producer", {{"name", "modelopt"}, {"version", "0.47.0"}}}});
  const reference::HeldPlane codes{kNibblesAlongN, 4, n, k};
  add(made, ".weight", "U8", {n / 2, k}, packed(random, codes));
  add(made, ".weight_scale", "F32", {n, k / 128}, random_scales(random, n * k / 128, "F32"));
  add(made, ".pre_quant_scale", "BF16", {k}, random_scales(random, k, "BF16"));
  made.text = "int4 along N, N " + std::to_string(n) + " K " + std::to_string(k);
  return made;
}

}  // namespace

const std::vector<RandomFamily>& random_families() {
  static const std::vector<RandomFamily> families = {{"PackQuantized", pack_quantized},
                                                     {"IntQuantized", int_quantized},
                                                     {"Fp8", float8},
                                                     {"Mx", mxfp},
                                                     {"Nvfp4", nvfp4},
                                                     {"Int4AlongN", int4_along_n}};
  return families;
}

}  // namespace imp::testing
