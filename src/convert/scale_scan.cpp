#include "src/convert/scale_scan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "kernels/layouts/mma64_mxfp4.h"
#include "src/base/little_endian.h"
#include "src/base/text.h"
#include "src/model/scalars.h"
#include "src/quant/bf16.h"
#include "src/quant/e4m3.h"
#include "src/quant/e8m0.h"
#include "src/quant/f16.h"

namespace imp::convert {
namespace {

std::string place_of(const model::SourceTensor& t, uint64_t elem) {
  const uint64_t columns = t.shape.rank == 0 ? 1 : std::max<uint64_t>(t.shape[t.shape.rank - 1], 1);
  return "block scale [" + std::to_string(elem / columns) + ", " + std::to_string(elem % columns) +
         "]";
}

Error bad_byte(const model::Source& source, uint32_t tensor, uint64_t elem, uint8_t byte,
               bool e8m0) {
  const bool nan = e8m0 || (byte & 0x7F) == 0x7F;
  return model::tensor_error(source, tensor, ErrorKind::kBadScale,
                             place_of(source.tensors[tensor], elem) + " is " +
                                 (nan ? "NaN" : "negative") + " (byte 0x" + hex(&byte, 1) +
                                 "), expected a positive " + (e8m0 ? "e8m0" : "e4m3") + " number");
}

bool is_bad(uint8_t byte, bool e8m0) { return e8m0 ? byte == 0xFF : byte == 0x7F || byte > 0x80; }

std::optional<uint64_t> first_that(Bytes bytes, auto predicate) {
  const auto at = std::find_if(bytes.begin(), bytes.end(),
                               [&](std::byte b) { return predicate(static_cast<uint8_t>(b)); });
  if (at == bytes.end()) return std::nullopt;
  return static_cast<uint64_t>(at - bytes.begin());
}

float float_at(const std::byte* at, Dtype dtype) {
  if (dtype == Dtype::kBF16) return quant::bf16_to_float(load_le<uint16_t>(at));
  if (dtype == Dtype::kF16) return quant::f16_to_float(load_le<uint16_t>(at));
  return load_le<float>(at);
}

struct FloatCounts {
  uint64_t zeros = 0;
  uint64_t negatives = 0;
};

/// Errors: kBadScale.
Result<FloatCounts> scan_floats(const model::Source& source, uint32_t tensor, bool may_be_negative,
                                uint64_t first_byte, Bytes scales) {
  const Dtype dtype = source.tensors[tensor].dtype;
  const uint64_t elem_bytes = dtype_bits(dtype) / 8;
  FloatCounts counts;
  for (uint64_t at = 0; at + elem_bytes <= scales.size(); at += elem_bytes) {
    const float value = float_at(scales.data() + at, dtype);
    counts.zeros += value == 0;
    counts.negatives += value < 0;
    if (std::isfinite(value) && (value >= 0 || may_be_negative)) continue;
    return model::tensor_error(source, tensor, ErrorKind::kBadScale,
                               place_of(source.tensors[tensor], (first_byte + at) / elem_bytes) +
                                   " is " + std::to_string(value) + ", expected a finite scale" +
                                   (may_be_negative ? "" : " of at least 0"));
  }
  return counts;
}

}  // namespace

Status ScaleScan::scan(const model::Model& model, uint32_t tensor, const ScaleUse& use,
                       uint64_t first_byte, Bytes scales) {
  const model::SourceTensor& t = model.source.tensors[tensor];
  if (dtype_bits(t.dtype) != 8) {
    IMP_ASSIGN(const FloatCounts counts,
               scan_floats(model.source, tensor, use.may_be_negative, first_byte, scales));
    count_zeros(model, tensor, counts.zeros);
    negatives_ += counts.negatives;
    return {};
  }
  const bool e8m0 = t.dtype != Dtype::kF8E4M3;
  if (const auto at = first_that(scales, [&](uint8_t b) { return is_bad(b, e8m0); }))
    return bad_byte(model.source, tensor, first_byte + *at, static_cast<uint8_t>(scales[*at]),
                    e8m0);
  if (use.mxfp4_mma64)
    if (const auto at =
            first_that(scales, [](uint8_t b) { return !layouts::mma64_mxfp4::scale_fits_bf16(b); }))
      return model::tensor_error(
          model.source, tensor, ErrorKind::kUnsupportedScheme,
          place_of(t, first_byte + *at) + " is 2^" +
              std::to_string(static_cast<int>(scales[*at]) - 127) +
              ", mma64 holds mxfp4 scales up to 2^125 with bf16 activations (--layout plain keeps "
              "it)");
  ScaleCounts counts{};
  for (const std::byte scale : scales) ++counts[std::to_integer<uint8_t>(scale)];
  ScaleCounts& all = counts_[use.operand];
  for (size_t i = 0; i < all.size(); ++i) all[i] += counts[i];
  if (!e8m0) count_zeros(model, tensor, counts[0x00] + counts[0x80]);
  return {};
}

void ScaleScan::count_zeros(const model::Model& model, uint32_t tensor, uint64_t zeros) {
  if (zeros == 0) return;
  if (zeros_ == 0) first_name_ = model.source.tensors[tensor].name;
  zeros_ += zeros;
  tensors_with_zeros_ += tensor != last_tensor_;
  last_tensor_ = tensor;
}

const ScaleCounts* ScaleScan::counts_of(uint32_t operand) const {
  const auto it = counts_.find(operand);
  return it == counts_.end() ? nullptr : &it->second;
}

void ScaleScan::warn(Log& log) const {
  if (negatives_ != 0)
    log.note(with_thousands(negatives_) +
             " block scales of integer weights are negative: kept, the sign belongs to the scale");
  if (zeros_ == 0) return;
  log.warn(with_thousands(zeros_) + " block scales are zero in " +
           with_thousands(tensors_with_zeros_) + " tensors (first '" + first_name_ +
           "'): these groups decode to zero");
}

}  // namespace imp::convert
