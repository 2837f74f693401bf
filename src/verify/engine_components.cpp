// Structure of the forms in other engines' layouts.
#include <bit>
#include <cmath>
#include <span>
#include <string>

#include "kernels/layouts/machete.h"
#include "kernels/layouts/marlin.h"
#include "kernels/layouts/max_sm8x.h"
#include "src/base/checked.h"
#include "src/model/weight_format.h"
#include "src/verify/engine_form.h"
#include "src/verify/reference.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using layouts::LayoutId;
using model::Scheme;

constexpr uint32_t kGridRows = 128;  // of fp8's blocks under one scale, and their columns

Error fault(const FormView& view, ErrorKind kind, const std::string& what) {
  return Error{kind, what, view.reader.path(), view.name()};
}

bool is_machete(const FormView& view) {
  return view.layout() == LayoutId::kMachete4 || view.layout() == LayoutId::kMachete8;
}

/// The activations' type where scales have it.
Status check_dialect(const FormView& view) {
  const uint16_t most = model::is_integer(view.scheme()) ? 1 : 0;
  if (view.form.dialect <= most) return {};
  return fault(view, ErrorKind::kUnsupportedVersion,
               std::string("layout ") + layouts::find_layout(view.form.layout)->name +
                   " has dialect " + std::to_string(view.form.dialect) +
                   " for this scheme, this version reads " + (most == 0 ? "0" : "0 and 1"));
}

Status check_padding(const FormView& view) {
  const layouts::MatrixShape shape = engine_shape(view);
  const std::string name = layouts::find_layout(view.form.layout)->name;
  if (const char* why = layouts::refusal(view.layout(), shape))
    return fault(view, ErrorKind::kBadShape, "layout " + name + " does not hold it: " + why);
  if (shape.n % shape.parts != 0)
    return fault(view, ErrorKind::kBadShape,
                 "gate and up have " + std::to_string(shape.n) + " rows, an odd number");
  const auto parts = view.reader.parts_of(view.operand);
  for (const artifact::PartRecord& part : parts)
    if (shape.parts > 1 && parts.size() > 1 && part.n_count != shape.n / shape.parts)
      return fault(view, ErrorKind::kBadShape, "gate and up have not the same number of rows");
  const layouts::PaddedShape padded = layouts::padded_shape(view.layout(), shape);
  constexpr uint64_t kMaxWeights = uint64_t{1} << 60;  // no size computed from it can wrap
  if (checked_mul(padded.n, padded.k).value_or(kMaxWeights) >= kMaxWeights)
    return fault(view, ErrorKind::kBadShape,
                 "has more than 2^60 weights with the padding of layout " + name);
  if (view.form.padded_n == padded.n && view.form.padded_k == padded.k) return {};
  return fault(view, ErrorKind::kBadShape,
               "padded shape is not what layout " + name + " prescribes, " +
                   std::to_string(padded.n) + " x " + std::to_string(padded.k));
}

/// Groups that the layout's kernels take.
Status check_groups(const FormView& view) {
  const uint64_t group = view.operand.group_size;
  const bool a_row = group >= view.operand.k, grid = view.group_rows() > 1;
  bool fits = true;
  if (model::is_integer(view.scheme()))
    fits = !grid && (a_row || group == 64 || group == 128 || (group == 32 && !is_machete(view)));
  if (view.scheme() == Scheme::kFp8)
    fits = grid ? view.group_rows() == kGridRows && group == kGridRows : a_row || group == 0;
  if (fits) return {};
  return fault(view, ErrorKind::kBadShape,
               "block scales span " + std::to_string(view.group_rows()) + " rows and " +
                   std::to_string(group) + " columns, which layout " +
                   layouts::find_layout(view.form.layout)->name + " does not hold");
}

Shape shape_of_blocks(const FormView& view) {
  const uint64_t n = view.form.padded_n, k = view.form.padded_k;
  const uint64_t bits = model::code_bits(view.scheme());
  if (view.layout() == LayoutId::kMaxSm8x)
    return {layouts::max_sm8x::scales_offset_bytes(n, k) + n * (k / layouts::max_sm8x::kGroup) * 2};
  if (is_machete(view)) {
    namespace tile = layouts::machete;
    return {k / tile::kTileK, n / tile::kTileN, uint64_t{tile::kTileN} * tile::kTileK * bits / 8};
  }
  namespace tile = layouts::marlin;
  return {k / tile::kTileK, n / tile::kTileN, uint64_t{tile::kTileN} * tile::kTileK * bits / 8};
}

Dtype dtype_of_scales(const FormView& view) {
  if (model::has_two_levels(view.scheme()) || view.scheme() == Scheme::kMxfp4) return Dtype::kU8;
  return view.form.dialect == 1 ? Dtype::kF16 : Dtype::kBF16;
}

/// Zero points: packed beside the scales, or folded into mins.
Status check_zeros(const FormView& view, const PlaneTable& planes, const Shape& of_scales) {
  const bool zeros = view.reader.find_component(view.form, ComponentKind::kZeroPoint) != nullptr;
  const bool mins = view.reader.find_component(view.form, ComponentKind::kGroupMin) != nullptr;
  if (mins != (zeros && is_machete(view)))
    return fault(
        view, ErrorKind::kBadRecord,
        mins ? "component of kind 6 stands without zero points" : "component of kind 6 is missing");
  if (!zeros) return {};
  if (!is_machete(view)) {
    const uint64_t width = of_scales[1] * model::code_bits(view.scheme()) / 8;
    return check_component(view, {ComponentKind::kZeroPoint, Dtype::kU8, {of_scales[0], width}});
  }
  IMP_TRY(check_as_in_source(view, planes, ComponentKind::kZeroPoint));
  return check_component(view, {ComponentKind::kGroupMin, dtype_of_scales(view), of_scales});
}

Status check_source_scales(const FormView& view, const PlaneTable& planes) {
  IMP_TRY(check_as_in_source(view, planes, ComponentKind::kBlockScale));
  const auto* component = view.reader.find_component(view.form, ComponentKind::kSourceScale);
  if (model::is_scale_dtype(view.scheme(), ComponentKind::kBlockScale,
                            static_cast<Dtype>(component->dtype)))
    return {};
  return fault(view, ErrorKind::kBadRecord, "the source's scales have a dtype that no scale has");
}

std::string multiplier_text(uint64_t expert) {
  return "the multiplier of expert " + std::to_string(expert);
}

}  // namespace

Status check_engine_form(const FormView& view, const PlaneTable& planes) {
  if (!view.is_gemm())
    return fault(view, ErrorKind::kBadRecord, "is no weight of a GEMM, and in such a layout");
  IMP_TRY(check_dialect(view));
  IMP_TRY(check_groups(view));
  IMP_TRY(check_padding(view));
  IMP_TRY(check_component(view, {ComponentKind::kBlocks, Dtype::kU8, shape_of_blocks(view)}));
  if (view.has_scales_in_blocks()) return {};
  const Shape of_scales = {engine_groups(view), view.form.padded_n};
  IMP_TRY(check_component(view, {ComponentKind::kBlockScale, dtype_of_scales(view), of_scales}));
  if (view.is_derived(ComponentKind::kBlockScale) && view.operand.group_size != 0)
    IMP_TRY(check_source_scales(view, planes));
  return model::is_integer(view.scheme()) ? check_zeros(view, planes, of_scales) : Status{};
}

bool has_folded_multiplier(const FormView& view) {
  if (!view.is_engine()) return false;
  return view.layout() == LayoutId::kMaxSm8x || view.scheme() == Scheme::kFp8;
}

Status check_engine_multiplier(const FormView& view) {
  const bool there = view.reader.find_component(view.form, ComponentKind::kMultiplier) != nullptr;
  if (has_folded_multiplier(view))
    return there ? fault(view, ErrorKind::kBadRecord,
                         "form has a multiplier, which its scales have in them")
                 : Status{};
  IMP_TRY(check_component(view, {ComponentKind::kMultiplier, Dtype::kF32, {1}}));
  for (uint64_t e = 0; e < view.operand.experts; ++e) {
    const auto parts = view.reader.parts_of(view.operand);
    for (const artifact::PartRecord& part : parts)
      if (std::bit_cast<uint32_t>(part_multiplier(view, part, e)) !=
          std::bit_cast<uint32_t>(part_multiplier(view, parts[0], e)))
        return fault(view, ErrorKind::kBadRecord,
                     multiplier_text(e) + " is one for parts whose global scales differ");
    IMP_ASSIGN(const std::vector<float> stored, stored_multipliers(view, e));
    Result<uint32_t> log2 = rescale_log2(view, e, stored[0]);
    if (!log2.ok()) return std::move(log2).error();
  }
  return {};
}

}  // namespace imp::verify
