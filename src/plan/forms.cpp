#include "src/plan/forms.h"

#include <algorithm>
#include <map>
#include <string>

#include "formats/imp/targets.h"
#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/checked.h"

namespace imp::plan {
namespace {

using layouts::LayoutInfo;
using model::Model;
using model::Scheme;
using model::Weight;

template <class List>
bool holds(const List& list, uint32_t sm) {
  return std::find(list.begin(), list.end(), sm) != list.end();
}

bool serves(const LayoutInfo& layout, uint32_t sm) {
  return layout.any_sm || holds(layout.default_sms, sm) || holds(layout.by_name_sms, sm);
}

uint64_t default_targets(const LayoutInfo& layout) {
  if (layout.any_sm) return artifact::kTargetAny;
  uint64_t mask = 0;
  for (const uint16_t sm : layout.default_sms)
    if (sm != 0) mask |= artifact::target_mask(sm).value_or(0);
  return mask;
}

/// design: 4-bit float weights go to mma64 up to sm_90 and to native from sm_100 on; the rest is
/// plain.
LayoutId default_layout(const Weight& weight, uint32_t sm) {
  for (const LayoutInfo& layout : layouts::kLayouts)
    if (!layout.any_sm && holds(layout.default_sms, sm) && can_hold(layout.id, weight))
      return layout.id;
  return LayoutId::kPlain;
}

const LayoutInfo& info_of(LayoutId id) { return *layouts::find_layout(static_cast<uint16_t>(id)); }

/// [E, dims...] where there are several experts.
Shape with_experts(uint64_t experts, const Shape& shape) {
  if (experts == 1) return shape;
  Shape out;
  out.rank = shape.rank + 1;
  out.dims[0] = experts;
  for (uint32_t i = 0; i < shape.rank; ++i) out.dims[i + 1] = shape[i];
  return out;
}

Component component(const Operand& operand, ComponentKind kind, Dtype dtype,
                    const Shape& shape_of_expert) {
  Component c;
  c.kind = kind;
  c.dtype = dtype;
  c.shape = with_experts(operand.experts, shape_of_expert);
  // Shapes are backed by tensors that exist, so the products fit.
  const uint64_t bytes = shape_of_expert.num_elems().value_or(0) * dtype_bits(dtype) / 8;
  c.size_bytes = bytes * operand.experts;
  c.expert_stride_bytes = operand.experts == 1 ? 0 : bytes;
  return c;
}

void add_weight_components(const Operand& o, const Weight& first, LayoutId layout,
                           std::vector<Component>& out) {
  namespace mma64 = layouts::mma64_nvfp4;
  const uint64_t groups = o.group_size == 0 ? 0 : o.k / o.group_size;
  switch (layout) {
    case LayoutId::kMma64:
      out.push_back(
          component(o, ComponentKind::kBlocks, Dtype::kU8,
                    {div_up(o.n, mma64::kTileN), div_up(o.k, mma64::kTileK), mma64::kBlockBytes}));
      return;
    case LayoutId::kNative:
      out.push_back(component(o, ComponentKind::kCodes, Dtype::kU8,
                              {o.n, layouts::native_rows::pitch_bytes(o.k)}));
      out.push_back(
          component(o, ComponentKind::kBlockScale, Dtype::kF8E4M3,
                    {div_up(o.n, layouts::sf128x4::kTileRows),
                     layouts::sf128x4::group_tiles(groups), layouts::sf128x4::kTileBytes}));
      return;
    case LayoutId::kPlain:
      if (o.scheme == Scheme::kNvfp4) {
        out.push_back(component(o, ComponentKind::kCodes, Dtype::kU8, {o.n, o.k / 2}));
        out.push_back(component(o, ComponentKind::kBlockScale, Dtype::kF8E4M3, {o.n, groups}));
      } else {
        out.push_back(component(o, ComponentKind::kCodes, first.dtype,
                                o.gemm ? Shape{o.n, o.k} : first.shape));
      }
      return;
  }
}

/// What comes after the codes in every layout: small vectors a kernel's prologue and epilogue read.
void add_vectors(const Operand& o, const Model& model, std::vector<Component>& out) {
  bool multiplier = false, input_scale = false;
  for (const Part& part : o.parts) {
    multiplier = multiplier || !model.weights[part.weight].multipliers.empty();
    input_scale = input_scale || !model.weights[part.weight].input_scales.empty();
  }
  if (multiplier)
    out.push_back(component(o, ComponentKind::kMultiplier, Dtype::kF32, {o.parts.size()}));
  if (input_scale) {
    out.push_back(component(o, ComponentKind::kInputScale, Dtype::kF32, {o.parts.size()}));
    out.back().required = false;
  }
  const Weight& first = model.weights[o.parts[0].weight];
  if (const auto* bias = first.find(ComponentKind::kBias))
    out.push_back(
        component(o, ComponentKind::kBias, model.source.tensors[bias->tensors[0]].dtype, {o.n}));
}

}  // namespace

bool can_hold(LayoutId layout, const Weight& weight) {
  return layout == LayoutId::kPlain ||
         (weight.gemm &&
          layouts::find_variant(layout, static_cast<uint16_t>(weight.scheme)) != nullptr);
}

Result<std::vector<FormChoice>> choose_forms(const Weight& weight, const Options& options) {
  const bool forced = options.layout && can_hold(*options.layout, weight);
  std::map<LayoutId, uint64_t> chosen;
  if (options.sms.empty()) {
    const LayoutId layout = forced ? *options.layout : LayoutId::kPlain;
    chosen[layout] = default_targets(info_of(layout));
  }
  for (const uint32_t sm : options.sms) {
    const LayoutId layout = forced ? *options.layout : default_layout(weight, sm);
    const LayoutInfo& info = info_of(layout);
    if (!serves(info, sm))
      return Error{
          ErrorKind::kNoFormForTarget,
          "layout '" + std::string(info.name) + "' does not serve sm_" + std::to_string(sm), "",
          weight.name};
    uint64_t& targets = chosen[layout];
    targets |= default_targets(info);
    if (!info.any_sm) targets |= artifact::target_mask(sm).value_or(0);
  }
  std::vector<FormChoice> forms;
  forms.reserve(chosen.size());
  for (const auto& [layout, targets] : chosen) forms.push_back({layout, targets});
  return forms;
}

Form make_form(const Operand& operand, const Model& model, const FormChoice& choice) {
  const LayoutInfo& info = info_of(choice.layout);
  Form form;
  form.layout = choice.layout;
  const layouts::LayoutVariant& variant =
      *layouts::find_variant(choice.layout, static_cast<uint16_t>(operand.scheme));
  form.major = variant.major;
  form.targets = choice.targets;
  form.padded_n = round_up(operand.n, info.pad_n);
  form.padded_k = round_up(operand.k, info.pad_k);
  add_weight_components(operand, model.weights[operand.parts[0].weight], choice.layout,
                        form.components);
  add_vectors(operand, model, form.components);
  if (variant.exceptions) {
    Component exceptions;
    exceptions.kind = ComponentKind::kExceptions;
    exceptions.required = false;
    exceptions.shape = Shape{0};
    form.components.push_back(exceptions);
  }
  return form;
}

}  // namespace imp::plan
