#include "src/verify/engine_form.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>
#include <string>

#include "kernels/layouts/machete.h"
#include "kernels/layouts/marlin.h"
#include "kernels/layouts/max_sm8x.h"
#include "src/base/checked.h"
#include "src/model/roles.h"
#include "src/verify/reference.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;
using layouts::LayoutId;
using model::Role;
using model::Scheme;

/// A plane whose rows are columns of `steps` pieces.
struct Strided {
  uint64_t offset_bytes = 0;  ///< of the first piece, in the component
  uint64_t steps = 0;
  uint64_t bits_of_row = 0;  ///< of one row in one piece
};

Error fault(const FormView& view, ErrorKind kind, std::string what) {
  return Error{kind, std::move(what), view.reader.path(), view.name()};
}

/// Columns of W in one step of the codes; 0: all of them lie together.
uint64_t columns_of_step(LayoutId layout) {
  if (layout == LayoutId::kMaxSm8x) return 0;
  const bool machete = layout == LayoutId::kMachete4 || layout == LayoutId::kMachete8;
  return machete ? layouts::machete::kTileK : layouts::marlin::kTileK;
}

/// `rows_of_all`: of the matrix in which the plane lies, or of the slab's own.
std::vector<Strided> strided(const FormView& view, ComponentKind plane, uint64_t rows_of_all) {
  const uint32_t code_bits = model::code_bits(view.scheme());
  const uint64_t k = view.form.padded_k;
  if (plane == ComponentKind::kCodes) {
    const uint64_t columns = columns_of_step(view.layout());
    if (columns != 0) return {{0, k / columns, columns * code_bits}};
    return {{0, 1, k * code_bits},
            {layouts::max_sm8x::scales_offset_bytes(rows_of_all, k), k / layouts::max_sm8x::kGroup,
             16}};
  }
  const ComponentRecord* component = view.reader.find_component(view.form, plane);
  const uint32_t bits = plane == ComponentKind::kZeroPoint || component == nullptr
                            ? code_bits
                            : dtype_bits(static_cast<Dtype>(component->dtype));
  return {{0, engine_groups(view), bits}};
}

/// The component that holds a plane.
ComponentKind kind_of(ComponentKind plane) {
  return plane == ComponentKind::kCodes ? ComponentKind::kBlocks : plane;
}

}  // namespace

layouts::MatrixShape engine_shape(const FormView& view) {
  layouts::MatrixShape shape{view.operand.n, view.operand.k, view.operand.group_size};
  switch (static_cast<Role>(view.operand.role)) {
    case Role::kExpertGateUp:
      shape.parts = 2;
      [[fallthrough]];
    case Role::kExpertGate:
    case Role::kExpertUp:
      shape.intermediate = layouts::Intermediate::kRows;
      break;
    case Role::kExpertDown:
      shape.intermediate = layouts::Intermediate::kColumns;
      break;
    default:
      break;
  }
  return shape;
}

layouts::PaddedShape engine_padded(const FormView& view) {
  return layouts::padded_shape(view.layout(), engine_shape(view));
}

uint64_t padded_end(const FormView& view, uint64_t row) {
  const uint64_t n = view.operand.n;
  if (engine_padded(view).part_rows == 0) return n;
  const uint64_t half = std::max<uint64_t>(n / engine_shape(view).parts, 1);
  return std::min(n, (row / half + 1) * half);
}

PackedRange packed_range(const FormView& view, uint64_t row0, uint64_t rows) {
  const layouts::PaddedShape padded = engine_padded(view);
  const uint64_t end = padded_end(view, row0);
  PackedRange range{row0, rows};
  uint64_t packed_end = padded.n;
  if (padded.part_rows != 0) {
    const uint64_t half = std::max<uint64_t>(view.operand.n / engine_shape(view).parts, 1);
    range.row0 = row0 / half * padded.part_rows + row0 % half;
    packed_end = (row0 / half + 1) * padded.part_rows;
  }
  if (row0 + rows == end) range.rows = packed_end - range.row0;
  return range;
}

bool has_row_scales(const FormView& view) {
  const uint64_t group = view.operand.group_size;
  return model::group_size_of(view.scheme()) == 0 && (group == 0 || group >= view.operand.k);
}

uint64_t engine_groups(const FormView& view) {
  if (has_row_scales(view)) return 1;
  return div_up(view.form.padded_k, view.operand.group_size);
}

uint64_t engine_bytes(const FormView& view, ComponentKind plane, uint64_t rows) {
  uint64_t bytes = 0;
  for (const Strided& s : strided(view, plane, rows)) bytes += s.steps * rows * s.bits_of_row / 8;
  return bytes;
}

Status read_engine_plane(const FormView& view, ComponentKind plane, const StoredSlab& slab,
                         std::vector<std::byte>& out) {
  const ComponentRecord* component = view.reader.find_component(view.form, kind_of(plane));
  if (component == nullptr)
    return fault(
        view, ErrorKind::kBadRecord,
        "form has no component of kind " + std::to_string(static_cast<int>(kind_of(plane))));
  const PackedRange range = packed_range(view, slab.row0, slab.rows);
  out.resize(engine_bytes(view, plane, range.rows));
  uint64_t at = 0;
  for (const Strided& s : strided(view, plane, view.form.padded_n)) {
    const uint64_t piece = range.rows * s.bits_of_row / 8;
    uint64_t from = slab.expert * component->expert_stride_bytes + s.offset_bytes +
                    range.row0 * s.bits_of_row / 8;
    for (uint64_t i = 0; i < s.steps; ++i, at += piece) {
      IMP_TRY(view.reader.read_component(*component, from, MutableBytes(out).subspan(at, piece)));
      from += view.form.padded_n * s.bits_of_row / 8;
    }
  }
  return {};
}

Result<std::vector<float>> stored_multipliers(const FormView& view, uint64_t expert) {
  std::vector<float> values(view.operand.part_count, 1.0f);
  const ComponentRecord* component =
      view.reader.find_component(view.form, ComponentKind::kMultiplier);
  if (component == nullptr) return values;
  const bool one = view.is_engine() && model::has_two_levels(view.scheme());
  const auto read = std::span(values).first(one ? 1 : values.size());
  IMP_TRY(view.reader.read_component(*component, expert * component->expert_stride_bytes,
                                     std::as_writable_bytes(read)));
  if (one) std::fill(values.begin(), values.end(), values[0]);
  return values;
}

Result<uint32_t> rescale_log2(const FormView& view, uint64_t expert, float stored) {
  constexpr int kUnitLog2 = 119;       // 2^(126 - 7): kernel-layouts 2.5, bf16 activations
  constexpr int kLargestRescale = 17;  // of the smallest e4m3 scale, 2^-9: floor(log2(448 * 2^9))
  const float global = part_multiplier(view, view.reader.parts_of(view.operand)[0], expert);
  const int most = view.layout() == LayoutId::kMarlin ? kLargestRescale : 0;
  for (int log2 = 0; log2 <= most; ++log2)
    if (std::isnormal(stored) &&
        static_cast<double>(stored) == std::ldexp(static_cast<double>(global), kUnitLog2 - log2))
      return static_cast<uint32_t>(log2);
  return fault(view, ErrorKind::kInverseMismatch,
               "the multiplier of expert " + std::to_string(expert) +
                   " is not the global scale times 2^119 over a rescale");
}

}  // namespace imp::verify
