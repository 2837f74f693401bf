#include "src/verify/engine_derived.h"

#include <algorithm>
#include <string>

#include "src/base/little_endian.h"
#include "src/quant/bf16.h"
#include "src/quant/decode.h"
#include "src/quant/f16.h"
#include "src/verify/engine_form.h"
#include "src/verify/engine_reference.h"
#include "src/verify/engine_scales.h"
#include "src/verify/reference.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using layouts::LayoutId;
using model::Scheme;

/// The plane of the source that something is derived from.
ComponentKind derived_from(const FormView& view) {
  return view.scheme() == Scheme::kFp8 ? ComponentKind::kBlockScale : ComponentKind::kZeroPoint;
}

}  // namespace

Status EngineDerived::begin(uint64_t expert) {
  expert_ = expert;
  sources_.clear();
  const ComponentKind plane = derived_from(view_);
  const ComponentKind kind = view_.source_component(plane);
  if (!view_.is_engine() || view_.is_packed(plane) ||
      view_.reader.find_component(view_.form, kind) == nullptr)
    return {};
  uint64_t offset_bytes = 0;
  for (uint32_t p = 0; p < view_.operand.part_count; ++p) {
    IMP_ASSIGN(SourcePlane source, read(p, expert, offset_bytes));
    sources_.push_back(std::move(source));
  }
  return {};
}

/// A tensor that is not recorded is missed by check_stored_planes.
Result<EngineDerived::SourcePlane> EngineDerived::read(uint32_t part, uint64_t expert,
                                                       uint64_t& offset_bytes) const {
  const ComponentKind plane = derived_from(view_);
  const auto& component = *view_.reader.find_component(view_.form, view_.source_component(plane));
  const auto* tensor = planes_.find_for(operand_, part, static_cast<uint32_t>(expert), plane);
  SourcePlane source;
  source.dtype = static_cast<Dtype>(component.dtype);
  source.coding = plane_coding(
      view_.operand, plane, source.dtype,
      tensor == nullptr ? quant::Encoding::kRows : static_cast<quant::Encoding>(tensor->encoding),
      view_.reader.parts_of(view_.operand)[part].n_count);
  std::vector<std::byte> stored(quant::source_bytes(source.coding));
  IMP_TRY(view_.reader.read_component(
      component, expert * component.expert_stride_bytes + offset_bytes, stored));
  offset_bytes += stored.size();
  source.bytes.resize(quant::canonical_bytes(source.coding));
  Status status = quant::to_canonical(source.coding, stored, source.bytes);
  if (status.ok()) return source;
  Error error = std::move(status).error();
  error.file = view_.reader.path();
  error.tensor = view_.name();
  return error;
}

/// Bits of the 16-bit number that belongs to a row of the operand and a group.
uint16_t EngineDerived::expected(uint64_t row, uint64_t group, const CanonicalSlab& canonical,
                                 uint64_t groups) const {
  const auto parts = view_.reader.parts_of(view_.operand);
  size_t p = 0;
  while (p + 1 < parts.size() && row >= parts[p].n0 + parts[p].n_count) ++p;
  if (sources_.empty()) return fp8_scale(part_multiplier(view_, parts[p], expert_));
  const SourcePlane& source = sources_[p];
  const uint64_t at = row - parts[p].n0;
  if (view_.scheme() == Scheme::kFp8)
    return fp8_scale(quant::load_number(source.bytes.data(),
                                        at / view_.group_rows() * source.coding.columns + group,
                                        source.dtype));
  const bool f16 = view_.form.dialect == 1;
  const auto bits =
      load_le<uint16_t>(canonical.scales.data() + 2 * ((row - canonical.row0) * groups + group));
  const float scale = f16 ? quant::f16_to_float(bits) : quant::bf16_to_float(bits);
  const uint64_t columns = source.coding.columns;
  const auto byte = [&](uint64_t i) { return static_cast<uint8_t>(source.bytes[i]); };
  const uint32_t zero = source.coding.bits == 4
                            ? byte(at * ((columns + 1) / 2) + group / 2) >> (4 * (group % 2)) & 0xFu
                            : byte(at * columns + group);
  // 11 bits times 8: exact before it is rounded.
  const float min = -(scale * static_cast<float>(zero));
  return f16 ? quant::f16_from_float(min) : quant::bf16_from_float(min);
}

Status EngineDerived::check(const StoredSlab& stored, const CanonicalSlab& canonical) {
  if (!view_.is_engine()) return {};
  if (view_.layout() == LayoutId::kMarlin && model::has_two_levels(view_.scheme())) {
    for (const std::byte scale : canonical.scales)
      largest_ = std::max(largest_, static_cast<uint8_t>(scale & std::byte{0x7F}));
    if (multipliers_.size() <= expert_) multipliers_.push_back(stored.multipliers[0]);
    return {};
  }
  const bool fp8 = view_.scheme() == Scheme::kFp8;
  if (!fp8 && canonical.mins.empty()) return {};
  const std::vector<std::byte>& plane = fp8 ? canonical.scales : canonical.mins;
  const uint64_t groups = plane.size() / 2 / stored.rows;
  for (uint64_t i = 0; i < stored.rows * groups; ++i) {
    const uint64_t row = stored.row0 + i / groups, group = i % groups;
    if (load_le<uint16_t>(plane.data() + 2 * i) != expected(row, group, canonical, groups))
      return mismatch(fp8 ? "the scale" : "the folded zero point", row, group);
  }
  return {};
}

Status EngineDerived::finish() const {
  for (uint64_t e = 0; e < multipliers_.size(); ++e) {
    IMP_ASSIGN(const uint32_t log2, rescale_log2(view_, e, multipliers_[e]));
    const uint32_t want = marlin_rescale_log2(largest_);
    if (log2 != want)
      return Error{ErrorKind::kInverseMismatch,
                   "scales of expert " + std::to_string(e) + " are multiplied by 2^" +
                       std::to_string(log2) + ", the largest of the operand asks for 2^" +
                       std::to_string(want),
                   view_.reader.path(), view_.name()};
  }
  return {};
}

Status EngineDerived::mismatch(const char* what, uint64_t row, uint64_t group) const {
  return Error{ErrorKind::kInverseMismatch,
               std::string(what) + " of row " + std::to_string(row) +
                   (view_.operand.experts > 1 ? " of expert " + std::to_string(expert_) : "") +
                   ", group " + std::to_string(group) + " is not what the source gives",
               view_.reader.path(), view_.name()};
}

}  // namespace imp::verify
