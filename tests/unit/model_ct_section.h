// A configuration of compressed-tensors for tests to change.
#pragma once

#include <string>

#include "tests/unit/model_configs.h"

namespace imp::testing {

inline constexpr const char* kUp = "model.layers.0.mlp.up_proj";
inline constexpr const char* kQ = "model.layers.0.self_attn.q_proj";

/// A group for every Linear, with these arguments of the weights.
inline json group_json(const char* weights, const char* activations = "null") {
  return json{{"targets", {"Linear"}},
              {"weights", json::parse(weights)},
              {"input_activations", json::parse(activations)}};
}

inline json section_json() {
  return json{{"quant_method", "compressed-tensors"},
              {"format", "pack-quantized"},
              {"quantization_status", "compressed"},
              {"version", "0.19.0"},
              {"ignore", {"lm_head"}},
              {"config_groups",
               {{"group_0", group_json(R"({"num_bits": 4, "type": "int", "strategy": "group",
                                           "group_size": 128, "symmetric": true})")}}}};
}

inline json with_weights(const char* weights, const char* activations = "null",
                         const char* format = nullptr) {
  json section = section_json();
  section["config_groups"]["group_0"] = group_json(weights, activations);
  if (format == nullptr)
    section.erase("format");
  else
    section["format"] = format;
  return section;
}

inline model::Expectation expect_of(const json& section, const char* module = kUp) {
  return ReadConfig(with_section(section))->expect(module);
}

}  // namespace imp::testing
