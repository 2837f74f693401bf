#include "src/verify/components.h"

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_bytes.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/registry.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/checked.h"
#include "src/model/weight_format.h"
#include "src/verify/engine_form.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;
using layouts::LayoutId;
using model::Scheme;

Error fault(const FormView& view, ErrorKind kind, const std::string& what) {
  return Error{kind, what, view.reader.path(), view.name()};
}

/// Components that hold weights in an order of the layout, as its specification has them.
std::vector<Expected> expected_components(const FormView& view) {
  const uint64_t n = view.operand.n, k = view.operand.k, groups = view.groups();
  namespace mma64 = layouts::mma64_nvfp4;
  namespace sf = layouts::sf128x4;
  if (view.layout() == LayoutId::kNative) {
    const bool nibbles = model::code_bits(view.scheme()) == 4;
    return {{ComponentKind::kCodes,
             nibbles ? Dtype::kU8 : Dtype::kF8E4M3,
             {n, nibbles ? layouts::native_rows::pitch_bytes(k)
                         : layouts::native_bytes::pitch_bytes(k)}},
            {ComponentKind::kBlockScale,
             model::has_two_levels(view.scheme()) ? Dtype::kF8E4M3 : Dtype::kF8E8M0,
             {div_up(n, sf::kTileRows), sf::group_tiles(groups), sf::kTileBytes}}};
  }
  const uint64_t n_tiles = div_up(n, mma64::kTileN);
  std::vector<Expected> expected = {
      {ComponentKind::kBlocks,
       Dtype::kU8,
       {n_tiles, div_up(k, mma64::kTileK), mma64_block_bytes(view.scheme())}}};
  if (groups == 0 || view.has_scales_in_blocks()) return expected;
  for (const ComponentKind plane : kGroupPlanes) {
    const auto* component = view.reader.find_component(view.form, plane);
    if (!view.is_packed(plane) || (component == nullptr && !view.needs(plane))) continue;
    Dtype dtype = component == nullptr ? Dtype::kF32 : static_cast<Dtype>(component->dtype);
    if (plane == ComponentKind::kZeroPoint) dtype = Dtype::kU8;
    expected.push_back({plane, dtype, {n_tiles, view.groups(plane), uint64_t{mma64::kTileN}}});
  }
  return expected;
}

bool shape_is(const ComponentRecord& component, uint64_t experts, const Shape& of_expert) {
  Shape have;
  have.rank = component.rank;
  for (uint32_t i = 0; i < component.rank; ++i) have.dims[i] = component.dims[i];
  Shape want;
  if (experts > 1) want.dims[want.rank++] = experts;
  for (uint32_t i = 0; i < of_expert.rank; ++i) want.dims[want.rank++] = of_expert[i];
  return have == want;
}

/// The table of codes that are places in one: the format has but one.
Status check_lut(const FormView& view) {
  if (!model::has_lut(view.scheme())) return {};
  const ComponentRecord* component = view.reader.find_component(view.form, ComponentKind::kLut);
  const auto table = std::as_bytes(std::span(quant::kIq4NlValues));
  if (component == nullptr || static_cast<Dtype>(component->dtype) != Dtype::kI8 ||
      component->rank != 1 || component->dims[0] != table.size())
    return fault(view, ErrorKind::kBadRecord,
                 "component of kind 7 is missing or no I8 of " + std::to_string(table.size()));
  std::vector<std::byte> stored(table.size());
  IMP_TRY(view.reader.read_component(*component, 0, stored));
  if (std::equal(table.begin(), table.end(), stored.begin())) return {};
  return fault(view, ErrorKind::kInverseMismatch, "component of kind 7 is another table");
}

Status check_weight_components(const FormView& view, const PlaneTable& planes) {
  if (view.layout() != LayoutId::kPlain)
    for (const Expected& expected : expected_components(view))
      IMP_TRY(check_component(view, expected));
  if (!view.is_gemm()) return {};
  if (!view.is_packed(ComponentKind::kCodes))
    IMP_TRY(check_as_in_source(view, planes, ComponentKind::kCodes));
  for (const ComponentKind kind : kGroupPlanes) {
    const ComponentRecord* component = view.reader.find_component(view.form, kind);
    if (component != nullptr && kind != ComponentKind::kZeroPoint &&
        !model::is_scale_dtype(view.scheme(), kind, static_cast<Dtype>(component->dtype)))
      return fault(view, ErrorKind::kBadRecord, "the block scales have a dtype that no scale has");
    if (!view.is_packed(kind) && (view.needs(kind) || component != nullptr))
      IMP_TRY(check_as_in_source(view, planes, kind));
  }
  return check_lut(view);
}

/// "1", or "0 to 1" where an older major has the same bytes.
std::string majors_of(const layouts::LayoutVariant& variant) {
  const std::string newest = std::to_string(variant.major);
  return variant.oldest_major == variant.major
             ? newest
             : std::to_string(variant.oldest_major) + " to " + newest;
}

/// The dialect of plain is the encoding of its codes; no other layout has dialects.
bool reads_dialect(const FormView& view) {
  if (view.is_engine()) return true;  // check_engine_form
  if (view.layout() != LayoutId::kPlain) return view.form.dialect == 0;
  return quant::encoding_name(static_cast<quant::Encoding>(view.form.dialect)) != "?";
}

}  // namespace

Status check_component(const FormView& view, const Expected& expected) {
  const ComponentRecord* component = view.reader.find_component(view.form, expected.kind);
  const std::string kind = "component of kind " + std::to_string(static_cast<int>(expected.kind));
  if (component == nullptr) return fault(view, ErrorKind::kBadRecord, kind + " is missing");
  if (static_cast<Dtype>(component->dtype) != expected.dtype)
    return fault(view, ErrorKind::kBadRecord,
                 kind + " has another dtype than its layout prescribes");
  if (!shape_is(*component, view.operand.experts, expected.of_expert))
    return fault(view, ErrorKind::kBadShape,
                 kind + " has another shape than its layout prescribes");
  const uint64_t bytes =
      expected.of_expert.num_elems().value_or(0) * dtype_bits(expected.dtype) / 8;
  if (view.operand.experts > 1 && component->expert_stride_bytes != bytes)
    return fault(view, ErrorKind::kBadShape,
                 kind + " has another expert stride than its layout prescribes");
  return {};
}

Status check_as_in_source(const FormView& view, const PlaneTable& planes, ComponentKind plane) {
  const ComponentKind kind = view.source_component(plane);
  const std::string text = "component of kind " + std::to_string(static_cast<int>(kind));
  const ComponentRecord* component = view.reader.find_component(view.form, kind);
  if (component == nullptr) return fault(view, ErrorKind::kBadRecord, text + " is missing");
  const auto index = static_cast<uint32_t>(&view.operand - view.reader.operands().data());
  const auto* tensor = planes.find_for(index, 0, 0, plane);
  const auto encoding =
      tensor == nullptr ? quant::Encoding::kRows : static_cast<quant::Encoding>(tensor->encoding);
  if (quant::encoding_name(encoding) == "?")
    return fault(view, ErrorKind::kUnsupportedVersion,
                 "encoding " + std::to_string(tensor->encoding) + " is not known to this version");
  if (!quant::has_canonical(encoding)) return {};  // how many bytes depends on the bits
  uint64_t bytes = 0;
  for (const artifact::PartRecord& part : view.reader.parts_of(view.operand)) {
    const auto coding = plane_coding(view.operand, plane, static_cast<Dtype>(component->dtype),
                                     encoding, part.n_count);
    bytes = checked_add(bytes, quant::source_bytes(coding)).value_or(~uint64_t{0});
  }
  const bool experts = view.operand.experts > 1;
  const uint64_t have = experts ? component->expert_stride_bytes : component->size_bytes;
  if (have == bytes && bytes != ~uint64_t{0}) return {};
  return fault(view, ErrorKind::kBadShape,
               text + " has " + std::to_string(have) + " bytes" + (experts ? " an expert" : "") +
                   ", its rows take " + std::to_string(bytes));
}

Status check_layout(const FormView& view, const PlaneTable& planes) {
  const layouts::LayoutInfo* layout = layouts::find_layout(view.form.layout);
  if (layout == nullptr)
    return fault(view, ErrorKind::kUnsupportedVersion,
                 "layout " + std::to_string(view.form.layout) + " is not known to this version");
  const layouts::LayoutVariant* variant = layouts::find_variant(layout->id, view.operand.scheme);
  if (variant == nullptr || !can_invert(view))
    return fault(view, ErrorKind::kUnsupportedScheme,
                 std::string("layout ") + layout->name + " has no variant for this scheme");
  if (!variant->reads(view.form.major) || !reads_dialect(view))
    return fault(view, ErrorKind::kUnsupportedVersion,
                 std::string("layout ") + layout->name + " has major version " +
                     std::to_string(view.form.major) + " and dialect " +
                     std::to_string(view.form.dialect) + ", this version reads " +
                     majors_of(*variant) +
                     (layout->id == LayoutId::kPlain ? " and the encodings of its registry"
                                                     : " and dialect 0"));
  if (view.is_engine()) return check_engine_form(view, planes);
  if (view.form.padded_n != round_up(view.operand.n, layout->pad_n) ||
      view.form.padded_k != round_up(view.operand.k, layout->pad_k))
    return fault(view, ErrorKind::kBadShape,
                 std::string("padded shape is not what layout ") + layout->name + " prescribes");
  return check_weight_components(view, planes);
}

}  // namespace imp::verify
