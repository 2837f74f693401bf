#include "src/model/weight_rows.h"

#include <algorithm>
#include <bit>
#include <string>

#include "src/base/checked.h"
#include "src/model/plane_coding.h"
#include "src/model/scalars.h"
#include "src/model/source_read.h"
#include "src/model/weight_format.h"

namespace imp::model {
namespace {

using quant::PlaneCoding;
using quant::WeightFormat;
using quant::with_rows;

/// Where one expert's plane lies: the tensor, and its first byte there.
struct Origin {
  uint32_t tensor = kNone;
  uint64_t offset_bytes = 0;
};

Origin origin_of(const Source& source, const Weight& weight, const PlaneSet& set, uint64_t expert,
                 uint64_t expert_bytes) {
  if (set.tensors.size() > 1 || weight.experts == 1)
    return {set.tensors[weight.experts == 1 ? 0 : expert], 0};
  const Shape& shape = source.tensors[set.tensors[0]].shape;
  const bool all = shape.rank > 0 && shape[0] == weight.experts;
  return {set.tensors[0], all ? expert * expert_bytes : 0};
}

}  // namespace

WeightFormat format_of(const Source& source, const Weight& weight) {
  WeightFormat format = weight_format(weight.scheme);
  format.code_dtype = weight.dtype;
  format.bits = is_quantized(weight.scheme) ? code_bits(weight.scheme) : dtype_bits(weight.dtype);
  format.rows = weight.n;
  format.columns = weight.k;
  format.group_size = weight.group_size;
  format.group_rows = weight.group_rows;
  if (const PlaneSet* scales = weight.find(ComponentKind::kBlockScale))
    format.scale_dtype = first_tensor(source, *scales).dtype;
  return format;
}

Result<WeightRows> WeightRows::open(const Source& source, const Weight& weight) {
  const PlaneSet& codes = *weight.find(ComponentKind::kCodes);
  if (!quant::has_canonical(codes.encoding) || weight.scheme == Scheme::kRaw)
    return tensor_error(source, codes.tensors[0], ErrorKind::kUnsupportedScheme,
                        "its values cannot be read row by row (scheme " +
                            std::string(scheme_name(weight.scheme)) + ", encoding " +
                            std::string(quant::encoding_name(codes.encoding)) + ")");
  WeightRows rows(source, weight);
  if (!blocks_type(weight.scheme)) rows.format_ = format_of(source, weight);
  return rows;
}

Status WeightRows::read(uint64_t expert, uint64_t row0, uint64_t rows, std::span<float> out) {
  if (blocks_type(weight_.scheme)) return read_blocks(expert, row0, rows, out);
  IMP_TRY(open_expert(expert));
  const uint64_t group_row0 = row0 / format_.group_rows;
  const uint64_t row_in_group = row0 % format_.group_rows;
  const uint64_t group_rows = format_.scale_rows(row_in_group + rows);
  quant::CanonicalRows planes;
  planes.rows = rows;
  planes.row_in_group = row_in_group;
  const auto load = [&](Bytes& plane, ComponentKind kind) -> Status {
    IMP_ASSIGN(plane, canonical(kind, expert, group_row0, group_rows));
    return {};
  };
  IMP_ASSIGN(planes.codes, canonical(ComponentKind::kCodes, expert, row0, rows));
  IMP_TRY(load(planes.scales, ComponentKind::kBlockScale));
  IMP_TRY(load(planes.zero_points, ComponentKind::kZeroPoint));
  IMP_TRY(load(planes.mins, ComponentKind::kGroupMin));
  IMP_TRY(load(planes.super_scales, ComponentKind::kSuperScale));
  IMP_TRY(load(planes.super_mins, ComponentKind::kSuperMin));
  exact_.resize(out.size());
  quant::decode_rows(format_, planes, groups_, global_of(expert), exact_);
  std::transform(exact_.begin(), exact_.end(), out.begin(),
                 [](double value) { return static_cast<float>(value); });
  return {};
}

Status WeightRows::read_blocks(uint64_t expert, uint64_t row0, uint64_t rows,
                               std::span<float> out) {
  IMP_ASSIGN(const Bytes blocks, canonical(ComponentKind::kCodes, expert, row0, rows));
  quant::decode_blocks(*blocks_type(weight_.scheme), blocks, out);
  return {};
}

Result<Bytes> WeightRows::canonical(ComponentKind kind, uint64_t expert, uint64_t row0,
                                    uint64_t rows) {
  const PlaneSet* set = weight_.find(kind);
  if (set == nullptr) return Bytes{};
  const PlaneCoding whole = coding_of(source_, weight_, *set, weight_.n);
  const uint64_t unit = quant::cut_rows(whole);
  const uint64_t first = unit == 0 ? 0 : row0 / unit * unit;
  const uint64_t last = unit == 0 ? whole.rows : std::min(round_up(row0 + rows, unit), whole.rows);
  Held& held = held_[kind];
  if (held.expert != expert || held.row0 != first || held.rows != last - first) {
    const PlaneCoding part = with_rows(whole, last - first);
    const Origin origin = origin_of(source_, weight_, *set, expert, quant::source_bytes(whole));
    std::vector<std::byte> stored(quant::source_bytes(part));
    const uint64_t before = first == 0 ? 0 : quant::source_bytes(with_rows(whole, first));
    IMP_TRY(read_tensor(source_, origin.tensor, origin.offset_bytes + before, stored));
    held = {expert, first, last - first, {}};
    held.bytes.resize(quant::canonical_bytes(part));
    Status status = quant::to_canonical(part, stored, held.bytes);
    if (!status.ok())
      return tensor_error(source_, origin.tensor, status.error().kind, status.error().message);
  }
  const uint64_t pitch = quant::canonical_bytes(with_rows(whole, 1));
  return Bytes(held.bytes).subspan((row0 - first) * pitch, rows * pitch);
}

quant::GlobalScale WeightRows::global_of(uint64_t expert) const {
  if (weight_.multipliers.empty()) return {};
  const Scalar& scalar = weight_.multipliers[expert];
  if (scalar.state == ScalarState::kAbsent || scalar.state == ScalarState::kUnused) return {};
  return {std::bit_cast<float>(scalar.bits), scalar.state == ScalarState::kDivisor
                                                 ? quant::Convention::kDivisor
                                                 : quant::Convention::kMultiplier};
}

Status WeightRows::open_expert(uint64_t expert) {
  if (expert == expert_) return {};
  std::vector<std::byte> index;
  if (const PlaneSet* set = weight_.find(ComponentKind::kGroupIndex)) {
    const uint32_t tensor = set->tensors[set->tensors.size() == 1 ? 0 : expert];
    IMP_ASSIGN(index, read_bytes(source_, tensor, 0, source_.tensors[tensor].size_bytes));
  }
  IMP_ASSIGN(groups_, quant::column_groups(format_, index));
  expert_ = expert;
  return {};
}

}  // namespace imp::model
