#include "src/unpack/plane.h"

#include <algorithm>
#include <utility>

#include "formats/imp/targets.h"
#include "src/model/group_planes.h"

namespace imp::unpack {
namespace {

using artifact::ComponentKind;
using artifact::FormRecord;
using artifact::OperandRecord;
using artifact::Reader;
using layouts::LayoutId;
using model::Scheme;

/// div_up for a dividend that may be anything.
uint64_t tiles(uint64_t value, uint64_t unit) { return value / unit + (value % unit != 0); }

/// Lower goes first: the less there is to undo, the less can be wrong.
int rank_of(LayoutId layout) {
  switch (layout) {
    case LayoutId::kPlain:
      return 0;
    case LayoutId::kNative:
      return 1;
    case LayoutId::kMma64:
      return 2;
    default:
      return 3;
  }
}

/// True if this version can undo the form.
bool is_known(const Reader& reader, const OperandRecord& operand, const FormRecord& form) {
  const layouts::LayoutInfo* layout = layouts::find_layout(form.layout);
  if (layout == nullptr) return false;
  const layouts::LayoutVariant* variant = layouts::find_variant(layout->id, operand.scheme);
  // The dialect of plain is the encoding of its codes, which their source tensor repeats.
  const bool engine = layout->id >= LayoutId::kMarlin && layout->id <= LayoutId::kMachete8;
  const bool has_dialects = engine && model::is_integer(static_cast<Scheme>(operand.scheme));
  const bool dialect_known =
      layout->id == LayoutId::kPlain || form.dialect <= (has_dialects ? 1 : 0);
  return variant != nullptr && variant->reads(form.major) && dialect_known &&
         reader.form_is_usable(form);
}

std::string describe_forms(const Reader& reader, const OperandRecord& operand) {
  std::string text;
  for (const FormRecord& form : reader.forms_of(operand)) {
    const layouts::LayoutInfo* layout = layouts::find_layout(form.layout);
    text += (text.empty() ? "" : ", ") +
            (layout ? std::string(layout->name) : "layout " + std::to_string(form.layout)) +
            " version " + std::to_string(form.major);
    if (form.dialect != 0) text += " dialect " + std::to_string(form.dialect);
  }
  return text;
}

const FormRecord* choose_form(const Reader& reader, const OperandRecord& operand,
                              uint64_t wanted_targets) {
  const FormRecord* best = nullptr;
  for (const FormRecord& form : reader.forms_of(operand)) {
    if (!(form.targets & wanted_targets) || !is_known(reader, operand, form)) continue;
    if (best == nullptr ||
        rank_of(static_cast<LayoutId>(form.layout)) < rank_of(static_cast<LayoutId>(best->layout)))
      best = &form;
  }
  return best;
}

}  // namespace

bool Plane::is_packed() const {
  if (layout() == LayoutId::kPlain || !is_gemm()) return false;
  if (kind() == ComponentKind::kCodes) return true;
  if (is_engine()) {
    const bool machete = layout() == LayoutId::kMachete4 || layout() == LayoutId::kMachete8;
    return (kind() == ComponentKind::kBlockScale && scheme() != Scheme::kFp8) ||
           (kind() == ComponentKind::kZeroPoint && !machete);
  }
  // Scales of blocks of many rows stay the source's grid.
  return model::is_group_plane(kind()) && operand->group_rows == 0;
}

ComponentKind Plane::stored_kind() const {
  // The scales of fp8 are rounded and expanded there, and stand beside as the source has them.
  const bool rounded = is_engine() && scheme() == Scheme::kFp8;
  return rounded && kind() == ComponentKind::kBlockScale ? ComponentKind::kSourceScale : kind();
}

quant::PlaneCoding Plane::coding_of(const artifact::PartRecord& of) const {
  const auto encoding = static_cast<quant::Encoding>(tensor->encoding);
  const uint32_t code_bits = model::code_bits(scheme());
  const uint32_t dtype_bits = imp::dtype_bits(static_cast<Dtype>(tensor->dtype));
  if (kind() == ComponentKind::kCodes)
    return {encoding, code_bits == 0 ? dtype_bits : code_bits, of.n_count,
            model::code_columns(scheme(), operand->k)};
  if (kind() == ComponentKind::kBias) return {encoding, dtype_bits, of.n_count, 1};
  const uint64_t group_rows = std::max(operand->group_rows, 1u);
  return {encoding, kind() == ComponentKind::kZeroPoint ? code_bits : dtype_bits,
          tiles(of.n_count, group_rows), model::groups_of(kind(), operand->group_size, operand->k)};
}

Result<Plane> find_plane(const Reader& reader, uint32_t tensor, std::optional<uint32_t> form_sm) {
  Plane plane;
  plane.tensor = &reader.source_tensors()[tensor];
  plane.operand = &reader.operands()[plane.tensor->operand];
  plane.part = &reader.parts_of(*plane.operand)[plane.tensor->part];
  if (plane.tensor->expert == artifact::kNone)
    plane.expert_count = plane.operand->experts;
  else
    plane.first_expert = plane.tensor->expert;

  const auto scheme = static_cast<Scheme>(plane.operand->scheme);
  if (model::scheme_name(scheme) == "?")
    return plane_error(reader, plane, ErrorKind::kUnsupportedScheme,
                       "its operand has scheme " + std::to_string(plane.operand->scheme) +
                           ", which this version does not know");
  if (quant::encoding_name(static_cast<quant::Encoding>(plane.tensor->encoding)) == "?")
    return plane_error(reader, plane, ErrorKind::kUnsupportedScheme,
                       "is held in encoding " + std::to_string(plane.tensor->encoding) +
                           ", which this version does not know");
  if (form_sm)
    plane.form = choose_form(reader, *plane.operand,
                             artifact::target_mask(*form_sm).value_or(0) | artifact::kTargetAny);
  if (plane.form == nullptr) plane.form = choose_form(reader, *plane.operand, ~uint64_t{0});
  if (plane.form == nullptr)
    return plane_error(reader, plane, ErrorKind::kUnsupportedLayout,
                       "its operand is stored as " + describe_forms(reader, *plane.operand) +
                           "; no layout that this version can undo holds scheme " +
                           std::string(model::scheme_name(scheme)));
  return plane;
}

Error plane_error(const Reader& reader, const Plane& plane, ErrorKind kind, std::string message) {
  return Error{kind, std::move(message), reader.path(),
               std::string(reader.string(plane.tensor->name))};
}

Error with_place(const Reader& reader, const Plane& plane, Error error) {
  if (error.file.empty()) error.file = reader.path();
  if (error.tensor.empty()) error.tensor = std::string(reader.string(plane.tensor->name));
  return error;
}

}  // namespace imp::unpack
