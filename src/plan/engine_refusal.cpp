#include <string>

#include "src/base/dtype.h"
#include "src/plan/engine_forms.h"
#include "src/plan/planes.h"

namespace imp::plan {
namespace {

using model::Model;
using model::Role;
using model::Scheme;
using model::Weight;

const char* name_of(LayoutId layout) {
  return layouts::find_layout(static_cast<uint16_t>(layout))->name;
}

bool one_scale_a_row(const Weight& weight) {
  return weight.group_size == 0 || weight.group_size >= weight.k;
}

/// Integers: groups that the kernels are built for.
std::string refused_groups(LayoutId layout, const Weight& weight, Dtype scale) {
  const std::string name = name_of(layout);
  if (scale != Dtype::kF16 && scale != Dtype::kBF16)
    return "scales are " + std::string(dtype_name(scale)) + ", " + name + " takes 16 bits";
  if (weight.group_rows > 1) return "its scales lie over blocks of rows";
  if (one_scale_a_row(weight)) return "";
  const uint32_t g = weight.group_size;
  const bool known = g == 64 || g == 128 || (g == 32 && layout == LayoutId::kMarlin);
  if (!known) return "groups of " + std::to_string(g) + ", " + name + " has none";
  return "";
}

std::string refused_fp8(const Weight& weight, bool has_scales) {
  if (!has_scales) return weight.multipliers.empty() ? "it has no scale" : "";
  if (!weight.multipliers.empty()) return "it has a multiplier beside its scales";
  const bool blocks = weight.group_rows == 128 && weight.group_size == 128;
  const bool rows = weight.group_rows == 1 && one_scale_a_row(weight);
  return blocks || rows ? "" : "scales are neither one a row nor of blocks of 128 x 128";
}

std::string refused_scales(LayoutId layout, const Weight& weight, const Model& model) {
  const auto* scales = weight.find(ComponentKind::kBlockScale);
  if (weight.scheme == Scheme::kFp8) return refused_fp8(weight, scales != nullptr);
  if (!model::is_integer(weight.scheme)) return "";
  if (scales == nullptr) return "it has one multiplier and no scales of rows or groups";
  return refused_groups(layout, weight, first_tensor(model, *scales).dtype);
}

}  // namespace

std::string engine_refusal(LayoutId layout, const Weight& weight, const Model& model) {
  const layouts::MatrixShape matrix{weight.n, weight.k, weight.group_size,
                                    intermediate_of(weight.role), 1};
  if (const char* reason = layouts::refusal(layout, matrix)) return reason;
  if (pads_parts(layout, weight.role) && weight.role == Role::kExpertGateUp &&
      weight.n % (2 * weight.group_rows) != 0)
    return "gate and up are one tensor with blocks of scales across both";
  return refused_scales(layout, weight, model);
}

}  // namespace imp::plan
