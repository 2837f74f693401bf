// Any bytes: read_header ends in an error, or in a header that keeps its promise.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "formats/gguf/file.h"

namespace {

using namespace imp;

void require(bool promise) {
  if (!promise) std::abort();
}

void check_values(const gguf::Header& header) {
  for (const gguf::KeyValue& entry : header.metadata) {
    const gguf::Value& value = entry.value;
    require(value.type != gguf::ValueType::kArray && (value.is_array || value.count == 1));
    for (const uint64_t i : {uint64_t{0}, value.count / 2, value.count}) {
      const bool has = value.as_double(i) || value.as_bool(i) || value.as_string(i);
      require(has == (i < value.count));
    }
  }
}

void check_tensors(const gguf::Header& header, size_t file_bytes) {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const gguf::TensorInfo& tensor : header.tensors) {
    const GgmlTypeInfo& type = ggml_type_info(tensor.type);
    uint64_t elems = 1;
    for (const uint64_t dim : tensor.ne) elems *= dim;
    require(elems != 0 && tensor.ne[0] % type.block_elems == 0);
    require(tensor.size_bytes == elems / type.block_elems * type.block_bytes);
    require(tensor.offset_bytes >= header.data_offset_bytes);
    require(tensor.offset_bytes <= file_bytes &&
            tensor.size_bytes <= file_bytes - tensor.offset_bytes);
    ranges.emplace_back(tensor.offset_bytes, tensor.size_bytes);
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i)
    require(ranges[i] == ranges[i - 1] ||
            ranges[i - 1].first + ranges[i - 1].second <= ranges[i].first);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size_bytes) {
  CollectingLog log;
  const auto header = gguf::read_header(std::as_bytes(std::span(data, size_bytes)), log);
  if (!header.ok()) return 0;
  check_values(*header);
  check_tensors(*header, size_bytes);
  return 0;
}
