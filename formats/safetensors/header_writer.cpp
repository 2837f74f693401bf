#include <nlohmann/json.hpp>
#include <string_view>

#include "formats/safetensors/header.h"
#include "src/base/checked.h"
#include "src/base/little_endian.h"

namespace imp::safetensors {
namespace {

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

void append_metadata(const Header& header, std::string& json) {
  json += R"("__metadata__":{)";
  std::string_view comma;
  for (const auto& [key, value] : header.metadata) {
    json.append(comma).append(quoted(key)).append(":").append(quoted(value));
    comma = ",";
  }
  json += '}';
}

void append_tensor(const TensorInfo& tensor, uint64_t begin, std::string& json) {
  json.append(quoted(tensor.name)).append(R"(:{"dtype":")").append(dtype_name(tensor.dtype));
  json += R"(","shape":[)";
  for (uint32_t i = 0; i < tensor.shape.rank; ++i)
    json.append(i ? "," : "").append(std::to_string(tensor.shape[i]));
  json.append(R"(],"data_offsets":[)").append(std::to_string(begin)).append(",");
  json.append(std::to_string(begin + tensor.size_bytes)).append("]}");
}

}  // namespace

std::string write_header(const Header& header) {
  std::string bytes(sizeof(uint64_t), '\0');
  bytes += '{';
  std::string_view comma;
  if (header.has_metadata) {
    append_metadata(header, bytes);
    comma = ",";
  }
  uint64_t begin = 0;
  for (const TensorInfo& tensor : header.tensors) {
    bytes += comma;
    append_tensor(tensor, begin, bytes);
    begin += tensor.size_bytes;
    comma = ",";
  }
  bytes += '}';
  bytes.resize(round_up(bytes.size(), 8), ' ');
  store_le<uint64_t>(bytes.data(), bytes.size() - sizeof(uint64_t));
  return bytes;
}

}  // namespace imp::safetensors
