#include "src/model/weight_of_module.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "src/model/act_order.h"
#include "src/model/detect.h"
#include "src/model/module_planes.h"
#include "src/model/module_scalars.h"
#include "src/model/plain_weight.h"
#include "src/model/scalars.h"

namespace imp::model {
namespace {

uint32_t first_tensor(const ModuleTensors& tensors) {
  for (const uint32_t t : tensors.tensor)
    if (t != kNone) return t;
  return kNone;
}

/// The configuration speaks of modules with the expert's number in their names.
std::string module_name(const Module& module, uint32_t expert) {
  const size_t star = module.per_expert ? module.name.find('*') : std::string::npos;
  if (star == std::string::npos) return module.name;
  return module.name.substr(0, star) + std::to_string(expert) + module.name.substr(star + 1);
}

/// Experts are numbered from 0 on without a gap, as many as the configuration promises.
Status check_expert_numbers(const ImportContext& context, const Module& module) {
  if (!module.per_expert) return {};
  const bool known = !context.architecture.generic;
  const uint64_t promised = context.architecture.num_experts;
  uint32_t next = 0;
  for (const auto& [expert, tensors] : module.experts) {
    if (expert != next || (known && expert >= promised))
      return tensor_error(
          context.source, first_tensor(tensors), ErrorKind::kMissingTensor,
          "is expert " + std::to_string(expert) + ", expected " +
              (!known || next < promised
                   ? "expert " + std::to_string(next) + " first"
                   : "only " + std::to_string(promised) + " experts, as config.json says"));
    ++next;
  }
  if (known && next != promised)
    return Error{ErrorKind::kMissingTensor,
                 "has " + std::to_string(next) + " experts, expected " + std::to_string(promised) +
                     " as config.json says",
                 context.source.folder.string(), module.name};
  return {};
}

Status check_stack_size(const ImportContext& context, const Siblings& s, const WeightForm& form) {
  const uint64_t promised = context.architecture.num_experts;
  if (!form.stacked || promised == 0 || form.experts == promised) return {};
  return s.error(form.codes, ErrorKind::kShapeMismatch,
                 shape_text(s.at(form.codes)) + " holds " + std::to_string(form.experts) +
                     " experts, expected " + std::to_string(promised) + " as config.json says");
}

/// Shape of the codes of one expert.
Shape expert_shape(const SourceTensor& codes, bool stacked) {
  if (!stacked) return codes.shape;
  Shape shape;
  shape.rank = codes.shape.rank - 1;
  for (uint32_t i = 0; i < shape.rank; ++i) shape.dims[i] = codes.shape[i + 1];
  return shape;
}

void set_form(const Siblings& s, const WeightForm& form, Weight& weight) {
  const SourceTensor& codes = s.at(form.codes);
  weight.scheme = form.scheme;
  weight.dtype = codes.dtype;
  weight.shape = expert_shape(codes, form.stacked);
  weight.n = form.n;
  weight.k = form.k;
  weight.group_size = form.group_size;
  weight.group_rows = form.group_rows;
  weight.stacked = form.stacked;
  weight.why = form.why;
  weight.stored_as = codes.stored_as;
  const bool eight_bits = code_bits(form.scheme) == 8;
  const bool said = !s.expected.word.empty();
  weight.activations_8bit = said ? s.expected.activations_8bit && is_quantized(form.scheme)
                                 : eight_bits && s.has(Suffix::kInputScale);
}

/// The first expert decides; the others must be alike.
Status check_like_first(const Siblings& s, const WeightForm& form, const WeightForm& first,
                        const Weight& weight) {
  const SourceTensor& codes = s.at(form.codes);
  if (codes.dtype == weight.dtype && codes.shape == weight.shape && form.same_form(first))
    return {};
  const std::string expected =
      codes.dtype == weight.dtype && codes.shape == weight.shape
          ? first.why
          : std::string(dtype_name(weight.dtype)) + " " + weight.shape.to_string();
  return s.error(
      form.codes, ErrorKind::kShapeMismatch,
      (codes.shape == weight.shape && codes.dtype == weight.dtype ? form.why : shape_text(codes)) +
          ", but expert 0 has " + expected + "; experts of one layer must be alike");
}

Status add_scalars(ImportContext& context, const Siblings& s, const WeightForm& form,
                   Weight& weight) {
  std::optional<Suffix> suffix = form.global;
  if (form.scale_is_multiplier) suffix = form.scale;
  if (suffix) {
    IMP_ASSIGN(const std::vector<Scalar> multipliers,
               read_multipliers(context, s, form, *suffix,
                                form.global ? form.global_state : ScalarState::kMultiplier));
    weight.multipliers.insert(weight.multipliers.end(), multipliers.begin(), multipliers.end());
  }
  IMP_ASSIGN(std::vector<Scalar> inputs, read_input_scales(context, s, form));
  if (inputs.empty()) inputs.resize(form.experts);
  weight.input_scales.insert(weight.input_scales.end(), inputs.begin(), inputs.end());
  return {};
}

/// Absent everywhere is no list; absent for some experts is worth a word (T5).
void settle_input_scales(ImportContext& context, Weight& weight) {
  const PlaneSet* set = weight.find(ComponentKind::kInputScale);
  if (set == nullptr) {
    weight.input_scales.clear();
    return;
  }
  for (const Scalar& scalar : weight.input_scales)
    if (scalar.state == ScalarState::kAbsent) context.counts.missing_inputs.add(weight.name);
}

/// One order of columns an expert, or none at all; experts in order beside others out of order have
/// the identity.
void settle_k_gather(Weight& weight) {
  const bool any = std::any_of(weight.k_gather.begin(), weight.k_gather.end(),
                               [](const auto& order) { return !order.empty(); });
  if (!any) {
    weight.k_gather.clear();
    return;
  }
  for (std::vector<uint32_t>& order : weight.k_gather) {
    if (!order.empty()) continue;
    order.resize(weight.k);
    std::iota(order.begin(), order.end(), 0u);
  }
}

Status check_has_codes(const ImportContext& context, const ModuleTensors& tensors) {
  if (codes_of(tensors)) return {};
  return tensor_error(context.source, first_tensor(tensors), ErrorKind::kMissingTensor,
                      "its weight is missing");
}

Result<Weight> gemm_weight(ImportContext& context, const Module& module, WeightForm& first) {
  Weight weight;
  weight.name = module.name;
  weight.role = module.role.role;
  weight.layer = module.layer;
  weight.gemm = true;
  IMP_TRY(check_expert_numbers(context, module));
  const Expectation expected =
      context.config.expect(module_name(module, module.experts.begin()->first));
  for (const auto& [expert, tensors] : module.experts) {
    IMP_TRY(check_has_codes(context, tensors));
    const Siblings s(context, module, tensors, expected);
    IMP_ASSIGN(const WeightForm form, detect_form(s));
    if (weight.n == 0) {
      IMP_TRY(check_stack_size(context, s, form));
      set_form(s, form, weight);
      weight.experts = form.stacked ? form.experts : module.experts.size();
      first = form;
    } else {
      IMP_TRY(check_like_first(s, form, first, weight));
    }
    IMP_TRY(check_companions(s, form));
    IMP_TRY(add_scalars(context, s, form, weight));
    IMP_ASSIGN(std::vector<uint32_t> order, read_k_gather(context, s, form));
    weight.k_gather.push_back(std::move(order));
  }
  IMP_TRY(add_planes(context, module, first, weight));
  IMP_TRY(add_k_scale_digests(context, weight));
  settle_input_scales(context, weight);
  settle_k_gather(weight);
  if (!first.warning.empty()) context.log.warn(first.warning);
  if (first.fake_quantized) context.counts.fake_quantized.add(weight.name);
  return weight;
}

bool is_whole_rows(const SourceTensor& tensor) {
  return tensor.view && tensor.view->field == quant::BlockField::kRows;
}

}  // namespace

bool is_gemm_module(const Source& source, const Module& module) {
  const ModuleTensors& tensors = module.experts.begin()->second;
  const std::optional<Suffix> codes = codes_of(tensors);
  const bool scaled =
      std::any_of(module.experts.begin(), module.experts.end(),
                  [](const auto& expert) { return has_quantized_siblings(expert.second); });
  switch (module.role.kind) {
    case ModuleKind::kLinear:
      // The scales of a KV cache can hang on a projection that the model does not have (MLA).
      for (size_t i = 0; i < kSuffixCount; ++i)
        if (tensors.has(static_cast<Suffix>(i)) && !is_kv_suffix(static_cast<Suffix>(i)))
          return true;
      return false;
    case ModuleKind::kNorm:
      return false;
    case ModuleKind::kEmbedding:
    case ModuleKind::kOther:
      // Rows of GGUF that nothing takes apart are no GEMM's here: an embedding, or any other tensor
      // of an architecture that nobody described.
      if (codes && is_whole_rows(source.tensors[tensors[*codes]])) return false;
      // A parameter can have the name "scale" by itself: some norms and routers call theirs so.
      if (!codes && tensors.has(Suffix::kScale)) return false;
      return scaled || (codes && source.tensors[tensors[*codes]].dtype == Dtype::kF8E4M3);
  }
  return false;
}

Result<std::vector<Weight>> weights_of_module(ImportContext& context, const Module& module) {
  std::vector<Weight> weights;
  const bool gemm = is_gemm_module(context.source, module);
  WeightForm form;
  if (gemm) {
    IMP_ASSIGN(Weight weight, gemm_weight(context, module, form));
    weights.push_back(std::move(weight));
  }
  for (const auto& [expert, tensors] : module.experts)
    for (size_t i = 0; i < kSuffixCount; ++i) {
      const auto suffix = static_cast<Suffix>(i);
      if (!tensors.has(suffix) || (gemm && plane_of(suffix, form))) continue;
      IMP_ASSIGN(Weight weight, plain_weight(context, module, suffix, tensors[suffix]));
      weights.push_back(std::move(weight));
    }
  return weights;
}

}  // namespace imp::model
