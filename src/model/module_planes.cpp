#include "src/model/module_planes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <optional>

#include "src/base/digest.h"
#include "src/model/scalars.h"

namespace imp::model {
namespace {

struct PlaneRow {
  Suffix suffix;
  ComponentKind kind;
};

/// Tensors whose meaning does not depend on the form.
constexpr std::array<PlaneRow, 15> kPlain = {{
    {Suffix::kWeightMin, ComponentKind::kGroupMin},
    {Suffix::kWeightSuperScale, ComponentKind::kSuperScale},
    {Suffix::kWeightSuperMin, ComponentKind::kSuperMin},
    {Suffix::kInputScale, ComponentKind::kInputScale},
    {Suffix::kInputGlobalScale, ComponentKind::kInputScale},
    {Suffix::kInputZeroPoint, ComponentKind::kInputZeroPoint},
    {Suffix::kPreQuantScale, ComponentKind::kKScale},
    {Suffix::kGroupIndex, ComponentKind::kGroupIndex},
    {Suffix::kSvdA, ComponentKind::kSvdA},
    {Suffix::kSvdB, ComponentKind::kSvdB},
    {Suffix::kWeightShape, ComponentKind::kSourceShape},
    {Suffix::kBitmask, ComponentKind::kBitmask},
    {Suffix::kRowOffsets, ComponentKind::kRowOffsets},
    {Suffix::kOutputScale, ComponentKind::kOutputScale},
    {Suffix::kWeightZeroPoint, ComponentKind::kZeroPoint},
}};

Encoding encoding_of(ComponentKind kind, const WeightForm& form) {
  switch (kind) {
    case ComponentKind::kCodes:
      return form.encoding;
    case ComponentKind::kBlockScale:
      return form.scale_encoding;
    case ComponentKind::kZeroPoint:
      return form.zero_encoding;
    case ComponentKind::kBias:
      return form.interleaved_rows ? Encoding::kRowsInterleaved : Encoding::kRows;
    default:
      return Encoding::kRows;
  }
}

/// [dims], with the experts in front where a stack has a slice for each.
bool is_vector(const Siblings& s, Suffix suffix, const WeightForm& form, uint64_t length,
               bool shared_allowed) {
  const Shape& shape = s.at(suffix).shape;
  if (form.stacked && shape == Shape{form.experts, length}) return true;
  return shape == Shape{length} && (!form.stacked || shared_allowed);
}

Status check_float_vector(const Siblings& s, Suffix suffix, const WeightForm& form, uint64_t length,
                          bool shared_allowed) {
  if (!s.has(suffix)) return {};
  const SourceTensor& t = s.at(suffix);
  if (is_plain_float(t.dtype) && is_vector(s, suffix, form, length, shared_allowed)) return {};
  const Shape expected = form.stacked ? Shape{form.experts, length} : Shape{length};
  return s.error(suffix, ErrorKind::kShapeMismatch,
                 shape_text(t) + ", expected a float tensor " + expected.to_string());
}

/// y = W x + B (A x): A is [r, K], B is [N, r], and one without the other is half a factor.
Status check_svd(const Siblings& s, const WeightForm& form) {
  for (const auto& [one, other] :
       {std::pair(Suffix::kSvdA, Suffix::kSvdB), std::pair(Suffix::kSvdB, Suffix::kSvdA)})
    if (s.has(one) && !s.has(other))
      return s.error(one, ErrorKind::kMissingTensor,
                     "its other factor is missing: the low-rank part of the weight is a product");
  if (!s.has(Suffix::kSvdA)) return {};
  const SourceTensor& a = s.at(Suffix::kSvdA);
  const SourceTensor& b = s.at(Suffix::kSvdB);
  if (is_plain_float(a.dtype) && a.shape.rank == 2 && a.shape[1] == form.k && a.shape[0] != 0 &&
      is_plain_float(b.dtype) && b.shape == Shape{form.n, a.shape[0]})
    return {};
  return s.error(Suffix::kSvdA, ErrorKind::kShapeMismatch,
                 shape_text(a) + " and " + shape_text(b) + ", expected float factors [r, " +
                     std::to_string(form.k) + "] and [" + std::to_string(form.n) + ", r]");
}

const char* what_it_would_be(Suffix suffix) {
  switch (suffix) {
    case Suffix::kGlobalScale:
      return "a compressed-tensors divisor of packed 4-bit floats";
    case Suffix::kWeightScale2:
      return "the second level of ModelOpt's NVFP4";
    case Suffix::kWeightZeroPoint:
      return "zero points of integer codes";
    case Suffix::kGroupIndex:
      return "act-order groups of packed integers";
    case Suffix::kPreQuantScale:
      return "an AWQ or SmoothQuant scale of the activations; dropping it would change the model";
    default:
      return "it has no meaning there";
  }
}

/// Tensors beside a weight that are values of their own.
bool may_stand_alone(Suffix suffix, const WeightForm& form) {
  return is_kv_suffix(suffix) || form.fake_quantized ||
         (suffix == Suffix::kOutputScale && !is_quantized(form.scheme));
}

Status check_known(const Siblings& s, const WeightForm& form) {
  for (size_t i = 0; i < kSuffixCount; ++i) {
    const auto suffix = static_cast<Suffix>(i);
    if (!s.has(suffix) || plane_of(suffix, form) || may_stand_alone(suffix, form)) continue;
    return s.error(suffix, ErrorKind::kUnknownTensor,
                   s.word(suffix) + " beside " + s.word(form.codes) + " (" +
                       std::string(scheme_name(form.scheme)) + ") is not supported (" +
                       what_it_would_be(suffix) + ")");
  }
  return {};
}

bool may_differ(ComponentKind kind) { return kind == ComponentKind::kInputScale; }

Status check_alike(const ImportContext& context, const PlaneSet& set, const PlaneSet& codes) {
  const SourceTensor* first = nullptr;
  for (size_t e = 0; e < set.tensors.size(); ++e) {
    if (set.tensors[e] == kNone) {
      if (may_differ(set.kind)) continue;
      return tensor_error(context.source, codes.tensors[e], ErrorKind::kMissingTensor,
                          "its " +
                              std::string(set.kind == ComponentKind::kBias ? "bias" : "plane") +
                              " is missing: other experts of the layer have one");
    }
    const SourceTensor& t = context.source.tensors[set.tensors[e]];
    if (first == nullptr) first = &t;
    if (t.dtype != first->dtype || t.shape != first->shape)
      return tensor_error(context.source, set.tensors[e], ErrorKind::kShapeMismatch,
                          shape_text(t) + ", but expert 0 has " + shape_text(*first) +
                              "; experts of one layer must be alike");
  }
  return {};
}

}  // namespace

std::optional<ComponentKind> plane_of(Suffix suffix, const WeightForm& form) {
  if (suffix == form.codes) return ComponentKind::kCodes;
  if (suffix == Suffix::kBias) return ComponentKind::kBias;
  if (suffix == form.global) return ComponentKind::kMultiplier;
  if (suffix == form.scale)
    return form.scale_is_multiplier ? ComponentKind::kMultiplier : ComponentKind::kBlockScale;
  if (form.fake_quantized) return std::nullopt;
  const bool sparse = form.encoding == Encoding::kBitmask || form.encoding == Encoding::kBitmask24;
  const bool words = form.encoding == Encoding::kWords || form.encoding == Encoding::kPaddedWords;
  switch (suffix) {
    case Suffix::kWeightScale2:  // the grid of W4A8_AWQ's fp8 intermediate, no factor
      if (form.scheme == Scheme::kInt4 && form.encoding == Encoding::kNibblesAlongN)
        return ComponentKind::kFp8Grid;
      return std::nullopt;
    case Suffix::kWeightMin:
      if (!has_group_min(form.scheme)) return std::nullopt;
      break;
    case Suffix::kWeightSuperScale:
    case Suffix::kWeightSuperMin:
      if (!has_super_scale(form.scheme)) return std::nullopt;
      break;
    case Suffix::kWeightShape:
      if (!sparse && !words) return std::nullopt;
      break;
    case Suffix::kBitmask:
    case Suffix::kRowOffsets:
      if (!sparse) return std::nullopt;
      break;
    case Suffix::kGroupIndex:
      if (!words) return std::nullopt;
      break;
    case Suffix::kWeightZeroPoint:
      if (!is_integer(form.scheme) || form.encoding == Encoding::kNibblesAlongN || sparse)
        return std::nullopt;
      break;
    default:
      if (!is_quantized(form.scheme)) return std::nullopt;
  }
  for (const PlaneRow& row : kPlain)
    if (row.suffix == suffix) return row.kind;
  return std::nullopt;
}

bool is_kv_suffix(Suffix suffix) {
  switch (suffix) {
    case Suffix::kKScale:
    case Suffix::kVScale:
    case Suffix::kQScale:
    case Suffix::kKBias:
    case Suffix::kVBias:
      return true;
    default:
      return false;
  }
}

Status check_companions(const Siblings& s, const WeightForm& form) {
  IMP_TRY(check_known(s, form));
  IMP_TRY(check_float_vector(s, Suffix::kBias, form, form.n, false));
  IMP_TRY(check_float_vector(s, Suffix::kPreQuantScale, form, form.k, true));
  if (s.has(Suffix::kInputScale) && s.has(Suffix::kInputGlobalScale))
    return s.error(Suffix::kInputGlobalScale, ErrorKind::kDuplicateName,
                   "means the same as tensor '" + s.at(Suffix::kInputScale).name + "'");
  return check_svd(s, form);
}

Status add_planes(const ImportContext& context, const Module& module, const WeightForm& form,
                  Weight& weight) {
  for (size_t i = 0; i < kSuffixCount; ++i) {
    const auto suffix = static_cast<Suffix>(i);
    const auto kind = plane_of(suffix, form);
    if (!kind) continue;
    PlaneSet set{*kind, {}, encoding_of(*kind, form)};
    bool any = false;
    for (const auto& [expert, tensors] : module.experts) {
      set.tensors.push_back(tensors[suffix]);
      any = any || tensors.has(suffix);
    }
    if (any) weight.planes.push_back(std::move(set));
  }
  const PlaneSet codes = *weight.find(ComponentKind::kCodes);
  for (const PlaneSet& set : weight.planes) IMP_TRY(check_alike(context, set, codes));
  return {};
}

Status add_k_scale_digests(const ImportContext& context, Weight& weight) {
  const PlaneSet* set = weight.find(ComponentKind::kKScale);
  if (set == nullptr) return {};
  for (const uint32_t t : set->tensors) {
    const SourceTensor& tensor = context.source.tensors[t];
    if (is_scale_float(tensor.dtype)) {
      IMP_ASSIGN(const std::vector<uint32_t> values, read_floats(context.source, t));
      const auto bad = std::find_if(values.begin(), values.end(), [](uint32_t bits) {
        return !std::isfinite(std::bit_cast<float>(bits));
      });
      if (bad != values.end())
        return tensor_error(context.source, t, ErrorKind::kBadScale,
                            "element " + std::to_string(bad - values.begin()) + " is " +
                                std::to_string(std::bit_cast<float>(*bad)) +
                                ", expected finite scales");
    }
    const uint64_t slices = tensor.shape.rank == 2 ? tensor.shape[0] : 1;
    const uint64_t bytes = tensor.size_bytes / slices;
    for (uint64_t e = 0; e < slices; ++e) {
      IMP_ASSIGN(const std::vector<std::byte> raw, read_bytes(context.source, t, e * bytes, bytes));
      weight.k_scales.push_back(xxh3_128(raw));
    }
  }
  weight.k_scales.resize(weight.experts, weight.k_scales.front());
  return {};
}

}  // namespace imp::model
