// quant_method "fp8": DeepSeek-V3 and V4, Qwen, GLM, transformers (checkpoint-formats 3.9, 6.1 to
// 6.4).
#pragma once

#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/quant_config.h"

namespace imp::model {

/// `section`: quantization_config. weight_block_size null or absent is one scale a module. A
/// moe_quant_algo with quantized_layers (DeepSeek-V4) gives those containers another scheme.
/// Errors: kBadConfig for a weight_block_size that is no pair of positive numbers;
/// kUnsupportedScheme for a fmt other than e4m3 and for an unknown moe_quant_algo.
Result<std::unique_ptr<QuantConfig>> read_fp8_config(const nlohmann::json& section,
                                                     const std::string& folder, Log& log);

}  // namespace imp::model
