// config.json as the hub checkpoint has it, out of the metadata of a GGUF file (gguf.md, section
// 6). What the metadata does not say is left out.
#pragma once

#include <nlohmann/json.hpp>

#include "src/base/result.h"
#include "src/model/gguf/facts.h"
#include "src/model/gguf/metadata.h"
#include "src/model/gguf/stored_modules.h"

namespace imp::model {

/// Errors: kBadConfig for metadata of the wrong kind.
Result<nlohmann::json> hub_config(const Metadata& metadata, const Facts& facts,
                                  const StoredModules& stored, const Source& source);

/// Member "gguf" of the configuration: provenance, a summary of the tokenizer, and the factors of
/// the rotation that the file holds as tensors. Errors: kIo.
Result<nlohmann::json> gguf_member(const Metadata& metadata, const Source& source);

}  // namespace imp::model
