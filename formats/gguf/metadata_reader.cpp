#include "formats/gguf/metadata_reader.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "src/base/text.h"

namespace imp::gguf {
namespace {

constexpr uint64_t kStringLengthBytes = 8;

/// Bytes of one element in the file (a string: at least); 0 for an id that is no type, and for
/// arrays.
uint64_t elem_bytes(uint32_t type_id) {
  switch (static_cast<ValueType>(type_id)) {
    case ValueType::kU8:
    case ValueType::kI8:
    case ValueType::kBool:
      return 1;
    case ValueType::kU16:
    case ValueType::kI16:
      return 2;
    case ValueType::kU32:
    case ValueType::kI32:
    case ValueType::kF32:
      return 4;
    case ValueType::kU64:
    case ValueType::kI64:
    case ValueType::kF64:
      return 8;
    case ValueType::kString:
      return kStringLengthBytes;
    case ValueType::kArray:
      break;
  }
  return 0;
}

Error syntax(std::string message) {
  return Error{ErrorKind::kHeaderSyntax, std::move(message), "", ""};
}

Result<ValueType> read_type(ByteReader& reader, std::string_view what) {
  IMP_ASSIGN(const auto id, reader.read<uint32_t>());
  if (id == static_cast<uint32_t>(ValueType::kArray) || elem_bytes(id) != 0)
    return static_cast<ValueType>(id);
  return syntax(std::string(what) + " is " + std::to_string(id) + ", expected 0 to 12");
}

void swap_elements(std::vector<std::byte>& numbers, uint64_t size_bytes) {
  for (auto at = numbers.begin(); at != numbers.end(); at += static_cast<ptrdiff_t>(size_bytes))
    std::reverse(at, at + static_cast<ptrdiff_t>(size_bytes));
}

/// REQUIRES: the file has value.count elements of value.type left, by their smallest size.
Status read_elements(ByteReader& reader, Value& value) {
  if (value.type == ValueType::kString) {
    // Not reserved: a string takes more memory here than its 8 bytes of length in the file.
    for (uint64_t i = 0; i < value.count; ++i) {
      IMP_ASSIGN(std::string text, reader.read_string(kMaxStringBytes, ErrorKind::kHeaderSize));
      value.strings.push_back(std::move(text));
    }
    return {};
  }
  const uint64_t size_bytes = elem_bytes(static_cast<uint32_t>(value.type));
  const uint64_t at = reader.position_bytes();
  value.numbers.resize(value.count * size_bytes);
  IMP_TRY(reader.read_bytes(value.numbers));
  if (reader.big_endian()) swap_elements(value.numbers, size_bytes);
  if (value.type != ValueType::kBool) return {};
  const auto bad = std::find_if(value.numbers.begin(), value.numbers.end(),
                                [](std::byte b) { return b > std::byte{1}; });
  if (bad == value.numbers.end()) return {};
  return syntax("the bool at byte " +
                std::to_string(at + static_cast<uint64_t>(bad - value.numbers.begin())) + " is " +
                std::to_string(std::to_integer<int>(*bad)) + ", expected 0 or 1");
}

Status read_array_head(ByteReader& reader, Value& value) {
  IMP_ASSIGN(value.type, read_type(reader, "the array's element type"));
  if (value.type == ValueType::kArray)
    return Error{ErrorKind::kUnsupportedFormat,
                 "is an array of arrays, expected an array of numbers or strings", "", ""};
  value.is_array = true;
  IMP_ASSIGN(value.count, reader.read<uint64_t>());
  if (value.count > kMaxArrayElems)
    return Error{ErrorKind::kHeaderSize,
                 "the array has " + std::to_string(value.count) + " elements, expected at most " +
                     std::to_string(kMaxArrayElems),
                 "", ""};
  const uint64_t least_bytes = value.count * elem_bytes(static_cast<uint32_t>(value.type));
  if (least_bytes > reader.remaining_bytes())
    return Error{ErrorKind::kTruncated,
                 "the array's " + std::to_string(value.count) + " elements need " +
                     std::to_string(least_bytes) + " bytes or more, the file has " +
                     std::to_string(reader.remaining_bytes()) + " left",
                 "", ""};
  return {};
}

Result<Value> read_value(ByteReader& reader) {
  Value value;
  IMP_ASSIGN(value.type, read_type(reader, "the value type"));
  if (value.type == ValueType::kArray) IMP_TRY(read_array_head(reader, value));
  IMP_TRY(read_elements(reader, value));
  return value;
}

Result<std::string> read_key(ByteReader& reader, uint64_t index) {
  const std::string place =
      "key " + std::to_string(index) + " at byte " + std::to_string(reader.position_bytes());
  Result<std::string> key = reader.read_string(kMaxKeyBytes, ErrorKind::kBadName);
  if (!key.ok()) {
    Error error = std::move(key).error();
    error.message = place + ": " + error.message;
    return error;
  }
  if (key->empty())
    return Error{ErrorKind::kBadName, place + " is empty, expected 1 to 65535 bytes", "", ""};
  if (!is_clean_utf8(*key))
    return Error{ErrorKind::kBadName,
                 place + " '" + printable(*key) +
                     "' is not UTF-8 without control characters, expected letters, digits, '_', "
                     "'-' and '.'",
                 "", ""};
  return key;
}

bool is_usual_key(const std::string& key) {
  return std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
  });
}

void warn_unusual_keys(const std::vector<KeyValue>& metadata, const std::string& who, Log& log) {
  const auto usual = [](const KeyValue& entry) { return is_usual_key(entry.key); };
  const auto first = std::find_if_not(metadata.begin(), metadata.end(), usual);
  if (first == metadata.end()) return;
  const auto others = std::count_if(first + 1, metadata.end(),
                                    [&](const KeyValue& entry) { return !usual(entry); });
  log.warn(who + "key '" + printable(first->key) +
           "' has characters outside of a-z, 0-9, '_', '.' and '-'" +
           (others == 0 ? "" : ", as have " + std::to_string(others) + " more"));
}

Status check_unique_keys(const std::vector<KeyValue>& metadata) {
  std::vector<uint32_t> order(metadata.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return metadata[a].key < metadata[b].key; });
  const auto twice = std::adjacent_find(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return metadata[a].key == metadata[b].key;
  });
  if (twice == order.end()) return {};
  return Error{ErrorKind::kDuplicateName,
               "key '" + printable(metadata[*twice].key) + "' occurs twice, expected once", "", ""};
}

}  // namespace

Result<std::vector<KeyValue>> read_metadata(ByteReader& reader, uint64_t count,
                                            const std::string& who, Log& log) {
  std::vector<KeyValue> metadata;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t at = reader.position_bytes();
    IMP_ASSIGN(std::string key, read_key(reader, i));
    Result<Value> value = read_value(reader);
    if (!value.ok()) {
      Error error = std::move(value).error();
      error.message =
          "key '" + printable(key) + "' at byte " + std::to_string(at) + ": " + error.message;
      return error;
    }
    metadata.push_back({std::move(key), std::move(value).take()});
  }
  IMP_TRY(check_unique_keys(metadata));
  warn_unusual_keys(metadata, who, log);
  return metadata;
}

}  // namespace imp::gguf
