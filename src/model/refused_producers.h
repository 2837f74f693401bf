// Quantization that is recognised and refused, so that a user learns what the files are.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "src/model/quant_config.h"

namespace imp::model {

/// What the producer behind a quant_method is, for an error message; for a word that is none of a
/// known producer it says so.
std::string describe_quant_method(const std::string& quant_method);

/// Producers that write no quant_method but show otherwise: MLX, old bitsandbytes, ComfyUI,
/// NVFP4-CSF. The sentence of the refusal, or nullopt.
std::optional<std::string> unnamed_producer(const ConfigDocuments& documents);

}  // namespace imp::model
