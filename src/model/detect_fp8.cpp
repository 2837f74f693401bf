// e4m3 codes, a byte each: MXFP8 by exponent scales per 32, else FP8 with scales of any other
// reach; and plain floats.
#include "src/model/detect_family.h"
#include "src/model/scalars.h"

namespace imp::model {
namespace {

constexpr uint64_t kMxGroup = 32;

/// Exponent scales of a two-dimensional block are FP8 blocks with another scale dtype.
bool is_mxfp8(const Siblings& s, Suffix scale, const WeightForm& form) {
  return is_e8m0(s.at(scale).dtype) && form.k % kMxGroup == 0 &&
         s.at(scale).shape == Shape{form.n, form.k / kMxGroup} &&
         s.expected.block_rows.value_or(1) == 1;
}

/// The simulation of a quantiser, saved before compression: floats with scales beside them.
bool is_dense_recipe(const Siblings& s) {
  return s.context.config.dialect == Dialect::kCompressedTensors &&
         (s.expected.word == "dense" || s.context.config.quantization == "dense");
}

}  // namespace

Result<WeightForm> detect_fp8(const Siblings& s, std::optional<Suffix> scale) {
  const SourceTensor& weight = s.at(Suffix::kWeight);
  WeightForm form;
  form.scheme = Scheme::kFp8;
  form.n = weight.shape[0];
  form.k = weight.shape[1];
  if (!scale && s.expected.unscaled) {
    form.why = s.explain({Suffix::kWeight}, "FP8 of a format whose scale is 1");
    return form;
  }
  if (!scale)
    return s.missing(Suffix::kWeight, "weight_scale",
                     "F8_E4M3 codes have no meaning without a scale (lost in the export?)");
  form.scale = scale;
  const Dtype dtype = s.at(*scale).dtype;
  if (is_mxfp8(s, *scale, form)) {
    form.scheme = Scheme::kMxfp8;
    form.group_size = kMxGroup;
    form.why = s.explain({Suffix::kWeight, *scale}, "MXFP8, groups of 32, scales are exponents");
    return form;
  }
  if (!is_scale_float(dtype) && dtype != Dtype::kF8E8M0)
    return s.error(*scale, ErrorKind::kShapeMismatch,
                   shape_text(s.at(*scale)) + ", expected F32, F16 or BF16 scales (FP8), or U8 " +
                       Shape{form.n, form.k / kMxGroup}.to_string() + " (MXFP8)");
  IMP_TRY(fit_scales(s, *scale, s.at(*scale).shape, form));
  form.why = s.explain({Suffix::kWeight, *scale}, "FP8, " + reach_of_scales(form));
  return form;
}

Result<WeightForm> detect_float(const Siblings& s, std::optional<Suffix> scale) {
  const SourceTensor& weight = s.at(Suffix::kWeight);
  WeightForm form;
  form.scheme = scheme_of_plain(weight.dtype);
  form.n = weight.shape[0];
  form.k = weight.shape[1];
  form.why = s.explain({Suffix::kWeight}, "unquantized");
  const bool scaled = scale || has_quantized_siblings(s.tensors);
  if (scaled && is_dense_recipe(s)) {
    form.fake_quantized = true;
    form.why = s.explain({Suffix::kWeight}, "unquantized, the quantiser was only simulated");
    return form;
  }
  if (scaled)
    return s.error(Suffix::kWeight, ErrorKind::kUnsupportedScheme,
                   shape_text(weight) +
                       " with block scales beside it: float weights have none (leftover of another "
                       "export?)");
  if (s.has(Suffix::kInputScale) || s.has(Suffix::kInputGlobalScale))
    return s.error(
        Suffix::kWeight, ErrorKind::kUnsupportedScheme,
        shape_text(weight) + " with an input_scale beside it: only a quantized weight has one");
  if (s.context.config.dialect != Dialect::kUnquantized && !s.expected.quantized)
    form.why += "; " + s.context.config.file + " leaves it out";
  return form;
}

}  // namespace imp::model
