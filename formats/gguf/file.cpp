#include "formats/gguf/file.h"

#include <algorithm>

#include "src/base/little_endian.h"

namespace imp::gguf {
namespace {

/// Call `use` with element `i` in its own type.
/// REQUIRES: a numeric type, i < value.count.
template <class Use>
auto with_number(const Value& value, uint64_t i, Use use) -> decltype(use(uint8_t{0})) {
  const std::byte* data = value.numbers.data();
  switch (value.type) {
    case ValueType::kU8:
      return use(load_le<uint8_t>(data + i));
    case ValueType::kI8:
      return use(load_le<int8_t>(data + i));
    case ValueType::kU16:
      return use(load_le<uint16_t>(data + i * 2));
    case ValueType::kI16:
      return use(load_le<int16_t>(data + i * 2));
    case ValueType::kU32:
      return use(load_le<uint32_t>(data + i * 4));
    case ValueType::kI32:
      return use(load_le<int32_t>(data + i * 4));
    case ValueType::kF32:
      return use(load_le<float>(data + i * 4));
    case ValueType::kU64:
      return use(load_le<uint64_t>(data + i * 8));
    case ValueType::kI64:
      return use(load_le<int64_t>(data + i * 8));
    case ValueType::kF64:
      return use(load_le<double>(data + i * 8));
    case ValueType::kBool:
    case ValueType::kString:
    case ValueType::kArray:
      break;
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> Value::as_uint(uint64_t i) const {
  if (i >= count) return std::nullopt;
  return with_number(*this, i, [](auto number) -> std::optional<uint64_t> {
    if constexpr (std::is_floating_point_v<decltype(number)>) {
      return std::nullopt;
    } else if constexpr (std::is_signed_v<decltype(number)>) {
      if (number < 0) return std::nullopt;
      return static_cast<uint64_t>(number);
    } else {
      return number;
    }
  });
}

std::optional<double> Value::as_double(uint64_t i) const {
  if (i >= count) return std::nullopt;
  return with_number(
      *this, i, [](auto number) -> std::optional<double> { return static_cast<double>(number); });
}

std::optional<bool> Value::as_bool(uint64_t i) const {
  if (type != ValueType::kBool || i >= count) return std::nullopt;
  return numbers[i] != std::byte{0};
}

std::optional<std::string_view> Value::as_string(uint64_t i) const {
  if (type != ValueType::kString || i >= count) return std::nullopt;
  return strings[i];
}

const Value* Header::find(std::string_view key) const {
  const auto at = std::find_if(metadata.begin(), metadata.end(),
                               [key](const KeyValue& entry) { return entry.key == key; });
  return at == metadata.end() ? nullptr : &at->value;
}

}  // namespace imp::gguf
