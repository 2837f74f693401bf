#include "src/model/refused_producers.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "src/model/json_fields.h"

namespace imp::model {
namespace {

using nlohmann::json;

constexpr std::pair<std::string_view, std::string_view> kMethods[] = {
    {"awq", "AWQ (AutoAWQ's qweight, qzeros and scales in an interleaved lane order)"},
    {"gptq", "GPTQ (qweight, qzeros and g_idx packed along K)"},
    {"auto-round", "AutoRound's own format; its llm_compressor export can be converted"},
    {"auto_round", "AutoRound's own format; its llm_compressor export can be converted"},
    {"intel/auto-round", "AutoRound's own format; its llm_compressor export can be converted"},
    {"bitsandbytes", "bitsandbytes (nf4, fp4 or int8 blocks with quant_state tensors)"},
    {"quark", "AMD Quark, which gives the names of scales other meanings"},
    {"exl2", "ExLlamaV2 (bit rates mixed inside a matrix)"},
    {"exl3", "ExLlamaV3 (trellis-coded weights)"},
    {"hqq", "HQQ (half-quadratic quantization with its own packing)"},
    {"torchao", "torchao, which stores Python tensor subclasses"},
    {"quanto", "optimum-quanto, which stores Python tensor subclasses"},
    {"aqlm", "AQLM (additive codebooks)"},
    {"vptq", "VPTQ (vector codebooks)"},
    {"higgs", "HIGGS (rotated weights with codebooks)"},
    {"fp_quant", "FP-Quant (rotated weights)"},
    {"eetq", "EETQ (int8 in the order of one GPU's kernel)"},
    {"fbgemm_fp8", "FBGEMM FP8"},
    {"bitnet", "BitNet (ternary weights)"},
    {"spqr", "SpQR (dense and sparse parts)"},
    {"mlx", "MLX (codes, scales and biases in its own packing)"},
};

bool is_mlx(const json& config) {
  const json* section = object_at(config, "quantization");
  return section != nullptr && number_at(*section, "group_size") && number_at(*section, "bits");
}

bool names_csf(const json& object) { return !string_at(object, "weight_scale_encoding").empty(); }

}  // namespace

std::string describe_quant_method(const std::string& quant_method) {
  for (const auto& [method, what] : kMethods)
    if (method == quant_method)
      return "quant_method is '" + quant_method + "': " + std::string(what);
  return "quant_method is '" + quant_method + "', which is unknown";
}

std::optional<std::string> unnamed_producer(const ConfigDocuments& documents) {
  const auto& keys = documents.metadata_keys;
  if (std::find(keys.begin(), keys.end(), "_quantization_metadata") != keys.end())
    return "__metadata__ has '_quantization_metadata': ComfyUI's or a diffusion model's files, "
           "whose nibbles and scales are in another order";
  if (!documents.config) return std::nullopt;
  const json& config = *documents.config;
  const json* section = object_at(config, "quantization_config");
  if (names_csf(config) || (section != nullptr && names_csf(*section)))
    return "weight_scale_encoding is set: NVFP4-CSF, whose block scales are compressed";
  const bool has_method = section != nullptr && !string_at(*section, "quant_method").empty();
  if (has_method) return std::nullopt;
  if (is_mlx(config))
    return "'quantization' has group_size and bits: MLX, with codes, scales and biases in its own "
           "packing";
  if (section != nullptr &&
      (flag_at(*section, "load_in_4bit", false) || flag_at(*section, "load_in_8bit", false)))
    return "quantization_config has load_in_4bit or load_in_8bit: " +
           describe_quant_method("bitsandbytes");
  return std::nullopt;
}

}  // namespace imp::model
