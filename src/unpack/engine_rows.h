// Canonical rows out of the layouts of other engines (kernels/layouts/README.md: marlin, max_sm8x,
// machete), whose components have rows of W as columns.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/layouts/padded_shape.h"
#include "src/repack/engine_tiles.h"
#include "src/unpack/plane.h"

namespace imp::unpack {

/// The padded matrix of a form. Gate and up of experts are padded each for itself, also where one
/// tensor has both.
layouts::MatrixShape engine_shape(const Plane& plane);

class EngineRows {
 public:
  /// Checks the padded shape and the component that holds the plane: after that all sizes are
  /// backed by the file. REQUIRES: plane.is_packed(), a layout of another engine.
  /// Errors: kBadRecord.
  static Result<EngineRows> open(const artifact::Reader& reader, const Plane& plane);

  /// Rows [first_row, first_row + rows) of the part, columns in the order of the form. REQUIRES: as
  /// PackedRows::read. Errors: kInverseMismatch, kBadRecord, kTruncated, kIo; without place.
  Status read(uint64_t expert, uint64_t first_row, uint64_t rows, MutableBytes out);

 private:
  /// Rows that lie together in the packed matrix.
  struct Run {
    uint64_t operand_row;
    uint64_t rows;
    uint64_t packed_row;
  };

  EngineRows(const artifact::Reader& reader, const Plane& plane);
  Status check_shape();
  Status check_component();
  bool is_codes() const { return plane_.kind() == artifact::ComponentKind::kCodes; }
  bool has_nvfp4_scales() const {
    return plane_.kind() == artifact::ComponentKind::kBlockScale &&
           plane_.scheme() == model::Scheme::kNvfp4;
  }
  Run run_from(uint64_t row, uint64_t rows) const;
  repack::Runs pieces(uint64_t packed_rows) const;
  Status read_pieces(uint64_t expert, const Run& run);
  Status unpack(uint64_t expert, const Run& run, MutableBytes out);
  Status restore_scales(uint64_t expert, const Run& run, MutableBytes out);
  Status inverse_scales(uint64_t expert, MutableBytes out) const;
  Result<float> rescale(uint64_t expert) const;
  float global_scale(uint64_t expert) const;

  const artifact::Reader& reader_;
  const Plane plane_;
  const uint64_t k_;
  const layouts::MatrixShape shape_;
  layouts::PaddedShape padded_;
  repack::TileOrder tiles_ = repack::TileOrder::kMarlin4;
  repack::GroupOrder order_ = repack::GroupOrder::kNatural;
  uint32_t bits_ = 8;    ///< of an element as it is stored
  uint64_t groups_ = 1;  ///< of a row
  uint64_t padded_groups_ = 1;
  const artifact::ComponentRecord* stored_ = nullptr;
  uint64_t offset_bytes_ = 0;  ///< in the component
  std::vector<std::byte> packed_;
  std::vector<std::byte> values_;  ///< scales as stored, in rows
};

}  // namespace imp::unpack
