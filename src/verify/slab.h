// Rows of one expert of one form: as stored, and turned back into canonical planes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "formats/imp/reader.h"
#include "kernels/layouts/registry.h"
#include "src/base/result.h"
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
  uint64_t groups() const {
    if (operand.group_size == 0) return 0;
    return operand.k / operand.group_size + (operand.k % operand.group_size != 0 ? 1 : 0);
  }
  uint64_t group_rows() const { return std::max(operand.group_rows, 1u); }
  /// Codes and block scales lie in the same blocks.
  bool has_scales_in_blocks() const;
  /// The layout gives this plane an order of its own; every other plane lies in the form as in the
  /// source.
  bool is_packed(artifact::ComponentKind plane) const;
};

/// How `rows` rows of W of this plane are coded: codes, block scales, zero points; a bias has one
/// column.
quant::PlaneCoding plane_coding(const artifact::OperandRecord& operand,
                                artifact::ComponentKind plane, Dtype dtype,
                                quant::Encoding encoding, uint64_t rows);

/// Rows [row0, row0 + rows) of expert `expert`, bytes as stored (padding included).
struct StoredSlab {
  uint64_t expert = 0;
  uint64_t row0 = 0;
  uint64_t rows = 0;
  std::vector<std::byte> codes;  ///< component codes or blocks
  std::vector<std::byte> block_scale;
  std::vector<std::byte> zero_point;
};

/// The same rows as canonical planes (src/quant/encoding.h), columns in the order of the form.
struct CanonicalSlab {
  std::vector<std::byte> codes;
  std::vector<std::byte> scales;
  std::vector<std::byte> zero_points;
};

/// Rows of a slab that holds about `bytes` of codes; a multiple of kSlabUnitRows and of the rows
/// under a scale.
uint64_t slab_rows(const FormView& view, uint64_t bytes);

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
/// True if the rows of a plain form can be read as slabs: its planes lie row by row, in a packing
/// that backends read.
bool has_plain_rows(const FormView& view);

/// Bytes of a block of mma64. REQUIRES: can_invert.
uint64_t mma64_block_bytes(model::Scheme scheme);

}  // namespace imp::verify
