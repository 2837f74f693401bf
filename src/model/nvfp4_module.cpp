#include "src/model/nvfp4_module.h"

#include <string>

#include "src/model/scalars.h"

namespace imp::model {
namespace {

std::string shape_text(const SourceTensor& t) {
  return std::string(dtype_name(t.dtype)) + " " + t.shape.to_string();
}

Error missing(const Source& source, uint32_t beside, const char* what, const std::string& why) {
  return tensor_error(source, beside, ErrorKind::kMissingTensor,
                      std::string("its ") + what + " is missing" + (why.empty() ? "" : ": " + why));
}

/// True for NVFP4, false for unquantised values; anything else is an error that says what it looks
/// like.
Result<bool> is_nvfp4(const Source& source, const ModuleTensors& m) {
  const uint32_t w = m[Suffix::kWeight];
  const SourceTensor& weight = source.tensors[w];
  const bool scaled = m.has(Suffix::kWeightScale) || m.has(Suffix::kWeightScale2);
  if (is_plain_float(weight.dtype)) {
    if (scaled)
      return tensor_error(source, w, ErrorKind::kUnsupportedScheme,
                          shape_text(weight) +
                              " with block scales beside it: float weights have none (leftover of "
                              "another export?)");
    if (m.has(Suffix::kInputScale))
      return tensor_error(
          source, w, ErrorKind::kUnsupportedScheme,
          shape_text(weight) + " with an input_scale beside it: only a quantized weight has one");
    return false;
  }
  if (weight.dtype != Dtype::kU8)
    return tensor_error(source, w, ErrorKind::kUnsupportedScheme,
                        shape_text(weight) + " is neither NVFP4 (U8) nor an unquantized weight");
  if (!m.has(Suffix::kWeightScale))
    return missing(source, w, "weight_scale", "packed codes cannot be read without it");
  if (!m.has(Suffix::kWeightScale2))
    return missing(source, w, "weight_scale_2", "NVFP4 has two levels of scales");
  return true;
}

Status check_nvfp4_shapes(const Source& source, const ModuleTensors& m) {
  const uint32_t w = m[Suffix::kWeight], s = m[Suffix::kWeightScale];
  const SourceTensor& weight = source.tensors[w];
  const SourceTensor& scale = source.tensors[s];
  if (weight.shape.rank != 2 || weight.shape[0] == 0 || weight.shape[1] == 0)
    return tensor_error(source, w, ErrorKind::kShapeMismatch,
                        shape_text(weight) + ", expected U8 [N, K/2]");
  if (weight.shape[1] % 8 != 0)
    return tensor_error(source, w, ErrorKind::kShapeMismatch,
                        shape_text(weight) + ": K is not a multiple of the group size 16");
  const Shape expected{weight.shape[0], weight.shape[1] / 8};
  if (scale.dtype == Dtype::kF8E4M3 && scale.shape == expected) return {};
  const bool half =
      scale.shape.rank == 2 && scale.shape[0] == expected[0] && scale.shape[1] * 2 == expected[1];
  if (scale.dtype == Dtype::kF8E4M3 && half)
    return tensor_error(source, s, ErrorKind::kUnsupportedScheme,
                        shape_text(scale) +
                            " is one scale per 32 codes; NVFP4 with groups of 16 has " +
                            expected.to_string());
  return tensor_error(source, s, ErrorKind::kShapeMismatch,
                      shape_text(scale) + ", expected F8_E4M3 " + expected.to_string() +
                          " beside U8 " + weight.shape.to_string());
}

Status check_bias(const Source& source, const ModuleTensors& m, uint64_t n) {
  if (!m.has(Suffix::kBias)) return {};
  const SourceTensor& bias = source.tensors[m[Suffix::kBias]];
  if (!is_plain_float(bias.dtype) || bias.shape != Shape{n})
    return tensor_error(source, m[Suffix::kBias], ErrorKind::kShapeMismatch,
                        shape_text(bias) + ", expected a float tensor [" + std::to_string(n) + "]");
  return {};
}

Status check_plain_shape(const Source& source, const Module& module, uint32_t tensor) {
  const SourceTensor& t = source.tensors[tensor];
  const uint32_t rank = module.role.kind == ModuleKind::kNorm ? 1 : 2;
  if (t.shape.rank != rank || t.size_bytes == 0)
    return tensor_error(source, tensor, ErrorKind::kShapeMismatch,
                        shape_text(t) + ", expected rank " + std::to_string(rank));
  if (module.role.kind != ModuleKind::kLinear && !is_plain_float(t.dtype))
    return tensor_error(
        source, tensor, ErrorKind::kUnsupportedScheme,
        shape_text(t) + " in a module that is not quantized by ModelOpt's NVFP4 recipes");
  return {};
}

/// The first expert decides; the others must be alike.
Status add_expert(const Source& source, const Module& module, uint32_t expert,
                  const ModuleTensors& m, Weight& weight, Log& log) {
  const uint32_t w = m[Suffix::kWeight];
  IMP_TRY(check_plain_shape(source, module, w));
  IMP_ASSIGN(const bool quantized, is_nvfp4(source, m));
  if (quantized) IMP_TRY(check_nvfp4_shapes(source, m));
  const SourceTensor& t = source.tensors[w];
  if (expert == 0) {
    weight.scheme = quantized ? Scheme::kNvfp4 : scheme_of_plain(t.dtype);
    weight.dtype = t.dtype;
    weight.shape = t.shape;
    weight.n = t.shape[0];
    weight.k = t.shape.rank < 2 ? 1 : t.shape[1] * (quantized ? 2 : 1);
    weight.group_size = group_size_of(weight.scheme);
  } else if (t.dtype != weight.dtype || t.shape != weight.shape) {
    return tensor_error(source, w, ErrorKind::kShapeMismatch,
                        shape_text(t) + ", but expert 0 has " +
                            std::string(dtype_name(weight.dtype)) + " " + weight.shape.to_string() +
                            "; experts of one layer must be alike");
  }
  IMP_TRY(check_bias(source, m, weight.n));
  if (quantized) {
    IMP_ASSIGN(Scalar multiplier, read_scale(source, m[Suffix::kWeightScale2], log));
    weight.multipliers.push_back(multiplier);
    Scalar input;
    if (m.has(Suffix::kInputScale)) {
      IMP_ASSIGN(input, read_scale(source, m[Suffix::kInputScale], log));
    }
    weight.input_scales.push_back(input);
  }
  return {};
}

void add_plane(Weight& weight, const Module& module, ComponentKind kind, Suffix suffix) {
  PlaneSet set{kind, {}};
  bool any = false;
  for (const auto& [expert, tensors] : module.experts) {
    set.tensors.push_back(tensors[suffix]);
    any = any || tensors.has(suffix);
  }
  if (any) weight.planes.push_back(std::move(set));
}

Status check_biases_alike(const Source& source, const Weight& weight) {
  const PlaneSet* bias = weight.find(ComponentKind::kBias);
  if (bias == nullptr) return {};
  const PlaneSet& codes = *weight.find(ComponentKind::kCodes);
  for (size_t e = 0; e < bias->tensors.size(); ++e)
    if (bias->tensors[e] == kNone)
      return missing(source, codes.tensors[e], "bias", "other experts of the layer have one");
  const SourceTensor& first = source.tensors[bias->tensors[0]];
  for (const uint32_t t : bias->tensors)
    if (source.tensors[t].dtype != first.dtype)
      return tensor_error(source, t, ErrorKind::kShapeMismatch,
                          shape_text(source.tensors[t]) + ", but expert 0 has " +
                              shape_text(first) + "; experts of one layer must be alike");
  return {};
}

}  // namespace

Result<Weight> weight_of_module(const Source& source, const Module& module, uint64_t experts,
                                Log& log) {
  Weight weight;
  weight.role = module.role.role;
  weight.layer = module.layer;
  weight.gemm = module.role.kind == ModuleKind::kLinear;
  weight.name = weight.gemm || module.role.kind == ModuleKind::kEmbedding ? module.name
                                                                          : module.name + ".weight";
  weight.experts = experts;
  uint32_t next = 0;
  for (const auto& [expert, tensors] : module.experts) {
    uint32_t present = kNone;
    for (uint32_t t : tensors.tensor) present = present == kNone ? t : present;
    if (expert != next || expert >= experts)
      return tensor_error(source, present, ErrorKind::kMissingTensor,
                          "is expert " + std::to_string(expert) + ", expected " +
                              (next < experts ? "expert " + std::to_string(next) + " first"
                                              : "only " + std::to_string(experts) +
                                                    " experts, as config.json says"));
    if (!tensors.has(Suffix::kWeight)) return missing(source, present, "weight", "");
    IMP_TRY(add_expert(source, module, expert, tensors, weight, log));
    ++next;
  }
  if (next != experts)
    return Error{ErrorKind::kMissingTensor,
                 "has " + std::to_string(next) + " experts, expected " + std::to_string(experts) +
                     " as config.json says",
                 source.folder.string(), module.name};
  add_plane(weight, module, ComponentKind::kCodes, Suffix::kWeight);
  add_plane(weight, module, ComponentKind::kBlockScale, Suffix::kWeightScale);
  add_plane(weight, module, ComponentKind::kMultiplier, Suffix::kWeightScale2);
  add_plane(weight, module, ComponentKind::kInputScale, Suffix::kInputScale);
  add_plane(weight, module, ComponentKind::kBias, Suffix::kBias);
  if (weight.find(ComponentKind::kInputScale) == nullptr) weight.input_scales.clear();
  IMP_TRY(check_biases_alike(source, weight));
  return weight;
}

Result<Weight> kv_scale_weight(const Source& source, const Module& module, Suffix suffix,
                               Log& log) {
  const uint32_t tensor = module.experts.begin()->second[suffix];
  IMP_ASSIGN(const Scalar value, read_scale(source, tensor, log));
  (void)value;  // read for its checks: the bytes travel as a plain operand
  const SourceTensor& t = source.tensors[tensor];
  Weight weight;
  weight.role = suffix == Suffix::kKScale ? Role::kKvKScale : Role::kKvVScale;
  weight.name = module.name + (suffix == Suffix::kKScale ? ".k_scale" : ".v_scale");
  weight.layer = module.layer;
  weight.scheme = scheme_of_plain(t.dtype);
  weight.dtype = t.dtype;
  weight.shape = t.shape;
  weight.n = 1;
  weight.k = 1;
  weight.planes.push_back({ComponentKind::kCodes, {tensor}});
  return weight;
}

}  // namespace imp::model
