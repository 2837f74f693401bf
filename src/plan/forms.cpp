#include "src/plan/forms.h"

#include <algorithm>
#include <map>
#include <string>

#include "formats/imp/targets.h"
#include "src/base/checked.h"
#include "src/plan/components.h"
#include "src/plan/engine_forms.h"

namespace imp::plan {
namespace {

using layouts::LayoutInfo;
using model::is_integer;
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

/// Of a layout that is no default anywhere, all that it serves: its bytes do not depend on which.
uint64_t default_targets(const LayoutInfo& layout) {
  if (layout.any_sm) return artifact::kTargetAny;
  const auto& sms = layout.default_sms[0] != 0 ? layout.default_sms : layout.by_name_sms;
  uint64_t mask = 0;
  for (const uint16_t sm : sms)
    if (sm != 0) mask |= artifact::target_mask(sm).value_or(0);
  return mask;
}

/// Codes of 8-bit formats that the producer means for 8-bit activations: those GEMMs take the
/// planes as they are.
bool wants_plain(const Weight& weight) {
  return weight.activations_8bit && (weight.scheme == Scheme::kFp8 || is_integer(weight.scheme));
}

/// Codes without scales in the blocks: mma64's scale planes reach every lane only in these shapes.
bool mma64_takes_groups(const Weight& weight) {
  // The 16 codes of a lane have one scale; super scales lie over whole groups.
  if (model::is_ggml_planes(weight.scheme))
    return weight.group_rows == 1 && weight.group_size != 0 && weight.group_size % 16 == 0;
  if (weight.group_size == 0) return true;
  if (weight.group_rows > 1)
    return weight.find(ComponentKind::kZeroPoint) == nullptr && weight.group_rows % 64 == 0 &&
           weight.group_size % 64 == 0;
  return weight.group_size % 32 == 0 || weight.group_size >= weight.k;
}

/// Rows are looked up, unless it is the output head too; an absorbed product needs kv_b's rows.
bool wants_rows(const Weight& weight) {
  return (weight.role == model::Role::kTokenEmbedding && !weight.tied_head) ||
         weight.role == model::Role::kMlaKvB;
}

/// What every packed layout asks for.
std::string reason_in_planes(const Weight& weight) {
  const auto* codes = weight.find(ComponentKind::kCodes);
  if (codes == nullptr || !quant::has_canonical(codes->encoding)) return "its codes are sparse";
  const bool act_order = weight.find(ComponentKind::kGroupIndex) != nullptr;
  if (act_order && weight.k_gather.empty()) return "its columns have no order of groups";
  const bool grouped = model::group_size_of(weight.scheme) != 0;
  if (grouped && weight.k % weight.group_size != 0)
    return "K is no multiple of its groups of " + std::to_string(weight.group_size);
  return "";
}

std::string reason_in_layout(LayoutId layout, const Weight& weight, const Model& model) {
  if (is_engine_layout(layout)) return engine_refusal(layout, weight, model);
  const bool grouped = model::group_size_of(weight.scheme) != 0;
  if (grouped || (layout == LayoutId::kMma64 && mma64_takes_groups(weight))) return "";
  return "its groups of scales have no place in the layout";
}

/// Integers, codes of GGUF's blocks and fp8 have no other packed layout: mma64 by default wherever
/// it runs.
bool is_default(const LayoutInfo& layout, const Weight& weight, uint32_t sm) {
  if (holds(layout.default_sms, sm)) return true;
  return layout.id == LayoutId::kMma64 && holds(layout.by_name_sms, sm) &&
         (weight.scheme == Scheme::kFp8 || is_integer(weight.scheme) ||
          model::is_ggml_planes(weight.scheme));
}

/// design: 4-bit float weights go to mma64 up to sm_90 and to native from sm_100 on, integers and
/// weight-only fp8 to mma64; the rest is plain.
LayoutId default_layout(const Model& model, const Weight& weight, uint32_t sm) {
  if (wants_plain(weight)) return LayoutId::kPlain;
  for (const LayoutInfo& layout : layouts::kLayouts)
    if (!layout.any_sm && is_default(layout, weight, sm) &&
        reason_not_held(layout.id, weight, model).empty())
      return layout.id;
  return LayoutId::kPlain;
}

const LayoutInfo& info_of(LayoutId id) { return *layouts::find_layout(static_cast<uint16_t>(id)); }

}  // namespace

bool is_packed_somewhere(const Weight& weight) {
  return weight.gemm && model::is_quantized(weight.scheme) && !wants_rows(weight);
}

std::string reason_not_held(LayoutId layout, const Weight& weight, const Model& model) {
  if (layout == LayoutId::kPlain) return "";
  if (!weight.gemm) return "no GEMM takes it";
  if (wants_rows(weight)) return "its rows are needed as they are";
  if (layouts::find_variant(layout, static_cast<uint16_t>(weight.scheme)) == nullptr)
    return "it holds no " + std::string(model::scheme_name(weight.scheme));
  std::string reason = reason_in_planes(weight);
  return reason.empty() ? reason_in_layout(layout, weight, model) : reason;
}

Result<std::vector<FormChoice>> choose_forms(const Model& model, const Weight& weight,
                                             const Options& options) {
  const bool forced = options.layout && reason_not_held(*options.layout, weight, model).empty();
  std::map<LayoutId, uint64_t> chosen;
  if (options.sms.empty()) {
    const LayoutId layout = forced ? *options.layout : LayoutId::kPlain;
    chosen[layout] = default_targets(info_of(layout));
  }
  for (const uint32_t sm : options.sms) {
    const LayoutId layout = forced ? *options.layout : default_layout(model, weight, sm);
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
  if (weight.role == model::Role::kTokenEmbedding)
    chosen[LayoutId::kPlain] |= default_targets(info_of(LayoutId::kPlain));
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
  if (is_engine_layout(choice.layout)) {
    const layouts::PaddedShape padded = engine_shape(choice.layout, operand);
    form.padded_n = padded.n;
    form.padded_k = padded.k;
    form.dialect = engine_dialect(choice.layout, operand, model);
  } else {
    form.padded_n = round_up(operand.n, info.pad_n);
    form.padded_k = round_up(operand.k, info.pad_k);
  }
  if (choice.layout == LayoutId::kPlain)
    form.dialect = static_cast<uint16_t>(
        model.weights[operand.parts[0].weight].find(ComponentKind::kCodes)->encoding);
  form.components = make_components(operand, model, choice.layout);
  return form;
}

}  // namespace imp::plan
