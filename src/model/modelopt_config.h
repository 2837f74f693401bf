// ModelOpt's quantization configuration: config.json's quantization_config or hf_quant_config.json
// (checkpoint-formats 3.1 to 3.3).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/quant_config.h"

namespace imp::model {

/// `section`: quantization_config of config.json if that is ModelOpt's, else null; `document`:
/// hf_quant_config.json, or null. At least one of them is there; the first goes first, and where
/// they differ that is a warning. Errors: kUnsupportedScheme for a quant_algo that is none of
/// ModelOpt's exports (naming it), kBadConfig for documents of the wrong form.
Result<std::unique_ptr<QuantConfig>> read_modelopt_config(const nlohmann::json* section,
                                                          const nlohmann::json* document,
                                                          const std::string& folder, Log& log);

/// What a quant_algo says of a module, `quantized` set; nullopt for one that no export has.
/// Upper and lower case count as equal: exporters and readers write both.
std::optional<Expectation> expectation_of_algo(const std::string& quant_algo,
                                               std::optional<uint64_t> group_size);

}  // namespace imp::model
