#include "src/plan/steps.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/little_endian.h"
#include "src/plan/index.h"

namespace imp::plan {
namespace {

using model::kNone;
using model::Model;
using model::PlaneSet;
using model::Scalar;
using model::ScalarState;
using model::Weight;

constexpr uint64_t kExceptionRecordBytes = 17;  // kernels/layouts/README.md, "exceptions"
constexpr uint32_t kAbsentInputScale = 0x7FC00000;

/// Which component of a form takes a plane of the model, and how.
struct Route {
  ComponentKind component;
  Action action;
};

std::optional<Route> route_of(const Form& form, const Operand& operand, ComponentKind plane) {
  if (plane == ComponentKind::kMultiplier || plane == ComponentKind::kInputScale)
    return std::nullopt;
  const bool nvfp4 = operand.scheme == model::Scheme::kNvfp4;
  if (form.layout == LayoutId::kMma64 && plane == ComponentKind::kCodes)
    return Route{ComponentKind::kBlocks, Action::kMma64Nvfp4};
  if (form.layout == LayoutId::kMma64 && plane == ComponentKind::kBlockScale) return std::nullopt;
  if (form.layout == LayoutId::kNative && plane == ComponentKind::kCodes && nvfp4)
    return Route{ComponentKind::kCodes, Action::kNativeRows};
  if (form.layout == LayoutId::kNative && plane == ComponentKind::kBlockScale)
    return Route{ComponentKind::kBlockScale, Action::kSf128x4};
  return Route{plane, Action::kCopy};
}

/// Bytes that `rows` rows of a part take in a component; also the offset of row `rows` where rows
/// is a joint of parts.
uint64_t extent_of_rows(Action action, const Operand& operand, const model::SourceTensor& tensor,
                        uint64_t rows, uint64_t part_rows) {
  namespace mma64 = layouts::mma64_nvfp4;
  switch (action) {
    case Action::kMma64Nvfp4:
      return div_up(rows, mma64::kTileN) * div_up(operand.k, mma64::kTileK) * mma64::kBlockBytes;
    case Action::kNativeRows:
      return rows * layouts::native_rows::pitch_bytes(operand.k);
    case Action::kSf128x4:
      return layouts::sf128x4::size_bytes(rows, operand.k / operand.group_size);
    case Action::kCopy:
      return part_rows == 0 ? 0 : tensor.size_bytes / part_rows * rows;
  }
  return 0;
}

class StepBuilder {
 public:
  StepBuilder(const Model& model, const Plan& plan)
      : model_(model), plan_(plan), first_record_(first_component_records(plan)) {}

  std::vector<Step> build() {
    for (uint32_t o = 0; o < plan_.operands.size(); ++o)
      for (uint32_t p = 0; p < plan_.operands[o].parts.size(); ++p) add_part(o, p);
    std::stable_sort(steps_.begin(), steps_.end(),
                     [](const Step& a, const Step& b) { return a.tensor < b.tensor; });
    return std::move(steps_);
  }

 private:
  void add_part(uint32_t o, uint32_t p) {
    const Weight& weight = model_.weights[plan_.operands[o].parts[p].weight];
    const PlaneSet* scales = weight.find(ComponentKind::kBlockScale);
    for (const PlaneSet& set : weight.planes)
      for (uint32_t e = 0; e < set.tensors.size(); ++e) {
        if (set.tensors[e] == kNone) continue;
        Step step;
        step.tensor = set.tensors[e];
        step.operand = o;
        step.part = p;
        step.expert = e;
        step.plane = set.kind;
        if (set.kind == ComponentKind::kCodes && scales != nullptr)
          step.scale_tensor = scales->tensors[e];
        add_writes(step);
        steps_.push_back(std::move(step));
      }
  }

  void add_writes(Step& step) {
    const Operand& operand = plan_.operands[step.operand];
    uint32_t record = first_record_[step.operand];
    for (const Form& form : operand.forms) {
      if (const auto route = route_of(form, operand, step.plane))
        add_write(step, form, *route, record);
      record += static_cast<uint32_t>(form.components.size());
    }
  }

  void add_write(Step& step, const Form& form, const Route& route, uint32_t first_record) {
    const Operand& operand = plan_.operands[step.operand];
    const Part& part = operand.parts[step.part];
    const model::SourceTensor& tensor = model_.source.tensors[step.tensor];
    Write write;
    write.action = route.action;
    for (uint32_t c = 0; c < form.components.size(); ++c) {
      const Component& component = form.components[c];
      if (component.kind == ComponentKind::kExceptions) write.exceptions = first_record + c;
      if (component.kind != route.component) continue;
      write.offset_bytes = plan_.blobs[component.blob].offset_bytes +
                           step.expert * component.expert_stride_bytes +
                           extent_of_rows(route.action, operand, tensor, part.n0, part.n_count);
      write.size_bytes =
          route.action == Action::kCopy
              ? tensor.size_bytes
              : extent_of_rows(route.action, operand, tensor, part.n_count, part.n_count);
    }
    if (route.action != Action::kMma64Nvfp4) write.exceptions = kNone;
    // Forms that share a blob ask for the same bytes at the same place: once is enough.
    for (const Write& earlier : step.writes)
      if (earlier.offset_bytes == write.offset_bytes && earlier.action == write.action) return;
    step.writes.push_back(write);
  }

  const Model& model_;
  const Plan& plan_;
  std::vector<uint32_t> first_record_;
  std::vector<Step> steps_;
};

/// What a kernel multiplies by: the value, or fl32(1 / value) of a divisor.
uint32_t kernel_bits(const Scalar& scalar) {
  if (scalar.state == ScalarState::kDivisor)
    return std::bit_cast<uint32_t>(1.0f / std::bit_cast<float>(scalar.bits));
  return scalar.state == ScalarState::kMultiplier ? scalar.bits : kAbsentInputScale;
}

/// [E, parts] f32 of one scalar kind.
std::vector<std::byte> scalar_matrix(const Model& model, const Operand& operand,
                                     ComponentKind kind) {
  std::vector<std::byte> bytes;
  for (uint64_t e = 0; e < operand.experts; ++e)
    for (const Part& part : operand.parts) {
      const Weight& weight = model.weights[part.weight];
      const auto& list =
          kind == ComponentKind::kMultiplier ? weight.multipliers : weight.input_scales;
      const uint32_t bits = kernel_bits(list.empty() ? Scalar{} : list[e]);
      bytes.resize(bytes.size() + sizeof bits);
      store_le(bytes.data() + bytes.size() - sizeof bits, bits);
    }
  return bytes;
}

}  // namespace

std::vector<Step> make_steps(const Model& model, const Plan& plan) {
  return StepBuilder(model, plan).build();
}

std::vector<Constant> make_constants(const Model& model, const Plan& plan) {
  std::vector<Constant> constants;
  for (const Operand& operand : plan.operands) {
    // Every form's copy of a vector is the same blob.
    for (const Component& c : operand.forms[0].components)
      if (c.kind == ComponentKind::kMultiplier || c.kind == ComponentKind::kInputScale)
        constants.push_back(
            {plan.blobs[c.blob].offset_bytes, scalar_matrix(model, operand, c.kind)});
  }
  return constants;
}

uint64_t exceptions_bound_bytes(const Plan& plan) {
  uint64_t bound = 0;
  for (const Operand& operand : plan.operands)
    for (const Form& form : operand.forms)
      for (const Component& c : form.components)
        if (c.kind == ComponentKind::kExceptions)
          bound += operand.experts * operand.n * (operand.k / operand.group_size) *
                   kExceptionRecordBytes;
  return bound;
}

}  // namespace imp::plan
