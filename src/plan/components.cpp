#include "src/plan/components.h"

#include <iterator>

#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/checked.h"
#include "src/model/group_planes.h"
#include "src/plan/engine_forms.h"
#include "src/plan/planes.h"

namespace imp::plan {
namespace {

using model::Model;
using model::PlaneSet;
using model::Scheme;
using model::Weight;

namespace mma64 = layouts::mma64_nvfp4;

/// [first, dims...]
Shape with_leading(uint64_t first, const Shape& shape) {
  Shape out;
  out.rank = shape.rank + 1;
  out.dims[0] = first;
  for (uint32_t i = 0; i < shape.rank; ++i) out.dims[i + 1] = shape[i];
  return out;
}

uint64_t bytes_of(const Shape& shape, Dtype dtype) {
  // Shapes are backed by tensors that exist, so the products fit.
  return shape.num_elems().value_or(0) * dtype_bits(dtype) / 8;
}

class Builder {
 public:
  Builder(const Operand& operand, const Model& model, LayoutId layout)
      : operand_(operand),
        model_(model),
        layout_(layout),
        first_(model.weights[operand.parts[0].weight]) {}

  std::vector<Component> build() {
    if (is_engine_layout(layout_))
      add_engine_planes();
    else
      for (const PlaneSet& plane : first_.planes)
        if (plane.kind == ComponentKind::kCodes || model::is_group_plane(plane.kind))
          add_weight_plane(plane);
    if (model::has_lut(operand_.scheme))
      add(ComponentKind::kLut, Dtype::kI8, {std::size(quant::kIq4NlValues)}, false);
    add_scalars();
    for (const PlaneSet& plane : first_.planes) add_vector(plane);
    if ((layout_ == LayoutId::kMma64 || is_engine_layout(layout_)) && !first_.k_gather.empty())
      add(ComponentKind::kKGather, Dtype::kU32, {operand_.k});
    if (layouts::find_variant(layout_, static_cast<uint16_t>(operand_.scheme))->exceptions) {
      Component exceptions;
      exceptions.kind = ComponentKind::kExceptions;
      exceptions.required = false;
      exceptions.shape = Shape{0};
      out_.push_back(exceptions);
    }
    return std::move(out_);
  }

 private:
  void add(ComponentKind kind, Dtype dtype, const Shape& of_expert, bool per_expert = true) {
    Component c;
    c.kind = kind;
    c.dtype = dtype;
    const bool experts = per_expert && operand_.experts > 1;
    c.shape = experts ? with_leading(operand_.experts, of_expert) : of_expert;
    const uint64_t bytes = bytes_of(of_expert, dtype);
    c.size_bytes = experts ? bytes * operand_.experts : bytes;
    c.expert_stride_bytes = experts ? bytes : 0;
    out_.push_back(c);
  }

  void add_weight_plane(const PlaneSet& plane) {
    if (layout_ == LayoutId::kMma64)
      add_mma64(plane);
    else if (layout_ == LayoutId::kNative)
      add_native(plane);
    else
      add_as_is(plane);
  }

  void add_engine_planes() {
    for (const EnginePlane& plane : engine_planes(layout_, operand_, model_)) {
      if (plane.offset_bytes != 0) continue;
      if (plane.action == Action::kCopy)
        add_as_is(*first_.find(*plane.from), plane.component);
      else
        add(plane.component, plane.dtype, plane.shape);
      out_.back().required = plane.required;
    }
  }

  void add_mma64(const PlaneSet& plane) {
    const uint64_t n_tiles = div_up(operand_.n, mma64::kTileN);
    if (plane.kind == ComponentKind::kCodes) {
      add(ComponentKind::kBlocks, Dtype::kU8,
          {n_tiles, div_up(operand_.k, mma64::kTileK), mma64_block_bytes(operand_.scheme)});
    } else if (!scales_in_blocks(operand_.scheme)) {
      if (operand_.group_rows > 1) return add_as_is(plane);
      const Dtype dtype =
          plane.kind == ComponentKind::kZeroPoint ? Dtype::kU8 : first_tensor(model_, plane).dtype;
      add(plane.kind, dtype,
          {n_tiles, model::groups_of(plane.kind, operand_.group_size, operand_.k), mma64::kTileN});
    }
  }

  void add_native(const PlaneSet& plane) {
    namespace sf = layouts::sf128x4;
    if (plane.kind == ComponentKind::kCodes) {
      const uint64_t row_bytes = operand_.k * model::code_bits(operand_.scheme) / 8;
      add(ComponentKind::kCodes,
          first_tensor(model_, plane).dtype == Dtype::kF8E4M3 ? Dtype::kF8E4M3 : Dtype::kU8,
          {operand_.n, round_up(row_bytes, layouts::native_rows::kRowAlignmentBytes)});
    } else {
      const Dtype dtype = model::has_two_levels(operand_.scheme) ? Dtype::kF8E4M3 : Dtype::kF8E8M0;
      add(ComponentKind::kBlockScale, dtype,
          {div_up(operand_.n, sf::kTileRows), sf::group_tiles(operand_.k / operand_.group_size),
           sf::kTileBytes});
    }
  }

  /// The source's bytes; rows of the parts one after the other.
  void add_as_is(const PlaneSet& plane) { add_as_is(plane, plane.kind); }
  void add_as_is(const PlaneSet& plane, ComponentKind kind) {
    Shape shape = expert_shape(model_, first_, plane);
    for (size_t p = 1; p < operand_.parts.size(); ++p) {
      const Weight& weight = model_.weights[operand_.parts[p].weight];
      shape.dims[0] += expert_shape(model_, weight, *weight.find(plane.kind))[0];
    }
    add(kind, first_tensor(model_, plane).dtype, shape, !same_for_experts(model_, first_, plane));
  }

  void add_scalars() {
    bool multiplier = false, input_scale = false;
    for (const Part& part : operand_.parts) {
      multiplier = multiplier || !model_.weights[part.weight].multipliers.empty();
      input_scale = input_scale || !model_.weights[part.weight].input_scales.empty();
    }
    const bool joint = has_joint_multiplier(layout_, operand_.scheme);
    if ((multiplier || joint) && !folds_multiplier(layout_, operand_.scheme))
      add(ComponentKind::kMultiplier, Dtype::kF32, {joint ? 1 : operand_.parts.size()});
    if (input_scale) {
      add(ComponentKind::kInputScale, Dtype::kF32, {operand_.parts.size()});
      out_.back().required = false;
    }
  }

  /// What comes beside the codes in every layout, mostly small: a kernel's prologue and epilogue
  /// read it, or it only travels with the weight.
  void add_vector(const PlaneSet& plane) {
    switch (plane.kind) {
      case ComponentKind::kBias:
        add(plane.kind, first_tensor(model_, plane).dtype, {operand_.n});
        return;
      case ComponentKind::kKScale:
      case ComponentKind::kSvdA:
      case ComponentKind::kSvdB:
      case ComponentKind::kBitmask:
      case ComponentKind::kRowOffsets:
        add_of_parts(plane);
        return;
      case ComponentKind::kGroupIndex:
        add_of_parts(plane);
        out_.back().required = layout_ == LayoutId::kPlain;
        return;
      case ComponentKind::kFp8Grid:
      case ComponentKind::kSourceShape:
      case ComponentKind::kInputZeroPoint:
      case ComponentKind::kOutputScale:
        add_of_parts(plane);
        out_.back().required = false;
        return;
      default:
        return;
    }
  }

  void add_of_parts(const PlaneSet& plane) {
    Shape shape = expert_shape(model_, first_, plane);
    if (joint_of(plane.kind) == Joint::kParts && operand_.parts.size() > 1)
      shape = with_leading(operand_.parts.size(), shape);
    add(plane.kind, first_tensor(model_, plane).dtype, shape,
        !same_for_experts(model_, first_, plane));
  }

  const Operand& operand_;
  const Model& model_;
  const LayoutId layout_;
  const Weight& first_;
  std::vector<Component> out_;
};

}  // namespace

bool scales_in_blocks(Scheme scheme) {
  return model::has_two_levels(scheme) || scheme == Scheme::kMxfp4;
}

uint64_t mma64_block_bytes(Scheme scheme) {
  constexpr uint64_t kElems = uint64_t{mma64::kTileN} * mma64::kTileK;
  if (model::has_two_levels(scheme)) return mma64::kBlockBytes;
  const uint64_t codes = kElems * model::code_bits(scheme) / 8;
  return scheme == Scheme::kMxfp4 ? codes + kElems / 32 : codes;
}

std::vector<Component> make_components(const Operand& operand, const Model& model,
                                       LayoutId layout) {
  return Builder(operand, model, layout).build();
}

}  // namespace imp::plan
