#include "src/model/gguf/metadata.h"

#include <utility>

namespace imp::model {

Metadata::Metadata(const gguf::Header& header, std::string file)
    : header_(header), file_(std::move(file)) {
  const gguf::Value* value = header.find("general.architecture");
  if (value != nullptr && !value->is_array)
    architecture_ = std::string(value->as_string().value_or(""));
}

std::string Metadata::full_key(std::string_view key) const {
  return architecture_ + "." + std::string(key);
}

const gguf::Value* Metadata::find(std::string_view key) const {
  return header_.find(full_key(key));
}

Error Metadata::error(std::string message) const {
  return Error{ErrorKind::kBadConfig, std::move(message), file_, ""};
}

Result<std::optional<uint64_t>> Metadata::find_number(std::string_view key) const {
  std::optional<uint64_t> number;
  const gguf::Value* value = find(key);
  if (value == nullptr) return number;
  if (!value->is_array) number = value->as_uint();
  if (!number) return error("metadata '" + full_key(key) + "' is no whole number of at least 0");
  return number;
}

Result<uint64_t> Metadata::number(std::string_view key) const {
  IMP_ASSIGN(const std::optional<uint64_t> number, find_number(key));
  if (!number) return error("metadata has no '" + full_key(key) + "'");
  return *number;
}

Result<std::vector<uint64_t>> Metadata::numbers_of_layers(std::string_view key,
                                                          uint64_t layers) const {
  std::vector<uint64_t> numbers;
  const gguf::Value* value = find(key);
  if (value == nullptr) return numbers;
  if (!value->is_array) {
    IMP_ASSIGN(const uint64_t one, number(key));
    numbers.assign(layers, one);
    return numbers;
  }
  if (value->count != layers)
    return error("metadata '" + full_key(key) + "' has " + std::to_string(value->count) +
                 " elements, expected one for each of " + std::to_string(layers) + " blocks");
  for (uint64_t i = 0; i < layers; ++i) {
    const auto element = value->as_uint(i);
    if (!element)
      return error("metadata '" + full_key(key) +
                   "' holds an element that is no whole number of "
                   "at least 0");
    numbers.push_back(*element);
  }
  return numbers;
}

}  // namespace imp::model
