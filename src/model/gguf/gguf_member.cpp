// What a GGUF file says about itself, for people and for engines that want to look it up.
#include <bit>
#include <cstring>
#include <string>

#include "src/base/little_endian.h"
#include "src/model/gguf/hub_config.h"
#include "src/model/gguf/value_json.h"
#include "src/model/gguf/view_writer.h"
#include "src/model/tensor_view.h"

namespace imp::model {
namespace {

using nlohmann::json;

/// Lists (tokens, merges) and texts longer than this are given by their length.
constexpr uint64_t kLongList = 64;
constexpr uint64_t kLongText = 1u << 16;

json short_value(const gguf::Value& value) {
  if (value.is_array && value.count > kLongList) return {{"count", value.count}};
  for (const std::string& text : value.strings)
    if (text.size() > kLongText) return {{"bytes", text.size()}};
  return value_json(value);
}

/// Texts of any length have places of their own.
bool is_long_text(std::string_view key) {
  return key.starts_with("tokenizer.chat_template") || key == "tokenizer.huggingface.json";
}

/// The elements of an F32 tensor of few numbers.
Result<json> factors(const Source& source, uint32_t stored) {
  const StoredTensor& tensor = source.stored[stored];
  json list = json::array();
  constexpr uint64_t kMost = 1u << 16;
  if (tensor.type != GgmlType::kF32 || tensor.size_bytes > kMost) return list;
  const TensorView view = view_of_elems(source, stored, 0, tensor.size_bytes / sizeof(float));
  std::vector<std::byte> bytes(tensor.size_bytes);
  IMP_TRY(read_view_rows(source, view, 0, bytes.size() / sizeof(float), bytes));
  for (size_t at = 0; at < bytes.size(); at += sizeof(float))
    list.push_back(std::bit_cast<float>(load_le<uint32_t>(&bytes[at])));
  return list;
}

}  // namespace

Result<json> gguf_member(const Metadata& metadata, const Source& source) {
  json general = json::object(), tokenizer = json::object(), rope = json::object();
  json other = json::object();
  for (const gguf::KeyValue& pair : metadata.header().metadata) {
    if (is_long_text(pair.key)) continue;
    const std::string_view key = pair.key;
    if (key.starts_with("general."))
      general[std::string(key.substr(8))] = short_value(pair.value);
    else if (key.starts_with("tokenizer."))
      tokenizer[std::string(key.substr(10))] = short_value(pair.value);
    else if (!key.starts_with("split."))
      other[pair.key] = short_value(pair.value);
  }
  for (uint32_t i = 0; i < source.stored.size(); ++i)
    if (source.stored[i].name.starts_with("rope_")) {
      IMP_ASSIGN(rope[source.stored[i].name], factors(source, i));
    }
  json member = {{"general", general}, {"tokenizer", tokenizer}, {"metadata", other}};
  if (!rope.empty()) member["rope_factors"] = rope;
  return member;
}

}  // namespace imp::model
