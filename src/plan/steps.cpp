#include "src/plan/steps.h"

#include <algorithm>
#include <optional>

#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/checked.h"
#include "src/model/group_planes.h"
#include "src/plan/components.h"
#include "src/plan/engine_forms.h"
#include "src/plan/index.h"
#include "src/plan/planes.h"

namespace imp::plan {
namespace {

using model::kNone;
using model::Model;
using model::PlaneSet;
using model::Scheme;
using model::Weight;

constexpr uint64_t kExceptionRecordBytes = 17;  // kernels/layouts/README.md, "exceptions"

/// Which component of a form takes a plane of the model, and how.
struct Route {
  ComponentKind component;
  Action action;
  uint64_t offset_bytes = 0;  ///< in the component
  Pieces pieces = {};
};

Action mma64_action(const Operand& operand) {
  if (model::has_two_levels(operand.scheme)) return Action::kMma64Nvfp4;
  return operand.scheme == Scheme::kMxfp4 ? Action::kMma64Mxfp4 : Action::kMma64Codes;
}

std::optional<Route> route_in_mma64(const Operand& operand, ComponentKind plane) {
  if (plane == ComponentKind::kCodes) return Route{ComponentKind::kBlocks, mma64_action(operand)};
  if (scales_in_blocks(operand.scheme)) return std::nullopt;
  return Route{plane, operand.group_rows > 1 ? Action::kCopy : Action::kMma64Plane};
}

Route route_in_native(const Operand& operand, ComponentKind plane) {
  if (plane == ComponentKind::kBlockScale) return {plane, Action::kSf128x4};
  return {plane,
          model::code_bits(operand.scheme) == 4 ? Action::kNativeRows : Action::kNativeBytes};
}

std::vector<Route> routes_in_engine(const Model& model, const Form& form, const Operand& operand,
                                    ComponentKind plane) {
  std::vector<Route> routes;
  for (const EnginePlane& p : engine_planes(form.layout, operand, model))
    if (p.from == plane) routes.push_back({p.component, p.action, p.offset_bytes, p.pieces});
  return routes;
}

std::optional<Route> route_of(const Form& form, const Operand& operand, const PlaneSet& plane) {
  if (form.layout == LayoutId::kPlain) return Route{plane.kind, Action::kCopy};
  if (plane.kind == ComponentKind::kCodes || model::is_group_plane(plane.kind))
    return form.layout == LayoutId::kMma64 ? route_in_mma64(operand, plane.kind)
                                           : route_in_native(operand, plane.kind);
  // A bias follows the rows of the codes.
  return Route{plane.kind,
               plane.encoding == model::Encoding::kRows ? Action::kCopy : Action::kCanonical};
}

/// A plane of weights goes to several places in some layouts of other engines, to none where its
/// numbers live in the index or in another plane's bytes.
std::vector<Route> routes_of(const Model& model, const Form& form, const Operand& operand,
                             const PlaneSet& plane) {
  if (plane.kind == ComponentKind::kMultiplier || plane.kind == ComponentKind::kInputScale)
    return {};
  const bool of_weights = plane.kind == ComponentKind::kCodes || model::is_group_plane(plane.kind);
  if (is_engine_layout(form.layout) && of_weights)
    return routes_in_engine(model, form, operand, plane.kind);
  if (const auto route = route_of(form, operand, plane)) return {*route};
  return {};
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
    const Weight& weight = weight_of(o, p);
    for (const PlaneSet& plane : weight.planes)
      for (uint32_t e = 0; e < plane.tensors.size(); ++e)
        if (plane.tensors[e] != kNone) add_step(o, p, weight, plane, e);
  }

  void add_step(uint32_t o, uint32_t p, const Weight& weight, const PlaneSet& plane, uint32_t e) {
    const PlaneSet* scales = weight.find(ComponentKind::kBlockScale);
    Step step;
    step.tensor = plane.tensors[e];
    step.operand = o;
    step.part = p;
    step.expert = weight.experts > 1 && plane.tensors.size() == 1 ? kNone : e;
    step.plane = plane.kind;
    step.coding = coding_of(model_, weight, plane, weight.n);
    const bool meets_scales =
        plane.kind == ComponentKind::kCodes || plane.kind == ComponentKind::kZeroPoint;
    if (meets_scales && scales != nullptr) {
      step.scale_tensor = scales->tensors[e];
      step.scale_coding = coding_of(model_, weight, *scales, weight.n);
    }
    uint32_t record = first_record_[o];
    for (const Form& form : plan_.operands[o].forms) {
      for (const Route& route : routes_of(model_, form, plan_.operands[o], plane))
        add_write(step, form, route, record);
      record += static_cast<uint32_t>(form.components.size());
    }
    steps_.push_back(std::move(step));
  }

  const Weight& weight_of(uint32_t o, uint32_t p) const {
    return model_.weights[plan_.operands[o].parts[p].weight];
  }

  void add_write(Step& step, const Form& form, const Route& route, uint32_t first_record) {
    Write write;
    write.action = route.action;
    write.pieces = route.pieces;
    uint32_t exceptions = kNone;
    for (uint32_t c = 0; c < form.components.size(); ++c) {
      const Component& component = form.components[c];
      if (component.kind == ComponentKind::kExceptions) exceptions = first_record + c;
      if (component.kind != route.component) continue;
      place(step, component, write);
      write.offset_bytes += route.offset_bytes;
    }
    if (write.action == Action::kMma64Nvfp4 || write.action == Action::kEngineTiles)
      write.exceptions = exceptions;
    if (write.action == Action::kEngineTiles || write.action == Action::kEngineGroups) {
      add_pieces(step, form, write);
      return;
    }
    // Forms that share a blob ask for the same bytes at the same place: once is enough.
    for (const Write& earlier : step.writes)
      if (earlier.offset_bytes == write.offset_bytes && earlier.action == write.action) return;
    step.writes.push_back(write);
  }

  /// `write` is that of the whole matrix; each run of rows has one of its own.
  void add_pieces(Step& step, const Form& form, const Write& write) const {
    for (const PackedRun& run : packed_runs(form.layout, plan_.operands[step.operand], step.part)) {
      Write of_run = write;
      of_run.offset_bytes += run.packed_row * write.pieces.row_bits / 8;
      of_run.pieces.first_row = run.first_row;
      of_run.pieces.rows = run.rows;
      of_run.pieces.padded_rows = run.padded_rows;
      of_run.size_bytes = write.pieces.count * (run.padded_rows * write.pieces.row_bits / 8);
      step.writes.push_back(of_run);
    }
  }

  void place(const Step& step, const Component& component, Write& write) const {
    const Operand& operand = plan_.operands[step.operand];
    const Part& part = operand.parts[step.part];
    const uint64_t expert = step.expert == kNone ? 0 : step.expert;
    const uint64_t base =
        plan_.blobs[component.blob].offset_bytes + expert * component.expert_stride_bytes;
    write.expert_stride_bytes = component.expert_stride_bytes;
    if (write.action == Action::kCopy || write.action == Action::kCanonical) {
      write.size_bytes = bytes_of_expert(step);
      write.offset_bytes = base + offset_of_part(step);
      return;
    }
    if (write.action == Action::kEngineTiles || write.action == Action::kEngineGroups) {
      write.offset_bytes = base;
      return;
    }
    const PlaneElements elements{dtype_bits(component.dtype) / 8, step.coding.columns};
    write.offset_bytes = base + packed_bytes(write.action, operand, elements, part.n0);
    write.size_bytes = packed_bytes(write.action, operand, elements, part.n_count);
  }

  uint64_t bytes_of_expert(const Step& step) const {
    const Weight& weight = weight_of(step.operand, step.part);
    const uint64_t size = model_.source.tensors[step.tensor].size_bytes;
    return holds_every_expert(model_, weight, *weight.find(step.plane)) ? size / weight.experts
                                                                        : size;
  }

  /// Bytes of the parts before this one in a component that holds the source's bytes.
  uint64_t offset_of_part(const Step& step) const {
    if (joint_of(step.plane) == Joint::kShared) return 0;
    uint64_t before = 0;
    for (uint32_t p = 0; p < step.part; ++p) {
      const Weight& weight = weight_of(step.operand, p);
      before += first_tensor(model_, *weight.find(step.plane)).size_bytes;
    }
    return before;
  }

  const Model& model_;
  const Plan& plan_;
  std::vector<uint32_t> first_record_;
  std::vector<Step> steps_;
};

}  // namespace

uint64_t packed_bytes(Action action, const Operand& operand, const PlaneElements& elements,
                      uint64_t rows) {
  namespace mma64 = layouts::mma64_nvfp4;
  namespace native = layouts::native_rows;
  switch (action) {
    case Action::kMma64Nvfp4:
    case Action::kMma64Mxfp4:
    case Action::kMma64Codes:
      return div_up(rows, mma64::kTileN) * div_up(operand.k, mma64::kTileK) *
             mma64_block_bytes(operand.scheme);
    case Action::kMma64Plane:
      return round_up(rows, mma64::kTileN) * elements.groups * elements.bytes;
    case Action::kNativeRows:
      return rows * native::pitch_bytes(operand.k);
    case Action::kNativeBytes:
      return rows * round_up(operand.k, native::kRowAlignmentBytes);
    case Action::kSf128x4:
      return layouts::sf128x4::size_bytes(rows, elements.groups);
    case Action::kCopy:
    case Action::kCanonical:
    case Action::kEngineTiles:
    case Action::kEngineGroups:
      return 0;
  }
  return 0;
}

std::vector<Step> make_steps(const Model& model, const Plan& plan) {
  return StepBuilder(model, plan).build();
}

uint64_t exceptions_bound_bytes(const Plan& plan) {
  uint64_t bound = 0;
  for (const Operand& operand : plan.operands)
    for (const Form& form : operand.forms)
      for (const Component& c : form.components)
        if (c.kind == ComponentKind::kExceptions)
          bound += operand.experts * operand.n * (operand.k / layouts::mma64_nvfp4::kGroup) *
                   kExceptionRecordBytes;
  return bound;
}

}  // namespace imp::plan
