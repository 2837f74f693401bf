// All experts in one tensor (checkpoint-formats 3.10, 6.6, 6.8): which axis is K?
//
// Packed codes and their scales differ along one axis only, and that one is K. Unpacked stacks do
// not tell: the architecture does, or the configured sizes if the matrix is not square; else the
// stack is refused (trap T16).
#include "src/base/checked.h"
#include "src/model/detect_family.h"
#include "src/model/scalars.h"

namespace imp::model {
namespace {

constexpr uint64_t kE2m1PerByte = 2;

/// N and K that the configuration gives this module's experts; 0 where it does not.
struct ExpectedMatrix {
  uint64_t n = 0;
  uint64_t k = 0;
};

ExpectedMatrix expected_matrix(const Siblings& s) {
  const uint64_t hidden = s.context.sizes.hidden.value_or(0);
  const uint64_t inner = s.context.sizes.intermediate.value_or(0);
  if (hidden == 0 || inner == 0) return {};
  switch (s.module.role.role) {
    case Role::kExpertGateUp:
      return {2 * inner, hidden};
    case Role::kExpertGate:
    case Role::kExpertUp:
      return {inner, hidden};
    case Role::kExpertDown:
      return {hidden, inner};
    default:
      return {};
  }
}

bool gate_and_up_alternate(const Siblings& s) {
  return s.module.role.role == Role::kExpertGateUp && s.context.architecture.interleaved_gate_up;
}

void set_in_first(const Siblings& s, WeightForm& form) {
  form.interleaved_rows = gate_and_up_alternate(s);
  form.encoding = form.interleaved_rows ? Encoding::kInFirstInterleaved : Encoding::kInFirst;
}

/// Sizes as the configuration has them; an exchange of N and K has a name of its own.
Status check_matrix(const Siblings& s, Suffix codes, const WeightForm& form) {
  const ExpectedMatrix want = expected_matrix(s);
  if (want.n == 0 || (form.n == want.n && form.k == want.k)) return {};
  const bool exchanged = form.n == want.k && form.k == want.n;
  return s.error(
      codes, ErrorKind::kShapeMismatch,
      shape_text(s.at(codes)) + " would be experts of N = " + std::to_string(form.n) +
          ", K = " + std::to_string(form.k) + ", expected N = " + std::to_string(want.n) +
          ", K = " + std::to_string(want.k) + " by the configuration" +
          (exchanged ? ": codes and blocks run along the output axis, not along K" : ""));
}

/// The axis (1 or 2) on which codes hold `ratio` times as many elements as scales; 0 if there is no
/// such single axis.
uint32_t blocked_axis(const Shape& codes, const Shape& scales, uint64_t ratio) {
  if (scales.rank != 3 || scales[0] != codes[0]) return 0;
  for (const uint32_t axis : {1u, 2u})
    if (codes[3 - axis] == scales[3 - axis] && codes[axis] == ratio * scales[axis]) return axis;
  return 0;
}

/// N, K and orientation of codes that are blocked along `axis`, `per_elem` codes an element.
Status set_blocked(const Siblings& s, Suffix codes, uint32_t axis, uint64_t per_elem,
                   WeightForm& form) {
  const Shape& shape = s.at(codes).shape;
  form.n = shape[3 - axis];
  form.k = per_elem * shape[axis];
  if (axis == 1) {
    set_in_first(s, form);
    form.scale_encoding = form.encoding;
  } else if (s.context.architecture.in_first_stacks && codes == Suffix::kWeight) {
    return s.error(
        codes, ErrorKind::kUnsupportedScheme,
        shape_text(s.at(codes)) + " beside scales " + s.at(*form.scale).shape.to_string() +
            ": blocks run along the output axis of this architecture's [E, K, N] stacks, "
            "not along K (a known exporter fault)");
  }
  return check_matrix(s, codes, form);
}

Result<WeightForm> packed_fp4(const Siblings& s, Suffix codes, Suffix scale, WeightForm form) {
  const Shape& shape = s.at(codes).shape;
  const Shape& scales = s.at(scale).shape;
  const bool exponents = is_e8m0(s.at(scale).dtype);
  const uint32_t wide = blocked_axis(shape, scales, 16);
  const uint32_t axis = exponents || wide != 0 ? wide : blocked_axis(shape, scales, 8);
  if (axis == 0)
    return s.error(scale, ErrorKind::kShapeMismatch,
                   shape_text(s.at(scale)) + " beside " + shape_text(s.at(codes)) +
                       ", expected the same shape but for one axis: a scale per 16 codes (F8_E4M3) "
                       "or per 32 (U8)");
  form.scale = scale;
  IMP_TRY(set_blocked(s, codes, axis, kE2m1PerByte, form));
  form.group_size = wide != 0 ? 32 : 16;
  if (exponents) {
    IMP_TRY(check_mxfp4_release(s, scale));
    form.scheme = Scheme::kMxfp4;
    form.why = s.explain({codes, scale}, "MXFP4 stack");
    return form;
  }
  if (wide != 0 && s.expected.group_size != 32)
    return s.error(scale, ErrorKind::kUnsupportedScheme,
                   shape_text(s.at(scale)) + " is one scale per 32 codes, NVFP4 has groups of 16");
  const bool divides = codes == Suffix::kWeightPacked;
  const Suffix global = divides ? Suffix::kGlobalScale : Suffix::kWeightScale2;
  if (!s.has(global))
    return s.missing(codes, divides ? "weight_global_scale" : "weight_scale_2",
                     "NVFP4 has two levels of scales");
  form.scheme = wide != 0 ? Scheme::kNvfp4G32 : Scheme::kNvfp4;
  form.global = global;
  form.global_state = divides ? ScalarState::kDivisor : ScalarState::kMultiplier;
  form.why = s.explain({codes, scale, global},
                       std::string("NVFP4 stack, K is axis ") + (axis == 1 ? "1" : "2"));
  return form;
}

/// Orientation of codes that no block tells. Errors: kUnsupportedScheme if nothing decides (T16).
Result<bool> is_in_first(const Siblings& s, Suffix codes) {
  const Shape& shape = s.at(codes).shape;
  const ExpectedMatrix want = expected_matrix(s);
  if (s.context.architecture.in_first_stacks) return true;
  const bool in_first = want.n != 0 && shape[1] == want.k && shape[2] == want.n;
  const bool out_first = want.n != 0 && shape[1] == want.n && shape[2] == want.k;
  if (in_first != out_first) return in_first;
  return s.error(codes, ErrorKind::kUnsupportedScheme,
                 shape_text(s.at(codes)) +
                     ": whether the experts are [N, K] or [K, N] cannot be told, neither from the "
                     "shape nor from the architecture '" +
                     s.context.architecture.name + "'");
}

Status set_unblocked(const Siblings& s, Suffix codes, WeightForm& form) {
  const Shape& shape = s.at(codes).shape;
  IMP_ASSIGN(const bool in_first, is_in_first(s, codes));
  form.n = shape[in_first ? 2 : 1];
  form.k = shape[in_first ? 1 : 2];
  if (in_first) set_in_first(s, form);
  return check_matrix(s, codes, form);
}

/// One number for the stack or one an expert is a multiplier; rows and blocks need the order of
/// rows, [E, N, ...].
Status fit_stack_scales(const Siblings& s, Suffix scale, WeightForm& form) {
  const SourceTensor& t = s.at(scale);
  const uint64_t elems = num_elems(t);
  if (elems == 1 || elems == form.experts) return fit_scales(s, scale, Shape{}, form);
  if (t.shape.rank < 2 || t.shape[0] != form.experts || form.encoding == Encoding::kInFirst ||
      form.encoding == Encoding::kInFirstInterleaved)
    return s.error(scale, ErrorKind::kShapeMismatch,
                   shape_text(t) + " beside " + shape_text(s.at(form.codes)) +
                       ", expected one scale for the stack or one an expert");
  Shape one;
  one.rank = t.shape.rank - 1;
  for (uint32_t i = 0; i < one.rank; ++i) one.dims[i] = t.shape[i + 1];
  return fit_scales(s, scale, one, form);
}

Result<WeightForm> eight_bits(const Siblings& s, Suffix codes, std::optional<Suffix> scale,
                              WeightForm form) {
  const SourceTensor& weight = s.at(codes);
  if (!scale) return s.missing(codes, "weight_scale", "codes have no meaning without a scale");
  form.scale = scale;
  const uint32_t axis = is_e8m0(s.at(*scale).dtype) && weight.dtype == Dtype::kF8E4M3
                            ? blocked_axis(weight.shape, s.at(*scale).shape, 32)
                            : 0;
  if (axis != 0) {
    IMP_TRY(set_blocked(s, codes, axis, 1, form));
    form.scheme = Scheme::kMxfp8;
    form.group_size = 32;
    form.why = s.explain({codes, *scale}, "MXFP8 stack");
    return form;
  }
  if (!is_scale_float(s.at(*scale).dtype))
    return s.error(*scale, ErrorKind::kShapeMismatch,
                   shape_text(s.at(*scale)) + " beside " + shape_text(weight) +
                       ", expected F32, F16 or BF16 scales");
  form.scheme = weight.dtype == Dtype::kI8 ? Scheme::kInt8 : Scheme::kFp8;
  IMP_TRY(set_unblocked(s, codes, form));
  if (form.scheme == Scheme::kInt8) {
    if (form.encoding != Encoding::kRows)
      return s.error(codes, ErrorKind::kUnsupportedScheme,
                     shape_text(weight) + ": integer stacks are expected as [E, N, K]");
    form.encoding = Encoding::kSignedBytes;
  }
  IMP_TRY(fit_stack_scales(s, *scale, form));
  form.why = s.explain({codes, *scale}, std::string(scheme_name(form.scheme)) + " stack");
  return form;
}

/// ModelOpt's INT4 experts: U8 [E, N/2, K], scales [E, N, K/g].
Result<WeightForm> nibbles(const Siblings& s, Suffix codes, Suffix scale, WeightForm form) {
  const Shape& shape = s.at(codes).shape;
  const Shape& scales = s.at(scale).shape;
  if (scales.rank != 3 || scales[0] != shape[0] || scales[1] != 2 * shape[1])
    return s.error(scale, ErrorKind::kShapeMismatch,
                   shape_text(s.at(scale)) + " beside " + shape_text(s.at(codes)) +
                       ", expected [E, N, K/group] for codes [E, N/2, K]");
  form.scheme = Scheme::kInt4;
  form.encoding = Encoding::kNibblesAlongN;
  form.n = 2 * shape[1];
  form.k = shape[2];
  IMP_TRY(fit_stack_scales(s, scale, form));
  form.why = s.explain({codes, scale}, "4-bit integer stack, packed along N");
  return form;
}

}  // namespace

Result<WeightForm> detect_stack(const Siblings& s, Suffix codes, std::optional<Suffix> scale) {
  const SourceTensor& weight = s.at(codes);
  WeightForm form;
  form.codes = codes;
  form.stacked = true;
  form.experts = weight.shape[0];
  if (is_plain_float(weight.dtype)) {
    if (scale || has_quantized_siblings(s.tensors))
      return s.error(codes, ErrorKind::kUnsupportedScheme,
                     shape_text(weight) + " with block scales beside it: float weights have none");
    IMP_TRY(set_unblocked(s, codes, form));
    form.scheme = scheme_of_plain(weight.dtype);
    form.why = s.explain({codes}, "unquantized stack");
    return form;
  }
  if (weight.dtype == Dtype::kU8 ||
      (weight.dtype == Dtype::kI8 && scale && is_e8m0(s.at(*scale).dtype))) {
    if (!scale) return s.missing(codes, "weight_scale", "packed codes cannot be read without it");
    if (is_scale_float(s.at(*scale).dtype)) return nibbles(s, codes, *scale, form);
    return packed_fp4(s, codes, *scale, form);
  }
  if (weight.dtype == Dtype::kF8E4M3 || weight.dtype == Dtype::kI8)
    return eight_bits(s, codes, scale, form);
  return s.error(codes, ErrorKind::kUnsupportedScheme,
                 shape_text(weight) + " is no stack of experts of a known scheme");
}

Result<WeightForm> detect_blocks(const Siblings& s, std::optional<Suffix> scale) {
  const SourceTensor& blocks = s.at(Suffix::kBlocks);
  constexpr uint64_t kBytesPerGroup = 16;
  if (!scale)
    return s.missing(Suffix::kBlocks, "scales", "packed codes cannot be read without them");
  const Shape& shape = blocks.shape;
  const SourceTensor& scales = s.at(*scale);
  if (blocks.dtype != Dtype::kU8 || shape.rank != 4 || shape[3] != kBytesPerGroup)
    return s.error(Suffix::kBlocks, ErrorKind::kShapeMismatch,
                   shape_text(blocks) + ", expected U8 [E, N, K/32, 16]");
  const Shape expected{shape[0], shape[1], shape[2]};
  if (!is_e8m0(scales.dtype) || scales.shape != expected)
    return s.error(*scale, ErrorKind::kShapeMismatch,
                   shape_text(scales) + ", expected U8 " + expected.to_string() + " beside " +
                       shape_text(blocks));
  const auto k = checked_mul(shape[2], 32);
  WeightForm form;
  form.scheme = Scheme::kMxfp4;
  form.codes = Suffix::kBlocks;
  form.stacked = true;
  form.experts = shape[0];
  form.n = shape[1];
  form.k = k.value_or(0);
  form.group_size = 32;
  form.scale = scale;
  form.interleaved_rows = s.module.role.role == Role::kExpertGateUp;
  form.encoding = form.interleaved_rows ? Encoding::kRowsInterleaved : Encoding::kRows;
  form.scale_encoding = form.encoding;
  IMP_TRY(check_matrix(s, Suffix::kBlocks, form));
  form.why = s.explain({Suffix::kBlocks, *scale},
                       std::string("MXFP4 stack of gpt-oss") +
                           (form.interleaved_rows ? ", rows of gate and up alternate" : ""));
  return form;
}

}  // namespace imp::model
