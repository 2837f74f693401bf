// From a GGUF file to a source whose tensors are those of the hub checkpoint.
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/import.h"
#include "src/model/model.h"

namespace imp::model {

struct GgufSource {
  Source source;  ///< config.json among its made companions
  nlohmann::json config;
  std::string types;  ///< block types of the file, "Q4_K, Q6_K"; empty: plain numbers only
};

/// Errors: those of gguf::open_checkpoint; kUnsupportedFormat for a file that is no model,
/// kUnsupportedVersion for blocks of an older version, kUnsupportedArchitecture; those of
/// read_facts and add_hub_tensors.
Result<GgufSource> read_gguf_source(const std::filesystem::path& path, const ImportOptions& options,
                                    Log& log);

}  // namespace imp::model
