// What the configuration says about quantization, whichever dialect it is written in (sources:
// checkpoint-formats 3.1 to 3.3, 4.1, 6). Says what to expect; the tensors decide.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "src/base/log.h"
#include "src/base/result.h"

namespace imp::model {

enum class Dialect : uint8_t {
  kUnquantized,        ///< no quantization: BF16, F16, F32
  kModelOpt,           ///< quant_method modelopt*, or hf_quant_config.json
  kCompressedTensors,  ///< quant_method compressed-tensors (also AutoRound's llm_compressor export)
  kFp8,                ///< quant_method fp8: DeepSeek, Qwen, transformers
  kMxfp4,              ///< quant_method mxfp4: gpt-oss
  kMistral,            ///< params.json beside consolidated*.safetensors
};

/// Expectation::group_size of a scale that covers a whole row.
inline constexpr uint64_t kWholeRow = ~uint64_t{0};

/// What the configuration expects of one module. Fields that it does not say are empty.
struct Expectation {
  /// False also for a module that the configuration leaves out by name; the other fields then say
  /// how it would be coded if the tensors show that it is quantized all the same (trap T8). Where
  /// the configuration speaks of everything, or of the class "Linear", routers, norms and
  /// embeddings are not meant, nor stacks of experts by compressed-tensors; of a module of a vision
  /// tower, or of an unknown leaf, it then holds if that is two-dimensional and no convolution.
  bool quantized = false;
  std::string word;  ///< the configuration's own: "NVFP4", "fp8_pb_wo", "pack-quantized", "fp8"
  std::optional<uint32_t> bits;
  std::optional<bool> is_float;
  std::optional<bool> symmetric;
  std::optional<uint64_t> group_size;  ///< columns under a scale; kWholeRow for a scale per row
  std::optional<uint64_t> block_rows;  ///< of two-dimensional blocks; group_size has their columns
  bool per_tensor = false;
  bool act_order = false;         ///< actorder "group": weight_g_idx is expected
  bool activations_8bit = false;  ///< int8 or fp8 activations, static or dynamic
  bool weight_only = false;       ///< activations stay 16 bits wide
  bool unscaled = false;          ///< the format itself defines the scale as 1 (Mistral NO_SCALES)
};

/// The configuration of one checkpoint.
class QuantConfig {
 public:
  virtual ~QuantConfig() = default;
  Dialect dialect = Dialect::kUnquantized;
  std::string
      producer;  ///< "modelopt 0.47.0", "compressed-tensors 0.19.0", "fp8", "" for kUnquantized
  std::string version;       ///< "0.19.0", empty where the file does not say
  std::string quantization;  ///< the recipe as the file names it: "NVFP4", "pack-quantized"; empty
                             ///< where weights are not quantized
  std::string file;          ///< file name that it was read from, for messages
  std::string kv_cache;      ///< "FP8", "NVFP4", "NVFP4_AFFINE", "fp8"; empty: none asked for
  /// Odd widths of pack-quantized are padded to whole words before 0.17.0: true where `version`
  /// says so, empty where it says nothing.
  std::optional<bool> padded_words;
  /// compressed-tensors 0.13.x wrote mxfp4 scale bytes 2 too small (trap T20).
  bool mxfp4_scales_quarter = false;

  /// What is said about a module, by its canonical name with the expert's number in it
  /// ("model.layers.0.mlp.experts.3.up_proj").
  virtual Expectation expect(const std::string& module) const = 0;
  /// Patterns and names of the configuration that matched none of the modules asked about.
  virtual std::vector<std::string> unmatched() const = 0;
  /// Modules asked about that two groups of the configuration claim with equal right and different
  /// schemes (trap T12); expect() gave the first of them.
  virtual std::vector<std::string> ambiguous() const { return {}; }
};

/// Documents of a checkpoint that speak of quantization, as parsed; absent where there is no such
/// file.
struct ConfigDocuments {
  std::optional<nlohmann::json> config;           ///< config.json
  std::optional<nlohmann::json> hf_quant_config;  ///< hf_quant_config.json
  std::optional<nlohmann::json> params;           ///< params.json (Mistral)
  std::vector<std::string> metadata_keys;         ///< keys of the shards' __metadata__
};

/// Precedence and contradictions: checkpoint-formats 3.1, traps T9, T31. Errors: kUnsupportedFormat
/// for a producer that is refused by name (AWQ, GPTQ, AutoRound's own format, bitsandbytes, MLX,
/// Quark, EXL, ComfyUI, marlin-24, online transforms, an unknown quant_method); kUnsupportedScheme
/// for a recipe that is none of ours (naming it); kBadConfig for documents of the wrong form.
/// `folder` is named in errors.
Result<std::unique_ptr<QuantConfig>> read_quant_config(const ConfigDocuments& documents,
                                                       const std::string& folder, Log& log);

}  // namespace imp::model
