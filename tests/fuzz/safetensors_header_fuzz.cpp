// Any bytes: read_header ends in an error, or in a header that keeps its promise.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "formats/safetensors/header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size_bytes) {
  using namespace imp;
  const Result<safetensors::Header> header =
      safetensors::read_header(std::as_bytes(std::span(data, size_bytes)));
  if (!header.ok()) return 0;
  uint64_t covered = header->data_offset_bytes;
  for (const safetensors::TensorInfo& tensor : header->tensors) {
    if (tensor.offset_bytes != covered) std::abort();
    covered += tensor.size_bytes;
  }
  if (covered != size_bytes) std::abort();

  std::string again = safetensors::write_header(*header);
  again.resize(again.size() + (size_bytes - header->data_offset_bytes));
  const auto reread = safetensors::read_header(std::as_bytes(std::span(again)));
  if (!reread.ok() || reread->tensors.size() != header->tensors.size()) std::abort();
  for (size_t i = 0; i < reread->tensors.size(); ++i)
    if (reread->tensors[i].name != header->tensors[i].name) std::abort();
  return 0;
}
