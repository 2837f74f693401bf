// The quantization configuration of compressed-tensors (llm-compressor, AutoRound's llm_compressor
// export, SparseML; checkpoint-formats 4.1, 4.2).
#pragma once

#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/quant_config.h"

namespace imp::model {

/// `section`: quantization_config (or the older compression_config, or Mistral's quantization).
/// `file` is where it lies in `folder`. Errors: kUnsupportedFormat for marlin-24, a format string
/// or sparsity format that is none of its own, and transforms that work on activations (naming
/// them); kUnsupportedScheme for weights coded in no way of its own; kBadConfig for groups of the
/// wrong form.
Result<std::unique_ptr<QuantConfig>> read_compressed_tensors_config(const nlohmann::json& section,
                                                                    const std::string& file,
                                                                    const std::string& folder,
                                                                    Log& log);

}  // namespace imp::model
