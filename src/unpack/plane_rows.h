// Rows of a weight's plane, as the source holds them and canonical, out of whichever form holds
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "src/unpack/packed_rows.h"
#include "src/unpack/plane.h"
#include "src/unpack/stored_plane.h"

namespace imp::unpack {

struct PlaneSlab {
  std::vector<std::byte> source;
  std::vector<std::byte> converted;

  /// Canonical rows: the source's own bytes where it holds them so.
  Bytes canonical() const { return converted.empty() ? Bytes(source) : Bytes(converted); }
};

/// Codes, a plane of groups or a bias of an operand that a GEMM takes, in an encoding that has
/// canonical rows.
class PlaneRows {
 public:
  /// Errors: those of find_stored and PackedRows::open; kBadRecord if the tensor's size is not what
  /// its encoding gives.
  static Result<PlaneRows> open(const artifact::Reader& reader, const Plane& plane);

  const quant::PlaneCoding& coding() const { return coding_; }
  /// Slabs begin at multiples of this many rows of the plane; it may be more than there are.
  uint64_t unit_rows() const { return unit_rows_; }
  /// Rows of a slab of about `bytes` of the source.
  uint64_t slab_rows(uint64_t bytes) const;
  /// Rows [row, row + rows) of one expert; `row` a multiple of the unit, and `rows` too unless it
  /// ends the plane. `canonical` is not made if it is not wanted and the source's bytes come
  /// without. Errors: those of PackedRows::read and quant::to_canonical, with tensor.
  Status read(uint64_t expert, uint64_t row, uint64_t rows, bool canonical, PlaneSlab& slab);

 private:
  PlaneRows(const artifact::Reader& reader, const Plane& plane);
  /// A bias whose rows stand in the order of the codes.
  bool is_reordered() const;

  const artifact::Reader& reader_;
  Plane plane_;
  quant::PlaneCoding coding_;
  uint64_t unit_rows_ = 1;
  std::optional<PackedRows> packed_;
  StoredPlane stored_;
};

}  // namespace imp::unpack
