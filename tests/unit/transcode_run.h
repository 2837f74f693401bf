// Transcoding inside a test: from a checkpoint to the model, to an artifact, and to values.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "src/transcode/transcode.h"
#include "tests/unit/model_import.h"
#include "tests/unit/unpack_run.h"

namespace imp::testing {

/// REQUIRES: rules that parse.
inline std::vector<transcode::Rule> rules_of(const std::vector<std::string>& texts) {
  std::vector<transcode::Rule> rules;
  for (const std::string& text : texts) {
    auto rule = transcode::parse_rule(text);
    if (!rule.ok()) throw std::runtime_error(rule.error().to_line());
    rules.push_back(std::move(*rule));
  }
  return rules;
}

/// What transcode_weights makes of an imported model. REQUIRES: it imports.
inline Status transcode_model(Imported& imported, const std::vector<std::string>& rules) {
  if (!imported.ok()) throw std::runtime_error(imported.error_line());
  return transcode::transcode_weights(*imported.model, rules_of(rules), 1, imported.log);
}

/// Bytes of an artifact for `sms`, its rules in the order given; a test failure if it is refused.
inline std::string transcoded_artifact(const std::filesystem::path& input,
                                       const std::vector<std::string>& rules,
                                       std::vector<uint32_t> sms, uint64_t threads = 1) {
  convert::Options options = options_for(input, std::move(sms));
  options.transcode = rules_of(rules);
  options.threads = threads;
  CollectingLog log;
  Result<std::string> bytes = convert_to_memory(options, log);
  if (!bytes.ok()) ADD_FAILURE() << bytes.error().to_line();
  return bytes.ok() ? *bytes : std::string();
}

/// Every weight of an artifact as F32.
inline CheckpointEditor values_of_artifact(const std::string& artifact) {
  UnpackCase unpacked(artifact);
  unpacked.options.mode = unpack::Mode::kDequantizeF32;
  return unpacked.checkpoint();
}

/// REQUIRES: dtype F32 or BF16.
inline std::vector<float> floats_of(const EditedTensor& tensor) {
  const size_t step = tensor.dtype == "F32" ? 4 : 2;
  if (tensor.dtype != "F32" && tensor.dtype != "BF16") throw std::runtime_error(tensor.dtype);
  std::vector<float> values(tensor.bytes.size() / step);
  for (size_t i = 0; i < values.size(); ++i) {
    char bytes[4] = {};
    std::memcpy(bytes + 4 - step, tensor.bytes.data() + i * step, step);
    std::memcpy(&values[i], bytes, 4);
  }
  return values;
}

}  // namespace imp::testing
