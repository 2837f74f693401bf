#include "src/unpack/engine_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <utility>

#include "src/base/checked.h"
#include "src/base/little_endian.h"
#include "src/base/shape.h"
#include "src/model/group_planes.h"
#include "src/model/roles.h"
#include "src/unpack/exceptions.h"

namespace imp::unpack {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;
using artifact::Reader;
using artifact::ScalarState;
using layouts::LayoutId;
using model::Role;
using model::Scheme;
using repack::GroupOrder;
using repack::Path;
using repack::TileOrder;

constexpr uint64_t kMaxDim = uint64_t{1} << 40;  // no size computed from it can wrap
constexpr uint64_t kMaxWeights = uint64_t{1} << 60;
constexpr uint64_t kNvfp4Group = 16;

bool is_machete(LayoutId layout) {
  return layout == LayoutId::kMachete4 || layout == LayoutId::kMachete8;
}

TileOrder tile_order(const Plane& plane) {
  switch (plane.layout()) {
    case LayoutId::kMaxSm8x:
      return TileOrder::kMaxSm8x;
    case LayoutId::kMachete4:
      return TileOrder::kMachete4;
    case LayoutId::kMachete8:
      return TileOrder::kMachete8;
    default:
      return model::code_bits(plane.scheme()) == 4 ? TileOrder::kMarlin4 : TileOrder::kMarlin8;
  }
}

/// One scale a row: of integers without groups, or with one.
bool has_row_scales(const Plane& plane) {
  const uint64_t group = plane.operand->group_size;
  return model::group_size_of(plane.scheme()) == 0 && (group == 0 || group >= plane.operand->k);
}

GroupOrder group_order(const Plane& plane) {
  if (is_machete(plane.layout())) return GroupOrder::kNatural;
  if (plane.kind() == ComponentKind::kZeroPoint)
    return model::code_bits(plane.scheme()) == 4 ? GroupOrder::kZero4 : GroupOrder::kZero8;
  if (plane.layout() == LayoutId::kMaxSm8x) return GroupOrder::kGroup;
  if (!model::is_integer(plane.scheme())) return GroupOrder::kBytes;
  return has_row_scales(plane) ? GroupOrder::kSingle : GroupOrder::kGroup;
}

Error bad_record(std::string message) {
  return Error{ErrorKind::kBadRecord, std::move(message), "", ""};
}

}  // namespace

layouts::MatrixShape engine_shape(const Plane& plane) {
  const artifact::OperandRecord& operand = *plane.operand;
  layouts::MatrixShape shape{operand.n, operand.k, operand.group_size};
  const auto role = static_cast<Role>(operand.role);
  if (role == Role::kExpertDown) shape.intermediate = layouts::Intermediate::kColumns;
  if (role == Role::kExpertGateUp || role == Role::kExpertGate || role == Role::kExpertUp)
    shape.intermediate = layouts::Intermediate::kRows;
  if (role == Role::kExpertGateUp) shape.parts = 2;
  return shape;
}

EngineRows::EngineRows(const Reader& reader, const Plane& plane)
    : reader_(reader),
      plane_(plane),
      k_(plane.operand->k),
      shape_(engine_shape(plane)),
      tiles_(tile_order(plane)),
      order_(group_order(plane)) {}

Result<EngineRows> EngineRows::open(const Reader& reader, const Plane& plane) {
  EngineRows rows(reader, plane);
  IMP_TRY(rows.check_shape());
  IMP_TRY(rows.check_component());
  return rows;
}

Status EngineRows::check_shape() {
  const artifact::FormRecord& form = *plane_.form;
  const std::string layout = layouts::find_layout(form.layout)->name;
  const bool sane = shape_.n > 0 && k_ > 0 && shape_.n <= kMaxDim && k_ <= kMaxDim &&
                    shape_.n % shape_.parts == 0 && shape_.group_size <= kMaxDim &&
                    layouts::refusal(plane_.layout(), shape_) == nullptr;
  if (sane) padded_ = layouts::padded_shape(plane_.layout(), shape_);
  if (!sane || checked_mul(padded_.n, padded_.k).value_or(kMaxWeights) >= kMaxWeights ||
      padded_.n != form.padded_n || padded_.k != form.padded_k)
    return bad_record("its form is padded to [" + std::to_string(form.padded_n) + ", " +
                      std::to_string(form.padded_k) + "], which layout " + layout +
                      " does not hold [" + std::to_string(shape_.n) + ", " + std::to_string(k_) +
                      "] in");
  if (!has_row_scales(plane_)) {
    groups_ = model::groups_of(ComponentKind::kBlockScale, shape_.group_size, k_);
    padded_groups_ = (padded_.k + shape_.group_size - 1) / shape_.group_size;
  }
  return {};
}

repack::Runs EngineRows::pieces(uint64_t packed_rows) const {
  return is_codes() ? repack::tile_runs(tiles_, packed_rows, padded_.k)
                    : repack::group_runs(order_, bits_, packed_rows, padded_groups_);
}

Status EngineRows::check_component() {
  const bool max = plane_.layout() == LayoutId::kMaxSm8x;
  const ComponentKind kind = is_codes() || max ? ComponentKind::kBlocks : plane_.kind();
  stored_ = reader_.find_component(*plane_.form, kind);
  if (order_ == GroupOrder::kZero4)
    bits_ = 4;
  else if (max)
    bits_ = 16;
  else if (!is_codes() && model::is_integer(plane_.scheme()) &&
           plane_.kind() == ComponentKind::kBlockScale)
    bits_ = dtype_bits(static_cast<Dtype>(plane_.tensor->dtype));
  uint64_t want = pieces(padded_.n).count * pieces(padded_.n).bytes;
  if (max) {
    const uint64_t codes = padded_.n * padded_.k / 2, scales = codes / 4;
    offset_bytes_ = is_codes() ? 0 : codes;
    want = codes + scales;
  }
  const uint64_t experts = plane_.operand->experts;
  const uint64_t have = stored_ == nullptr ? 0
                        : experts > 1      ? stored_->expert_stride_bytes
                                           : stored_->size_bytes;
  if (stored_ != nullptr && have == want) return {};
  return bad_record("component " + std::to_string(static_cast<uint16_t>(kind)) + " of layout " +
                    layouts::find_layout(plane_.form->layout)->name +
                    (stored_ == nullptr
                         ? " is missing"
                         : " has " + std::to_string(have) + " bytes, expected " +
                               std::to_string(want) + (experts > 1 ? " for each expert" : "")));
}

/// The rows from `row` of the operand on, at most `rows`, that lie together.
EngineRows::Run EngineRows::run_from(uint64_t row, uint64_t rows) const {
  if (padded_.part_rows == 0) return {row, rows, row};
  const uint64_t part = shape_.n / shape_.parts;
  return {row, std::min(rows, part - row % part), row / part * padded_.part_rows + row % part};
}

Status EngineRows::read(uint64_t expert, uint64_t first_row, uint64_t rows, MutableBytes out) {
  const uint64_t pitch = out.size() / rows;
  for (uint64_t done = 0; done < rows;) {
    const Run run = run_from(plane_.part->n0 + first_row + done, rows - done);
    if (run.packed_row % repack::tile_rows(tiles_) != 0)
      return bad_record("its rows begin at row " + std::to_string(run.packed_row) +
                        " of the packed matrix, expected a multiple of " +
                        std::to_string(repack::tile_rows(tiles_)));
    IMP_TRY(read_pieces(expert, run));
    IMP_TRY(unpack(expert, run, out.subspan(done * pitch, run.rows * pitch)));
    done += run.rows;
  }
  return {};
}

Status EngineRows::read_pieces(uint64_t expert, const Run& run) {
  const uint64_t rows = layouts::round_up_to(run.rows, repack::tile_rows(tiles_));
  const repack::Runs mine = pieces(rows), all = pieces(padded_.n), before = pieces(run.packed_row);
  packed_.resize(mine.count * mine.bytes);
  uint64_t from = expert * stored_->expert_stride_bytes + offset_bytes_ + before.bytes;
  for (uint64_t i = 0; i < mine.count; ++i, from += all.bytes)
    IMP_TRY(reader_.read_component(*stored_, from,
                                   MutableBytes(packed_).subspan(i * mine.bytes, mine.bytes)));
  return {};
}

Status EngineRows::unpack(uint64_t expert, const Run& run, MutableBytes out) {
  const uint64_t rows = layouts::round_up_to(run.rows, repack::tile_rows(tiles_));
  if (is_codes())
    return repack::tiles_unpack(tiles_, packed_, {run.rows, k_, rows, padded_.k}, Path::kWord, out);
  const repack::PaddedBox box{run.rows, groups_, rows, padded_groups_};
  if (!has_nvfp4_scales())
    return repack::groups_unpack(order_, bits_, packed_, box, Path::kWord, out);
  values_.resize(run.rows * groups_ * bits_ / 8);
  IMP_TRY(repack::groups_unpack(order_, bits_, packed_, box, Path::kWord, values_));
  return restore_scales(expert, run, out);
}

/// e4m3 bytes of the stored scales, and those that the layout lost.
Status EngineRows::restore_scales(uint64_t expert, const Run& run, MutableBytes out) {
  IMP_TRY(inverse_scales(expert, out));
  for (uint64_t i = 0; i < out.size(); ++i)
    if (out[i] == std::byte{0xFF})
      return Error{ErrorKind::kInverseMismatch,
                   "the stored scale of row " + std::to_string(run.operand_row + i / groups_) +
                       ", group " + std::to_string(i % groups_) + " encodes no e4m3 scale",
                   "", ""};
  const ComponentRecord* exceptions =
      reader_.find_component(*plane_.form, ComponentKind::kExceptions);
  if (exceptions == nullptr) return {};
  const uint64_t first = (expert * shape_.n + run.operand_row) * (k_ / kNvfp4Group);
  return apply_exceptions(reader_, *exceptions, first, {}, out);
}

Status EngineRows::inverse_scales(uint64_t expert, MutableBytes out) const {
  if (plane_.layout() == LayoutId::kMaxSm8x) {
    const repack::MaxScaleInverse inverse(global_scale(expert));
    for (uint64_t i = 0; i < out.size(); ++i)
      out[i] = std::byte{inverse(load_le<uint16_t>(&values_[2 * i]))};
    return {};
  }
  float factor = 1.0f;
  const bool rescaled = plane_.layout() == LayoutId::kMarlin;
  if (rescaled) {
    IMP_ASSIGN(factor, rescale(expert));
  }
  for (uint64_t i = 0; i < out.size(); ++i) {
    const auto stored = std::to_integer<uint8_t>(values_[i]);
    out[i] = std::byte{rescaled ? repack::marlin_scale_inverse(stored, factor)
                                : repack::marlin_a0_scale_inverse(stored)};
  }
  return {};
}

float EngineRows::global_scale(uint64_t expert) const {
  if (plane_.part->multiplier_count == 0) return 1.0f;
  const artifact::ScalarRecord& scalar = reader_.scalars()[plane_.part->first_multiplier + expert];
  const auto value = std::bit_cast<float>(scalar.bits);
  switch (static_cast<ScalarState>(scalar.state)) {
    case ScalarState::kMultiplier:
      return value;
    case ScalarState::kDivisor:
      return 1.0f / value;
    default:
      return 1.0f;
  }
}

/// marlin: the form's multiplier is the global scale times 2^119 over it (kernel-layouts 2.5).
Result<float> EngineRows::rescale(uint64_t expert) const {
  const ComponentRecord* component =
      reader_.find_component(*plane_.form, ComponentKind::kMultiplier);
  std::array<std::byte, sizeof(float)> bytes{};
  if (component == nullptr) return bad_record("its form has no multiplier");
  IMP_TRY(reader_.read_component(*component, expert * component->expert_stride_bytes, bytes));
  const double stored = load_le<float>(bytes.data());
  int exponent = 0;
  const double factor = std::ldexp(static_cast<double>(global_scale(expert)), 119) / stored;
  if (std::isfinite(factor) && std::frexp(factor, &exponent) == 0.5 && exponent >= 1 &&
      exponent <= 18)
    return static_cast<float>(factor);
  return bad_record("the form's multiplier of expert " + std::to_string(expert) +
                    " is not the global scale times 2^119 over a power of two");
}

}  // namespace imp::unpack
