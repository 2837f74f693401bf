#include "src/model/scalars.h"

#include <array>
#include <bit>
#include <cmath>

#include "src/base/little_endian.h"

namespace imp::model {

Error tensor_error(const Source& source, uint32_t tensor, ErrorKind kind, std::string message) {
  const SourceTensor& t = source.tensors[tensor];
  return Error{kind, std::move(message), source.files[t.file].handle.path(), t.name};
}

Result<Scalar> read_scale(const Source& source, uint32_t tensor, Log& log) {
  const SourceTensor& t = source.tensors[tensor];
  if (t.dtype != Dtype::kF32)
    return tensor_error(source, tensor, ErrorKind::kUnsupportedScheme,
                        "dtype is " + std::string(dtype_name(t.dtype)) + ", expected F32");
  if (t.size_bytes != sizeof(float))
    return tensor_error(source, tensor, ErrorKind::kShapeMismatch,
                        "shape is " + t.shape.to_string() + ", expected one element");
  std::array<std::byte, sizeof(float)> raw{};
  IMP_TRY(source.files[t.file].handle.read_at(t.offset_bytes, raw));
  const auto bits = load_le<uint32_t>(raw.data());
  const auto value = std::bit_cast<float>(bits);
  if (std::isnan(value) || std::isinf(value) || std::signbit(value))
    return tensor_error(
        source, tensor, ErrorKind::kBadScale,
        "value is " + std::to_string(value) + ", expected a finite scale of at least 0");
  if (value == 0) log.warn("tensor '" + t.name + "' is 0: everything it scales is zero");
  return Scalar{bits, ScalarState::kMultiplier};
}

}  // namespace imp::model
