// The files beside the weights: config, tokenizer, licence.
#pragma once

#include <string>
#include <string_view>

#include "formats/imp/reader.h"
#include "src/base/result.h"
#include "src/unpack/output_folder.h"

namespace imp::unpack {

/// What happens to the files that describe the quantization.
enum class CompanionUse : uint8_t {
  kAsTheyAre,
  kUnquantized,  ///< no hf_quant_config.json, no quantization_config in config.json
};

/// Take the names in `folder`. Errors: those of OutputFolder::claim.
Status claim_companions(const artifact::Reader& reader, CompanionUse use, OutputFolder& folder);
/// REQUIRES: claimed. Errors: those of Reader::read_companion, kBadConfig (config.json is no JSON
/// object), kIo, kNoSpace.
Status write_companions(const artifact::Reader& reader, CompanionUse use, OutputFolder& folder);

/// config.json without its quantization_config; unchanged text where it has none.
Result<std::string> without_quantization(const std::string& config);

}  // namespace imp::unpack
