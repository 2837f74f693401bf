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

Status ScaleScan::scan(const model::Source& source, uint32_t tensor, uint32_t operand,
                       uint64_t first_elem, Bytes scales) {
  ScaleCounts counts{};
  for (const std::byte scale : scales) ++counts[std::to_integer<uint8_t>(scale)];
  uint64_t bad = 0;
  for (uint32_t byte = 0; byte < counts.size(); ++byte)
    if (is_bad(static_cast<uint8_t>(byte))) bad += counts[byte];
  if (bad != 0) {
    const auto at = std::find_if(scales.begin(), scales.end(),
                                 [](std::byte b) { return is_bad(static_cast<uint8_t>(b)); });
    return bad_scale(source, tensor, first_elem + static_cast<uint64_t>(at - scales.begin()),
                     static_cast<uint8_t>(*at));
  }
  ScaleCounts& all = counts_[operand];
  for (size_t i = 0; i < all.size(); ++i) all[i] += counts[i];
  const uint64_t zeros = counts[0x00] + counts[0x80];
  if (zeros == 0) return {};
  if (zeros_ == 0) first_name_ = source.tensors[tensor].name;
  zeros_ += zeros;
  tensors_with_zeros_ += tensor != last_tensor_;
  last_tensor_ = tensor;
  return {};
}

const ScaleCounts* ScaleScan::counts_of(uint32_t operand) const {
  const auto it = counts_.find(operand);
  return it == counts_.end() ? nullptr : &it->second;
}

void ScaleScan::warn(Log& log) const {
  if (zeros_ == 0) return;
  log.warn(with_thousands(zeros_) + " block scales are zero in " +
           with_thousands(tensors_with_zeros_) + " tensors (first '" + first_name_ +
           "'): these groups decode to zero");
}

}  // namespace imp::convert
