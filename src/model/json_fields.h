// Fields of configuration documents that hands edit: one of another type is as good as absent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace imp::model {

/// The value of `key` unless it is absent or null.
inline const nlohmann::json* value_at(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

inline const nlohmann::json* object_at(const nlohmann::json& object, const char* key) {
  const nlohmann::json* value = value_at(object, key);
  return value != nullptr && value->is_object() ? value : nullptr;
}

inline std::string string_at(const nlohmann::json& object, const char* key) {
  const nlohmann::json* value = value_at(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

/// A whole number that is not negative.
inline std::optional<uint64_t> as_number(const nlohmann::json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (!value.is_number_unsigned() && value.get<int64_t>() < 0) return std::nullopt;
  return value.get<uint64_t>();
}

inline std::optional<uint64_t> number_at(const nlohmann::json& object, const char* key) {
  const nlohmann::json* value = value_at(object, key);
  return value == nullptr ? std::nullopt : as_number(*value);
}

inline bool flag_at(const nlohmann::json& object, const char* key, bool otherwise) {
  const nlohmann::json* value = value_at(object, key);
  return value != nullptr && value->is_boolean() ? value->get<bool>() : otherwise;
}

/// The strings of a list; what is no string in it is left out.
inline std::vector<std::string> strings_at(const nlohmann::json& object, const char* key) {
  std::vector<std::string> list;
  const nlohmann::json* value = value_at(object, key);
  if (value == nullptr || !value->is_array()) return list;
  for (const nlohmann::json& item : *value)
    if (item.is_string()) list.push_back(item.get<std::string>());
  return list;
}

/// The part of a multi-modal model's configuration that describes the text model; of others the
/// whole.
inline const nlohmann::json& text_part(const nlohmann::json& config) {
  for (const char* key : {"text_config", "llm_config"})
    if (const nlohmann::json* text = object_at(config, key)) return *text;
  return config;
}

/// ASCII letters in upper case: files differ in the case of one and the same word.
inline std::string to_upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

}  // namespace imp::model
