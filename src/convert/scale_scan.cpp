#include "src/convert/scale_scan.h"

#include <algorithm>

#include "src/base/text.h"
#include "src/model/scalars.h"

namespace imp::convert {
namespace {

bool is_bad(uint8_t e4m3) { return e4m3 == 0x7F || e4m3 > 0x80; }

Error bad_scale(const model::Source& source, uint32_t tensor, uint64_t elem, uint8_t byte) {
  const Shape& shape = source.tensors[tensor].shape;
  const uint64_t columns = shape.rank == 0 ? 1 : std::max<uint64_t>(shape[shape.rank - 1], 1);
  const bool nan = (byte & 0x7F) == 0x7F;
  return model::tensor_error(source, tensor, ErrorKind::kBadScale,
                             std::string("block scale [") + std::to_string(elem / columns) + ", " +
                                 std::to_string(elem % columns) + "] is " +
                                 (nan ? "NaN" : "negative") + " (byte 0x" + hex(&byte, 1) +
                                 "), expected a positive e4m3 number");
}

}  // namespace

Status ScaleScan::scan(const model::Source& source, uint32_t tensor, uint64_t first_elem,
                       Bytes scales) {
  uint64_t zeros = 0;
  bool bad = false;
  for (const std::byte raw : scales) {
    const auto byte = static_cast<uint8_t>(raw);
    zeros += (byte & 0x7F) == 0;
    bad |= is_bad(byte);
  }
  if (bad) {
    const auto at = std::find_if(scales.begin(), scales.end(),
                                 [](std::byte b) { return is_bad(static_cast<uint8_t>(b)); });
    return bad_scale(source, tensor, first_elem + static_cast<uint64_t>(at - scales.begin()),
                     static_cast<uint8_t>(*at));
  }
  if (zeros == 0) return {};
  if (zeros_ == 0) first_name_ = source.tensors[tensor].name;
  zeros_ += zeros;
  tensors_with_zeros_ += tensor != last_tensor_;
  last_tensor_ = tensor;
  return {};
}

void ScaleScan::warn(Log& log) const {
  if (zeros_ == 0) return;
  log.warn(with_thousands(zeros_) + " block scales are zero in " +
           with_thousands(tensors_with_zeros_) + " tensors (first '" + first_name_ +
           "'): these groups decode to zero");
}

}  // namespace imp::convert
