// Rows of one expert of one form: as stored, and turned back into canonical planes.
#pragma once

#include <cstdint>
#include <vector>

#include "formats/imp/reader.h"
#include "src/base/result.h"
#include "src/model/schemes.h"

namespace imp::verify {

/// A slab starts at a multiple of this many rows, so that it is self-contained in every layout.
inline constexpr uint64_t kSlabUnitRows = 128;

/// What identifies a form while its rows are walked.
struct FormView {
  const artifact::Reader& reader;
  const artifact::OperandRecord& operand;
  const artifact::FormRecord& form;

  std::string name() const { return std::string(reader.string(operand.name)); }
  uint64_t groups() const { return operand.group_size == 0 ? 0 : operand.k / operand.group_size; }
  model::Scheme scheme() const { return static_cast<model::Scheme>(operand.scheme); }
};

/// Rows [row0, row0 + rows) of expert `expert`, bytes as stored (padding included).
struct StoredSlab {
  uint64_t expert = 0;
  uint64_t row0 = 0;
  uint64_t rows = 0;
  std::vector<std::byte> codes;  ///< component codes or blocks
  std::vector<std::byte> block_scale;
};

/// The same rows as in the canonical planes: codes row-major without padding, scales [rows,
/// groups].
struct CanonicalSlab {
  std::vector<std::byte> codes;
  std::vector<std::byte> scales;
};

/// Rows of a slab that holds about `bytes` of codes; a multiple of kSlabUnitRows.
uint64_t slab_rows(const FormView& view, uint64_t bytes);

/// Errors: kIo, kTruncated; kBadRecord if a component that the layout needs is not there.
Result<StoredSlab> read_slab(const FormView& view, uint64_t expert, uint64_t row0, uint64_t rows);

/// Inverse of the layout. What zero-scale groups held before is not restored (see
/// apply_exceptions). Errors: kInverseMismatch for padding that is not zero, a scale byte that
/// encodes nothing or codes under a zero scale.
Result<CanonicalSlab> invert(const FormView& view, const StoredSlab& slab);

/// True if this level knows the inverse of (layout, scheme).
bool can_invert(const FormView& view);

}  // namespace imp::verify
