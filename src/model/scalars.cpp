#include "src/model/scalars.h"

#include <bit>
#include <cmath>

#include "src/base/little_endian.h"
#include "src/model/source_read.h"
#include "src/quant/bf16.h"
#include "src/quant/f16.h"

namespace imp::model {
namespace {

uint32_t widened(Dtype dtype, const std::byte* at) {
  if (dtype == Dtype::kF32) return load_le<uint32_t>(at);
  const auto bits = load_le<uint16_t>(at);
  return std::bit_cast<uint32_t>(dtype == Dtype::kBF16 ? quant::bf16_to_float(bits)
                                                       : quant::f16_to_float(bits));
}

int64_t integer_at(Dtype dtype, const std::byte* at) {
  if (dtype == Dtype::kI8) return static_cast<int8_t>(std::to_integer<uint8_t>(*at));
  if (dtype == Dtype::kI32) return static_cast<int32_t>(load_le<uint32_t>(at));
  return static_cast<int64_t>(load_le<uint64_t>(at));
}

Error other_dtype(const Source& source, uint32_t tensor, const char* expected) {
  return tensor_error(source, tensor, ErrorKind::kUnsupportedScheme,
                      "dtype is " + std::string(dtype_name(source.tensors[tensor].dtype)) +
                          ", expected " + expected);
}

}  // namespace

Error tensor_error(const Source& source, uint32_t tensor, ErrorKind kind, std::string message) {
  const SourceTensor& t = source.tensors[tensor];
  return Error{kind, std::move(message), source.files[t.file].handle.path(), t.name};
}

std::string shape_text(const SourceTensor& tensor) {
  return std::string(dtype_name(tensor.dtype)) + " " + tensor.shape.to_string();
}

uint64_t num_elems(const SourceTensor& tensor) { return tensor.shape.num_elems().value_or(0); }

bool is_scale_float(Dtype dtype) {
  return dtype == Dtype::kF32 || dtype == Dtype::kF16 || dtype == Dtype::kBF16;
}

Result<std::vector<std::byte>> read_bytes(const Source& source, uint32_t tensor, uint64_t first,
                                          uint64_t size) {
  std::vector<std::byte> bytes(size);
  IMP_TRY(read_tensor(source, tensor, first, bytes));
  return bytes;
}

Result<std::vector<uint32_t>> read_floats(const Source& source, uint32_t tensor) {
  const SourceTensor& t = source.tensors[tensor];
  if (!is_scale_float(t.dtype)) return other_dtype(source, tensor, "F32, F16 or BF16");
  IMP_ASSIGN(const std::vector<std::byte> raw, read_bytes(source, tensor, 0, t.size_bytes));
  const size_t step = dtype_bits(t.dtype) / 8;
  std::vector<uint32_t> bits;
  bits.reserve(raw.size() / step);
  for (size_t at = 0; at < raw.size(); at += step) bits.push_back(widened(t.dtype, &raw[at]));
  return bits;
}

Result<std::vector<int64_t>> read_integers(const Source& source, uint32_t tensor) {
  const SourceTensor& t = source.tensors[tensor];
  if (t.dtype != Dtype::kI8 && t.dtype != Dtype::kI32 && t.dtype != Dtype::kI64)
    return other_dtype(source, tensor, "I64, I32 or I8");
  IMP_ASSIGN(const std::vector<std::byte> raw, read_bytes(source, tensor, 0, t.size_bytes));
  const size_t step = dtype_bits(t.dtype) / 8;
  std::vector<int64_t> values;
  values.reserve(raw.size() / step);
  for (size_t at = 0; at < raw.size(); at += step) values.push_back(integer_at(t.dtype, &raw[at]));
  return values;
}

Result<std::optional<std::pair<uint64_t, uint64_t>>> read_shape_pair(const Source& source,
                                                                     uint32_t tensor) {
  std::optional<std::pair<uint64_t, uint64_t>> pair;
  if (num_elems(source.tensors[tensor]) != 2) return pair;
  IMP_ASSIGN(const std::vector<int64_t> dims, read_integers(source, tensor));
  if (dims[0] > 0 && dims[1] > 0)
    pair.emplace(static_cast<uint64_t>(dims[0]), static_cast<uint64_t>(dims[1]));
  return pair;
}

bool is_scale(uint32_t bits) {
  const auto value = std::bit_cast<float>(bits);
  return std::isfinite(value) && !std::signbit(value);
}

Error bad_scale(const Source& source, uint32_t tensor, uint32_t bits) {
  return tensor_error(source, tensor, ErrorKind::kBadScale,
                      "value is " + std::to_string(std::bit_cast<float>(bits)) +
                          ", expected a finite scale of at least 0");
}

}  // namespace imp::model
