// Integer codes: words of compressed-tensors, signed bytes, and ModelOpt's nibbles along N.
#include "src/base/checked.h"
#include "src/model/detect_family.h"
#include "src/model/packed_words.h"
#include "src/model/scalars.h"

namespace imp::model {
namespace {

std::string bits_and_reach(const WeightForm& form, const Siblings& s) {
  return std::to_string(code_bits(form.scheme)) + "-bit integers, " + reach_of_scales(form) +
         (s.has(Suffix::kWeightZeroPoint) ? ", with zero points" : ", symmetric");
}

Status check_zero_point_promise(const Siblings& s, Suffix codes) {
  if (s.has(Suffix::kWeightZeroPoint) || s.expected.symmetric.value_or(true)) return {};
  return s.missing(codes, "weight_zero_point",
                   s.context.config.file + " says that the codes are asymmetric");
}

/// Shape of the scales as rows of groups.
Shape scale_rows(const WeightForm& form) {
  return Shape{div_up(form.n, form.group_rows), div_up(form.k, form.group_size)};
}

/// I8, unpacked, as many as scales.
Status check_byte_zero_points(const Siblings& s, WeightForm& form) {
  if (!s.has(Suffix::kWeightZeroPoint)) return {};
  const SourceTensor& zero = s.at(Suffix::kWeightZeroPoint);
  form.zero_encoding = Encoding::kSignedBytes;
  const bool fits = num_elems(zero) == num_elems(s.at(*form.scale));
  if (zero.dtype == Dtype::kI8 && fits) return {};
  return s.error(Suffix::kWeightZeroPoint, ErrorKind::kShapeMismatch,
                 shape_text(zero) + ", expected I8 " + s.at(*form.scale).shape.to_string() +
                     ", one for each scale");
}

/// I32, packed along N; `padded` is empty where codes of both packings have one shape.
Status check_packed_zero_points(const Siblings& s, uint32_t bits, WeightForm& form) {
  if (!s.has(Suffix::kWeightZeroPoint)) return {};
  const SourceTensor& zero = s.at(Suffix::kWeightZeroPoint);
  const Shape rows = scale_rows(form);
  const Shape expected{words_of(rows[0], bits, form.padded_words), rows[1]};
  form.zero_encoding = form.padded_words ? Encoding::kPaddedWordsAlongN : Encoding::kWordsAlongN;
  if (zero.dtype == Dtype::kI32 && zero.shape == expected) return {};
  return s.error(Suffix::kWeightZeroPoint, ErrorKind::kShapeMismatch,
                 shape_text(zero) + ", expected I32 " + expected.to_string() +
                     " (zero points packed along N)");
}

Status check_float_scale(const Siblings& s, Suffix scale) {
  if (is_scale_float(s.at(scale).dtype)) return {};
  return s.error(scale, ErrorKind::kShapeMismatch,
                 shape_text(s.at(scale)) + ", expected F32, F16 or BF16 scales of integer codes");
}

}  // namespace

Result<WeightForm> detect_packed_integers(const Siblings& s, std::optional<Suffix> scale) {
  constexpr Suffix kCodes = Suffix::kWeightPacked;
  if (!scale) return s.missing(kCodes, "weight_scale", "packed codes cannot be read without it");
  IMP_TRY(check_float_scale(s, *scale));
  WeightForm form;
  form.codes = kCodes;
  form.n = s.at(kCodes).shape[0];
  IMP_ASSIGN(form.k, packed_columns(s, *scale));
  IMP_ASSIGN(const WordPacking packing, packing_of(s, form.n, form.k));
  form.scheme = integer_scheme(packing.bits);
  form.padded_words = packing.padded;
  form.encoding = packing.padded ? Encoding::kPaddedWords : Encoding::kWords;
  form.warning = packing.warning;
  IMP_TRY(fit_scales(s, *scale, s.at(*scale).shape, form));
  IMP_TRY(check_zero_point_promise(s, kCodes));
  IMP_TRY(check_packed_zero_points(s, packing.bits, form));
  form.why = s.explain({kCodes, *scale, Suffix::kWeightZeroPoint, Suffix::kGroupIndex},
                       bits_and_reach(form, s) + (packing.padded ? ", padded words" : ""));
  return form;
}

Result<WeightForm> detect_byte_integers(const Siblings& s, Suffix scale) {
  const SourceTensor& weight = s.at(Suffix::kWeight);
  IMP_TRY(check_float_scale(s, scale));
  const uint32_t bits = s.expected.is_float.value_or(false) ? 8 : s.expected.bits.value_or(8);
  if (bits < 2 || bits > 8)
    return s.error(Suffix::kWeight, ErrorKind::kUnsupportedScheme,
                   shape_text(weight) + " of " + std::to_string(bits) +
                       " bits as the configuration says, expected 2 to 8");
  WeightForm form;
  form.scheme = integer_scheme(bits);
  form.encoding = Encoding::kSignedBytes;
  form.n = weight.shape[0];
  form.k = weight.shape[1];
  IMP_TRY(fit_scales(s, scale, s.at(scale).shape, form));
  IMP_TRY(check_zero_point_promise(s, Suffix::kWeight));
  IMP_TRY(check_byte_zero_points(s, form));
  form.why = s.explain({Suffix::kWeight, scale, Suffix::kWeightZeroPoint},
                       bits_and_reach(form, s) + ", a byte each");
  return form;
}

Result<WeightForm> detect_modelopt_int4(const Siblings& s, Suffix scale) {
  const SourceTensor& weight = s.at(Suffix::kWeight);
  const Shape& have = s.at(scale).shape;
  IMP_TRY(check_float_scale(s, scale));
  if (have.rank == 2 && have[0] == weight.shape[0])
    return s.error(
        Suffix::kWeight, ErrorKind::kUnsupportedScheme,
        shape_text(weight) + " beside scales " + have.to_string() +
            " is the in-memory packing of a compressed ModelOpt model (high nibble "
            "first, its zero groups decode to -8); expected U8 [N/2, K], packed along N");
  if (have.rank != 2 || have[0] != 2 * weight.shape[0])
    return s.error(scale, ErrorKind::kShapeMismatch,
                   shape_text(s.at(scale)) + ", expected F32 [" +
                       std::to_string(2 * weight.shape[0]) + ", K/group] beside " +
                       shape_text(weight) + " (4-bit integers packed along N)");
  WeightForm form;
  form.scheme = Scheme::kInt4;
  form.encoding = Encoding::kNibblesAlongN;
  form.n = 2 * weight.shape[0];
  form.k = weight.shape[1];
  IMP_TRY(fit_scales(s, scale, have, form));
  form.why = s.explain({Suffix::kWeight, scale, Suffix::kWeightScale2, Suffix::kPreQuantScale},
                       bits_and_reach(form, s) + ", packed along N");
  return form;
}

}  // namespace imp::model
