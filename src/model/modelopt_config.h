// ModelOpt's quantization configuration: config.json's quantization_config or hf_quant_config.json
// (checkpoint-formats 3.1). Says what to expect; the tensors decide.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "src/base/log.h"
#include "src/base/result.h"

namespace imp::model {

struct ModelOptConfig {
  std::string quant_algo;           ///< "NVFP4"; empty where only the KV cache is quantized
  std::string kv_cache_quant_algo;  ///< "FP8", "NVFP4", ...; empty: none
  std::optional<uint64_t> group_size;
  std::vector<std::string> exclude_modules;
  std::string producer_version;
  std::string file;  ///< which file it was read from
};

/// What the two documents say together. config.json goes first if its quant_method is ModelOpt's,
/// else hf_quant_config.json; where both are there and differ, a warning. Errors:
/// kUnsupportedFormat for another producer (named) or for a checkpoint without quantization;
/// kBadConfig for documents of the wrong form. `folder` is named in errors.
Result<ModelOptConfig> read_modelopt_config(const std::optional<nlohmann::json>& config,
                                            const std::optional<nlohmann::json>& hf_quant_config,
                                            const std::string& folder, Log& log);

}  // namespace imp::model
