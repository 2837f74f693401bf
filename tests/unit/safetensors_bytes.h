// safetensors files built by hand, without the code under test.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/file.h"

namespace imp::testing {

inline std::string le64(uint64_t value) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

/// Size field, JSON, data.
inline std::string safetensors_file(std::string_view json, std::string_view data) {
  return le64(json.size()) + std::string(json) + std::string(data);
}

/// A file of U8 tensors {name, contents}, in this order.
inline std::string u8_shard(const std::vector<std::pair<std::string, std::string>>& tensors) {
  std::string json = "{";
  std::string data;
  for (const auto& [name, contents] : tensors) {
    json += (data.empty() && json.size() == 1 ? "\"" : ",\"") + name +
            "\":{\"dtype\":\"U8\",\"shape\":[" + std::to_string(contents.size()) +
            "],\"data_offsets\":[" + std::to_string(data.size()) + "," +
            std::to_string(data.size() + contents.size()) + "]}";
    data += contents;
  }
  return safetensors_file(json + "}", data);
}

inline Bytes as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

/// `text` with the one occurrence of `find` replaced; throws unless there is exactly one.
inline std::string replace_once(std::string text, std::string_view find, std::string_view with) {
  const size_t at = text.find(find);
  if (at == std::string::npos || text.find(find, at + 1) != std::string::npos)
    throw std::runtime_error("not exactly once: " + std::string(find));
  return text.replace(at, find.size(), with);
}

}  // namespace imp::testing
