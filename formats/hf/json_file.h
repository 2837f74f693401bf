// Small JSON files of a checkpoint: config.json and its kin.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "src/base/result.h"

namespace imp::hf {

inline constexpr uint64_t kMaxConfigBytes = 64u << 20;
/// Deeper documents are refused: code that walks a configuration may recurse.
inline constexpr size_t kMaxConfigDepth = 100;

/// The JSON object in `path`, or nullopt if there is no such file.
/// Errors: kBadConfig (too large, malformed, too deep, not an object), kIo.
Result<std::optional<nlohmann::json>> read_json_object(const std::filesystem::path& path);

}  // namespace imp::hf
