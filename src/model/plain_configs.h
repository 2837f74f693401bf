// The dialects whose configuration says little: gpt-oss's mxfp4, Mistral's params.json, and none.
#pragma once

#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/quant_config.h"

namespace imp::model {

/// No quantization anywhere: every module is BF16, F16 or F32.
std::unique_ptr<QuantConfig> no_quant_config();

/// quant_method "mxfp4" (gpt-oss, checkpoint-formats 6.6): the routed experts, but for
/// modules_to_not_convert.
std::unique_ptr<QuantConfig> mxfp4_config(const nlohmann::json& section, Log& log);

/// `quantization` of Mistral's params.json (checkpoint-formats 6.9): FP8 with one scale a module,
/// or compressed-tensors' own object. Errors: kUnsupportedScheme for another qformat_weight or
/// qscheme_act, and those of read_compressed_tensors_config.
Result<std::unique_ptr<QuantConfig>> read_mistral_config(const nlohmann::json& section,
                                                         const std::string& folder, Log& log);

}  // namespace imp::model
