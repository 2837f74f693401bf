// Rows of one expert of one form: as stored, and turned back into canonical planes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "formats/imp/reader.h"
#include "kernels/layouts/registry.h"
#include "src/base/result.h"
#include "src/model/group_planes.h"
#include "src/model/schemes.h"
#include "src/quant/encoding.h"

namespace imp::verify {

/// A slab starts at a multiple of this many rows, so that it is self-contained in every layout.
inline constexpr uint64_t kSlabUnitRows = 128;

/// What identifies a form while its rows are walked.
struct FormView {
  const artifact::Reader& reader;
  const artifact::OperandRecord& operand;
  const artifact::FormRecord& form;

  std::string name() const { return std::string(reader.string(operand.name)); }
  bool is_gemm() const { return (operand.flags & artifact::kOperandGemm) != 0; }
  layouts::LayoutId layout() const { return static_cast<layouts::LayoutId>(form.layout); }
  model::Scheme scheme() const { return static_cast<model::Scheme>(operand.scheme); }
  /// Block scales of a row; the last group may be short.
  uint64_t groups() const { return groups(artifact::ComponentKind::kBlockScale); }
  /// Elements of a row of this plane of groups.
  uint64_t groups(artifact::ComponentKind plane) const {
    return operand.group_size == 0 ? 0 : model::groups_of(plane, operand.group_size, operand.k);
  }
  uint64_t group_rows() const { return std::max(operand.group_rows, 1u); }
  /// The layout is that of another engine (engine_form.h).
  bool is_engine() const {
    return layout() >= layouts::LayoutId::kMarlin && layout() <= layouts::LayoutId::kMachete8;
  }
  /// Codes and block scales lie in the same blocks.
  bool has_scales_in_blocks() const;
  /// The weight makes no sense without this plane of groups beside the codes.
  bool needs(artifact::ComponentKind plane) const;
  /// The layout gives this plane an order of its own; every other plane lies in the form as in the
  /// source.
  bool is_packed(artifact::ComponentKind plane) const;
  /// The component of this kind was made from other planes of the source, which the form has too:
  /// scales of fp8 in marlin, folded zero points of machete.
  bool is_derived(artifact::ComponentKind plane) const;
  /// Component that has the source's bytes of a plane that is not packed.
  artifact::ComponentKind source_component(artifact::ComponentKind plane) const;
};

/// How `rows` rows of W of this plane are coded: codes and planes of groups; a bias has one column.
quant::PlaneCoding plane_coding(const artifact::OperandRecord& operand,
                                artifact::ComponentKind plane, Dtype dtype,
                                quant::Encoding encoding, uint64_t rows);

/// Planes of some rows; those that the form or its scheme has not are empty.
struct SlabPlanes {
  std::vector<std::byte> codes{};
  std::vector<std::byte> scales{};
  std::vector<std::byte> zero_points{};
  std::vector<std::byte> mins{};
  std::vector<std::byte> super_scales{};
  std::vector<std::byte> super_mins{};
  std::vector<std::byte> group_index{};  ///< of plain, of all columns
  uint64_t expert = 0;
  uint64_t row0 = 0;
  uint64_t rows = 0;

  /// REQUIRES: codes, or a plane of groups.
  std::vector<std::byte>& of(artifact::ComponentKind kind);
  const std::vector<std::byte>& of(artifact::ComponentKind kind) const {
    return const_cast<SlabPlanes*>(this)->of(kind);
  }
};
inline constexpr artifact::ComponentKind kGroupPlanes[] = {
    artifact::ComponentKind::kBlockScale, artifact::ComponentKind::kZeroPoint,
    artifact::ComponentKind::kGroupMin, artifact::ComponentKind::kSuperScale,
    artifact::ComponentKind::kSuperMin};

/// Rows [row0, row0 + rows) of expert `expert`: components of the planes' names (codes or blocks),
/// bytes as stored (padding included). What an engine's layout strides lies piece after piece, as
/// in a matrix of these rows alone.
struct StoredSlab : SlabPlanes {
  uint64_t padded_rows = 0;      ///< rows with the layout's padding
  std::vector<std::byte> lut{};  ///< components of that name
  std::vector<std::byte> bitmask{};
  std::vector<std::byte> row_offsets{};
  std::vector<float> multipliers;  ///< of each part, as the form holds them for this expert
};

/// The same rows as canonical planes (src/quant/encoding.h), columns in the order of the form. Of
/// an engine's layout scales and mins that are derived are there too, [rows, groups].
using CanonicalSlab = SlabPlanes;

/// Slabs begin at multiples of this: kSlabUnitRows, the rows under a scale, and those that the
/// encodings of a plain form pack together; all rows where they cannot be cut.
uint64_t slab_unit_rows(const FormView& view);
/// Rows of a slab that holds about `bytes` of codes; a multiple of slab_unit_rows.
uint64_t slab_rows(const FormView& view, uint64_t bytes);
/// The row behind the slab of at most `step` rows that begins at `row0`: slabs end where the layout
/// pads, inside the operand too.
uint64_t slab_end(const FormView& view, uint64_t row0, uint64_t step);

/// Errors: kIo, kTruncated; kBadRecord if a component that the layout needs is not there.
Result<StoredSlab> read_slab(const FormView& view, uint64_t expert, uint64_t row0, uint64_t rows);

class ExceptionCursor;
/// Inverse of the layout. What zero-scale groups held before is restored where `exceptions` is
/// given. Errors: kInverseMismatch for padding that is not zero, a scale byte that encodes nothing,
/// codes under a zero scale, scales of one group that differ; those of ExceptionCursor.
Result<CanonicalSlab> invert(const FormView& view, const StoredSlab& slab,
                             ExceptionCursor* exceptions = nullptr);

/// True if this level knows the inverse of (layout, scheme).
bool can_invert(const FormView& view);
/// Bytes of a block of mma64. REQUIRES: can_invert.
uint64_t mma64_block_bytes(model::Scheme scheme);

}  // namespace imp::verify
