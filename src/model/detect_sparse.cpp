// compressed-tensors' sparse forms: the stored elements, a bitmask of their places, the shape
// (checkpoint-formats 4.2). The elements are floats or the codes of a quantized weight.
#include "src/base/checked.h"
#include "src/model/detect_family.h"
#include "src/model/scalars.h"

namespace imp::model {
namespace {

constexpr Suffix kCodes = Suffix::kCompressed;

Status read_shape(const Siblings& s, WeightForm& form) {
  if (!s.has(Suffix::kWeightShape))
    return s.missing(kCodes, "shape", "a bitmask alone does not tell K");
  IMP_ASSIGN(const auto shape, read_shape_pair(s.context.source, s.tensors[Suffix::kWeightShape]));
  if (!shape)
    return s.error(Suffix::kWeightShape, ErrorKind::kShapeMismatch,
                   shape_text(s.at(Suffix::kWeightShape)) + ", expected the two numbers N and K");
  form.n = shape->first;
  form.k = shape->second;
  return {};
}

Status check_bitmask(const Siblings& s, const WeightForm& form) {
  if (!s.has(Suffix::kBitmask))
    return s.missing(kCodes, "bitmask", "the places of the stored elements are not known");
  const SourceTensor& mask = s.at(Suffix::kBitmask);
  const Shape expected{form.n, div_up(form.k, 8)};
  if (mask.dtype == Dtype::kU8 && mask.shape == expected) return {};
  return s.error(Suffix::kBitmask, ErrorKind::kShapeMismatch,
                 shape_text(mask) + ", expected U8 " + expected.to_string() + " for the shape [" +
                     std::to_string(form.n) + ", " + std::to_string(form.k) + "]");
}

/// Half of each row, or a list of all that is stored with an offset a row.
Status check_elements(const Siblings& s, const WeightForm& form) {
  const SourceTensor& codes = s.at(kCodes);
  if (!s.has(Suffix::kRowOffsets)) {
    const Shape half{form.n, form.k / 2};
    if (form.k % 2 == 0 && codes.shape == half) return {};
    return s.error(kCodes, ErrorKind::kShapeMismatch,
                   shape_text(codes) + ", expected " + half.to_string() +
                       ": two of four elements of each row are stored");
  }
  const SourceTensor& offsets = s.at(Suffix::kRowOffsets);
  if (offsets.dtype != Dtype::kI64 || offsets.shape != Shape{form.n})
    return s.error(Suffix::kRowOffsets, ErrorKind::kShapeMismatch,
                   shape_text(offsets) + ", expected I64 " + Shape{form.n}.to_string());
  const auto all = checked_mul(form.n, form.k);
  if (codes.shape.rank == 1 && all && codes.shape[0] <= *all) return {};
  return s.error(kCodes, ErrorKind::kShapeMismatch,
                 shape_text(codes) + ", expected rank 1 with at most N * K elements");
}

Result<Scheme> scheme_inside(const Siblings& s, std::optional<Suffix> scale) {
  const Dtype dtype = s.at(kCodes).dtype;
  if (is_plain_float(dtype)) return scheme_of_plain(dtype);
  if (dtype != Dtype::kF8E4M3 && dtype != Dtype::kI8)
    return s.error(kCodes, ErrorKind::kUnsupportedScheme,
                   shape_text(s.at(kCodes)) + ", expected BF16, F16, F32, F8_E4M3 or I8 elements");
  if (!scale) return s.missing(kCodes, "weight_scale", "the elements are codes");
  if (!is_scale_float(s.at(*scale).dtype))
    return s.error(*scale, ErrorKind::kShapeMismatch,
                   shape_text(s.at(*scale)) + ", expected F32, F16 or BF16 scales");
  if (dtype == Dtype::kF8E4M3) return Scheme::kFp8;
  const uint32_t bits = s.expected.bits.value_or(8);
  if (bits < 2 || bits > 8)
    return s.error(kCodes, ErrorKind::kUnsupportedScheme,
                   "the configuration says " + std::to_string(bits) + " bits, expected 2 to 8");
  return integer_scheme(bits);
}

}  // namespace

Result<WeightForm> detect_sparse(const Siblings& s, std::optional<Suffix> scale) {
  WeightForm form;
  form.codes = kCodes;
  IMP_TRY(read_shape(s, form));
  IMP_TRY(check_bitmask(s, form));
  IMP_TRY(check_elements(s, form));
  IMP_ASSIGN(form.scheme, scheme_inside(s, scale));
  const bool offsets = s.has(Suffix::kRowOffsets);
  form.encoding = offsets ? Encoding::kBitmask : Encoding::kBitmask24;
  IMP_TRY(check_bitmask_counts(s, form));
  if (is_quantized(form.scheme)) {
    IMP_TRY(fit_scales(s, *scale, s.at(*scale).shape, form));
  } else if (scale) {
    return s.error(*scale, ErrorKind::kUnsupportedScheme,
                   shape_text(s.at(*scale)) + " beside sparse " + shape_text(s.at(kCodes)) +
                       ": float weights have no scales");
  }
  form.why = s.explain({kCodes, Suffix::kBitmask, Suffix::kRowOffsets, Suffix::kWeightScale},
                       std::string(scheme_name(form.scheme)) +
                           (offsets ? ", stored elements by bitmask" : ", 2 of 4 by bitmask"));
  if (!s.expected.quantized && !s.expected.word.empty())
    form.why += "; " + s.context.config.file + " says " + s.expected.word;
  return form;
}

}  // namespace imp::model
