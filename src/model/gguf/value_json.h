// Metadata values of GGUF as JSON.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "formats/gguf/file.h"

namespace imp::model {

/// Element `i`: a text, a switch or a number.
inline nlohmann::json element_json(const gguf::Value& value, uint64_t i) {
  if (const auto text = value.as_string(i)) return std::string(*text);
  if (const auto flag = value.as_bool(i)) return *flag;
  if (const auto whole = value.as_uint(i)) return *whole;
  const auto number = value.as_double(i);
  return number ? nlohmann::json(*number) : nlohmann::json();
}

/// The value, or a list of its elements.
inline nlohmann::json value_json(const gguf::Value& value) {
  if (!value.is_array) return element_json(value, 0);
  nlohmann::json list = nlohmann::json::array();
  for (uint64_t i = 0; i < value.count; ++i) list.push_back(element_json(value, i));
  return list;
}

}  // namespace imp::model
