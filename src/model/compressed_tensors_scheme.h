// One scheme of a compressed-tensors configuration: the arguments of a group, or a preset by name.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "src/base/result.h"
#include "src/model/quant_config.h"

namespace imp::model {

/// What `group` ({weights, input_activations, format}) says of the modules it is for. `format`: the
/// configuration's own, for groups that name none; empty where it names none either. Messages only,
/// the caller adds the place. Errors: kBadConfig, kUnsupportedScheme, kUnsupportedFormat.
Result<Expectation> expectation_of_group(const nlohmann::json& group, const std::string& format);

/// What a preset's name ("W4A16", "NVFP4A16", in upper or lower case) says, where a configuration
/// has {PRESET: [targets]}; nullopt for a name that is no preset.
std::optional<Expectation> expectation_of_preset(const std::string& name,
                                                 const std::string& format);

/// Errors: kUnsupportedFormat for marlin-24 and for unknown words; message only.
Status check_format_word(const std::string& format);

}  // namespace imp::model
