#include "src/model/detect.h"

#include <initializer_list>

#include "src/model/detect_family.h"
#include "src/model/scalars.h"

namespace imp::model {
namespace {

constexpr Suffix kScaleSpellings[] = {Suffix::kWeightScale, Suffix::kScales, Suffix::kScale,
                                      Suffix::kWeightScaleInv};

constexpr Suffix kCodeSpellings[] = {Suffix::kWeightPacked, Suffix::kCompressed, Suffix::kBlocks,
                                     Suffix::kWeight};

/// Packed codes and a float weight of one module are two exports in one folder.
Status check_one_weight(const Siblings& s) {
  const Suffix first = *codes_of(s.tensors);
  for (const Suffix other : kCodeSpellings)
    if (other != first && s.has(other))
      return s.error(other, ErrorKind::kUnsupportedScheme,
                     shape_text(s.at(other)) + " beside " + s.word(first) + " " +
                         shape_text(s.at(first)) +
                         ": two weights of one module (leftover of another export?)");
  return {};
}

Status check_sizes(const Siblings& s, const WeightForm& form) {
  constexpr uint64_t kMax = 0xFFFFFFFF;
  if (form.n != 0 && form.k != 0 && form.n <= kMax && form.k <= kMax && form.experts != 0)
    return {};
  return s.error(form.codes, ErrorKind::kShapeMismatch,
                 shape_text(s.at(form.codes)) + ": N is " + std::to_string(form.n) + ", K is " +
                     std::to_string(form.k) + ", expected 1 to 2^32 - 1");
}

Result<WeightForm> detect_packed(const Siblings& s, std::optional<Suffix> scale) {
  const SourceTensor& codes = s.at(Suffix::kWeightPacked);
  if (codes.dtype == Dtype::kI32 && codes.shape.rank == 2) return detect_packed_integers(s, scale);
  if (codes.dtype != Dtype::kU8)
    return s.error(Suffix::kWeightPacked, ErrorKind::kUnsupportedScheme,
                   shape_text(codes) + ", expected I32 (integers) or U8 (4-bit floats), rank 2");
  if (!scale)
    return s.missing(Suffix::kWeightPacked, "weight_scale",
                     "packed codes cannot be read without it");
  if (codes.shape.rank == 3) return detect_stack(s, Suffix::kWeightPacked, scale);
  return detect_fp4(s, Suffix::kWeightPacked, *scale);
}

Result<WeightForm> detect_bytes(const Siblings& s, std::optional<Suffix> scale) {
  const SourceTensor& codes = s.at(Suffix::kWeight);
  if (!scale)
    return s.missing(Suffix::kWeight, "weight_scale", "packed codes cannot be read without it");
  const Dtype dtype = s.at(*scale).dtype;
  if (is_e8m0(dtype) || dtype == Dtype::kF8E4M3 || !is_scale_float(dtype))
    return detect_fp4(s, Suffix::kWeight, *scale);
  return codes.dtype == Dtype::kI8 ? detect_byte_integers(s, *scale)
                                   : detect_modelopt_int4(s, *scale);
}

Result<WeightForm> detect_weight(const Siblings& s, std::optional<Suffix> scale) {
  const SourceTensor& weight = s.at(Suffix::kWeight);
  if (weight.shape.rank == 3) return detect_stack(s, Suffix::kWeight, scale);
  if (weight.shape.rank != 2)
    return s.error(Suffix::kWeight, ErrorKind::kShapeMismatch,
                   shape_text(weight) + ", expected rank 2, or 3 for a stack of experts");
  switch (weight.dtype) {
    case Dtype::kU8:
    case Dtype::kI8:
      return detect_bytes(s, scale);
    case Dtype::kF8E4M3:
      return detect_fp8(s, scale);
    default:
      break;
  }
  if (is_plain_float(weight.dtype)) return detect_float(s, scale);
  return s.error(Suffix::kWeight, ErrorKind::kUnsupportedScheme,
                 shape_text(weight) +
                     " is no weight of a known scheme (4-bit codes are U8, integers I8, FP8 is "
                     "F8_E4M3, unquantized weights are BF16, F16 or F32)");
}

/// NVFP4 and MXFP4 have the planes that other checkpoints have.
bool is_ggml(const SourceTensor& codes) {
  if (!codes.view || ggml_type_info(codes.view->type).block_elems == 1) return false;
  const bool known = codes.view->type == GgmlType::kNvfp4 || codes.view->type == GgmlType::kMxfp4;
  return !known || codes.view->field == quant::BlockField::kRows;
}

Result<WeightForm> detect_any(const Siblings& s) {
  if (is_ggml(s.at(*codes_of(s.tensors)))) return detect_ggml(s);
  IMP_ASSIGN(const std::optional<Suffix> scale, s.scale());
  switch (*codes_of(s.tensors)) {
    case Suffix::kWeightPacked:
      return detect_packed(s, scale);
    case Suffix::kCompressed:
      return detect_sparse(s, scale);
    case Suffix::kBlocks:
      return detect_blocks(s, scale);
    default:
      return detect_weight(s, scale);
  }
}

}  // namespace

bool WeightForm::same_form(const WeightForm& o) const {
  return scheme == o.scheme && codes == o.codes && encoding == o.encoding && stacked == o.stacked &&
         n == o.n && k == o.k && group_size == o.group_size && group_rows == o.group_rows &&
         scale == o.scale && scale_is_multiplier == o.scale_is_multiplier &&
         scale_encoding == o.scale_encoding && global == o.global &&
         zero_encoding == o.zero_encoding && padded_words == o.padded_words;
}

std::string Siblings::word(Suffix s) const {
  const std::string& name = at(s).name;
  return name.substr(name.rfind('.') + 1);
}

Error Siblings::error(Suffix s, ErrorKind kind, std::string message) const {
  return tensor_error(context.source, tensors[s], kind, std::move(message));
}

Error Siblings::missing(Suffix beside, const std::string& what, const std::string& why) const {
  return error(beside, ErrorKind::kMissingTensor, "its " + what + " is missing: " + why);
}

std::string Siblings::explain(std::initializer_list<Suffix> seen,
                              const std::string& conclusion) const {
  std::string text;
  for (const Suffix suffix : seen)
    if (has(suffix))
      text += (text.empty() ? "" : ", ") + word(suffix) + " " + shape_text(at(suffix));
  text += ": " + conclusion;
  if (expected.quantized && !expected.word.empty())
    text += "; " + context.config.file + " says " + expected.word;
  return text;
}

Result<std::optional<Suffix>> Siblings::scale() const {
  std::optional<Suffix> found;
  for (const Suffix suffix : kScaleSpellings) {
    if (!has(suffix)) continue;
    if (found)
      return error(suffix, ErrorKind::kDuplicateName,
                   "means the same as tensor '" + at(*found).name + "'");
    found = suffix;
  }
  return found;
}

std::optional<Suffix> codes_of(const ModuleTensors& tensors) {
  for (const Suffix suffix : kCodeSpellings)
    if (tensors.has(suffix)) return suffix;
  return std::nullopt;
}

bool has_quantized_siblings(const ModuleTensors& tensors) {
  for (const Suffix suffix :
       {Suffix::kWeightPacked, Suffix::kCompressed, Suffix::kBlocks, Suffix::kWeightScale,
        Suffix::kScales, Suffix::kScale, Suffix::kWeightScaleInv, Suffix::kWeightScale2,
        Suffix::kGlobalScale, Suffix::kWeightZeroPoint, Suffix::kGroupIndex, Suffix::kBitmask})
    if (tensors.has(suffix)) return true;
  return false;
}

Result<WeightForm> detect_form(const Siblings& s) {
  IMP_TRY(check_one_weight(s));
  IMP_ASSIGN(WeightForm form, detect_any(s));
  IMP_TRY(check_sizes(s, form));
  return form;
}

}  // namespace imp::model
