#include "src/plan/planes.h"

#include "src/model/plane_coding.h"

namespace imp::plan {

using model::ComponentKind;
using model::Model;
using model::PlaneSet;
using model::SourceTensor;
using model::Weight;

quant::PlaneCoding coding_of(const Model& model, const Weight& weight, const PlaneSet& plane,
                             uint64_t rows) {
  return model::coding_of(model.source, weight, plane, rows);
}

const SourceTensor& first_tensor(const Model& model, const PlaneSet& plane) {
  return model::first_tensor(model.source, plane);
}

namespace {

bool is_single(const Weight& weight, const PlaneSet& plane) {
  return weight.experts > 1 && plane.tensors.size() == 1;
}

}  // namespace

bool holds_every_expert(const Model& model, const Weight& weight, const PlaneSet& plane) {
  if (!is_single(weight, plane)) return false;
  const Shape& shape = first_tensor(model, plane).shape;
  return shape.rank > 0 && shape[0] == weight.experts;
}

bool same_for_experts(const Model& model, const Weight& weight, const PlaneSet& plane) {
  return is_single(weight, plane) && !holds_every_expert(model, weight, plane);
}

Shape expert_shape(const Model& model, const Weight& weight, const PlaneSet& plane) {
  const Shape& shape = first_tensor(model, plane).shape;
  if (!holds_every_expert(model, weight, plane)) return shape;
  Shape inner;
  inner.rank = shape.rank - 1;
  for (uint32_t i = 0; i < inner.rank; ++i) inner.dims[i] = shape[i + 1];
  return inner;
}

Joint joint_of(ComponentKind kind) {
  switch (kind) {
    case ComponentKind::kCodes:
    case ComponentKind::kBlockScale:
    case ComponentKind::kZeroPoint:
    case ComponentKind::kGroupMin:
    case ComponentKind::kSuperScale:
    case ComponentKind::kSuperMin:
    case ComponentKind::kBias:
      return Joint::kRows;
    case ComponentKind::kKScale:
    case ComponentKind::kKGather:
    case ComponentKind::kLut:
    case ComponentKind::kGroupIndex:
      return Joint::kShared;
    default:
      return Joint::kParts;
  }
}

}  // namespace imp::plan
