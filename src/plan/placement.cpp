#include "src/plan/placement.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "formats/imp/ondisk.h"
#include "src/base/checked.h"
#include "src/model/group_planes.h"
#include "src/plan/engine_forms.h"

namespace imp::plan {
namespace {

bool is_small(const Blob& blob) { return blob.size_bytes < artifact::kSmallComponentBytes; }

/// Vectors are the same bytes in every form of an operand, unless a form has another order of rows.
bool is_shared(ComponentKind kind) {
  return kind != ComponentKind::kCodes && kind != ComponentKind::kBlocks &&
         kind != ComponentKind::kExceptions && kind != ComponentKind::kSourceScale &&
         !model::is_group_plane(kind);
}

/// A bias follows the rows of the codes, which a dialect of plain may have in another order.
bool same_rows(const Form& a, const Form& b) {
  const auto order = [](const Form& f) { return f.layout == LayoutId::kPlain ? f.dialect : 0; };
  return order(a) == order(b);
}

bool same_multiplier(const Operand& operand, const Form& a, const Form& b) {
  return !has_joint_multiplier(a.layout, operand.scheme) &&
         !has_joint_multiplier(b.layout, operand.scheme);
}

uint32_t blob_of_earlier_form(const Operand& operand, size_t form, ComponentKind kind) {
  if (!is_shared(kind)) return model::kNone;
  for (size_t f = 0; f < form; ++f) {
    if (kind == ComponentKind::kBias && !same_rows(operand.forms[f], operand.forms[form])) continue;
    if (kind == ComponentKind::kMultiplier &&
        !same_multiplier(operand, operand.forms[f], operand.forms[form]))
      continue;
    for (const Component& c : operand.forms[f].components)
      if (c.kind == kind) return c.blob;
  }
  return model::kNone;
}

std::vector<Blob> collect(std::vector<Operand>& operands) {
  std::vector<Blob> blobs;
  for (uint32_t o = 0; o < operands.size(); ++o)
    for (size_t f = 0; f < operands[o].forms.size(); ++f)
      for (Component& c : operands[o].forms[f].components) {
        if (c.kind == ComponentKind::kExceptions) continue;
        c.blob = blob_of_earlier_form(operands[o], f, c.kind);
        if (c.blob == model::kNone) {
          c.blob = static_cast<uint32_t>(blobs.size());
          blobs.push_back({0, c.size_bytes, 0, o});
        }
        blobs[c.blob].targets |= operands[o].forms[f].targets;
      }
  return blobs;
}

}  // namespace

std::vector<Blob> place_payload(std::vector<Operand>& operands, uint64_t payload_offset_bytes) {
  std::vector<Blob> blobs = collect(operands);
  std::vector<uint32_t> order(blobs.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const auto key = [&](uint32_t i) {
      const Blob& blob = blobs[i];
      const bool any = (blob.targets & artifact::kTargetAny) != 0;
      // Blob numbers ascend in execution order.
      return std::tuple(!any, blob.targets, !is_small(blob), i);
    };
    return key(a) < key(b);
  });
  std::vector<Blob> placed;
  std::vector<uint32_t> new_index(blobs.size());
  uint64_t at = payload_offset_bytes;
  for (const uint32_t i : order) {
    Blob blob = blobs[i];
    blob.offset_bytes = round_up(
        at, is_small(blob) ? artifact::kPoolAlignmentBytes : artifact::kLargeAlignmentBytes);
    at = blob.offset_bytes + blob.size_bytes;
    new_index[i] = static_cast<uint32_t>(placed.size());
    placed.push_back(blob);
  }
  for (Operand& operand : operands)
    for (Form& form : operand.forms)
      for (Component& c : form.components)
        if (c.blob != model::kNone) c.blob = new_index[c.blob];
  return placed;
}

}  // namespace imp::plan
