#include "src/model/weight_format.h"

#include <algorithm>
#include <iterator>

#include "src/quant/ggml_blocks.h"

namespace imp::model {
namespace {

quant::CodeKind code_kind(Scheme scheme) {
  if (has_lut(scheme)) return quant::CodeKind::kLut;
  if (has_group_min(scheme)) return quant::CodeKind::kUnsigned;
  if (is_integer(scheme) || is_ggml_planes(scheme)) return quant::CodeKind::kInteger;
  if (code_bits(scheme) == 0) return quant::CodeKind::kFloat;
  return code_bits(scheme) == 4 ? quant::CodeKind::kE2m1 : quant::CodeKind::kE4m3;
}

}  // namespace

quant::WeightFormat weight_format(Scheme scheme) {
  quant::WeightFormat format;
  format.kind = code_kind(scheme);
  if (code_bits(scheme) != 0) format.bits = code_bits(scheme);
  if (has_super_scale(scheme)) format.super_group = quant::kSuperGroup;
  if (has_lut(scheme))
    std::copy(std::begin(quant::kIq4NlValues), std::end(quant::kIq4NlValues), format.lut.begin());
  return format;
}

bool is_scale_dtype(Scheme scheme, artifact::ComponentKind plane, Dtype dtype) {
  using enum artifact::ComponentKind;
  if (is_ggml_planes(scheme)) {
    if (!has_super_scale(scheme) || plane == kSuperScale || plane == kSuperMin)
      return dtype == Dtype::kF16;
    return dtype == (has_group_min(scheme) ? Dtype::kU8 : Dtype::kI8);
  }
  switch (dtype) {
    case Dtype::kF32:
    case Dtype::kBF16:
    case Dtype::kF16:
    case Dtype::kF8E4M3:
    case Dtype::kF8E8M0:
    case Dtype::kU8:  // an e8m0 byte
      return true;
    default:
      return false;
  }
}

}  // namespace imp::model
