// Canonical rows of codes, block scales and zero points out of the layouts that pack them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "src/base/dtype.h"
#include "src/unpack/engine_rows.h"
#include "src/unpack/plane.h"

namespace imp::unpack {

/// Slabs begin at multiples of this many rows, where every layout can be cut.
inline constexpr uint64_t kSlabUnitRows = 128;

class PackedRows {
 public:
  /// Checks the scheme's group size, and that the form's components have the shapes that its layout
  /// gives [N, K]: after that all sizes are backed by the file. REQUIRES: plane.is_packed().
  /// Errors: kBadRecord.
  static Result<PackedRows> open(const artifact::Reader& reader, const Plane& plane);

  /// Bytes of a canonical row.
  uint64_t pitch() const { return pitch_; }
  /// Rows [first_row, first_row + rows) of the part to `out`. REQUIRES: they are inside it,
  /// first_row a multiple of kSlabUnitRows, out.size() == rows * pitch(). Errors: kInverseMismatch
  /// (bytes that no source has), kBadRecord, kTruncated, kIo.
  Status read(uint64_t expert, uint64_t first_row, uint64_t rows, MutableBytes out);

 private:
  PackedRows(const artifact::Reader& reader, const Plane& plane);
  Status check_groups() const;
  Status check_shapes();
  Status open_engine();
  Status find_gather();
  Result<const artifact::ComponentRecord*> component(artifact::ComponentKind kind, Dtype dtype,
                                                     std::initializer_list<uint64_t> dims) const;
  bool is_codes() const { return plane_.kind() == artifact::ComponentKind::kCodes; }
  uint64_t packed_bytes(uint64_t rows) const;
  uint64_t unit_rows() const;
  Status unpack(uint64_t first_group_row, uint64_t rows, MutableBytes out);
  Status unpack_native(uint64_t rows, MutableBytes out);
  Status unpack_blocks(uint64_t operand_row, uint64_t rows, MutableBytes out);
  Status ungather(uint64_t expert, uint64_t rows, MutableBytes out) const;

  const artifact::Reader& reader_;
  const Plane plane_;
  const uint64_t k_;
  const uint32_t bits_;    ///< of an element of this plane
  const uint64_t groups_;  ///< block scales of a row, or elements of this plane of groups
  const uint64_t pitch_;
  const artifact::ComponentRecord* stored_ = nullptr;
  const artifact::ComponentRecord* exceptions_ = nullptr;
  const artifact::ComponentRecord* gather_ = nullptr;
  std::optional<EngineRows> engine_;  ///< where the layout is that of another engine
  std::vector<std::byte> packed_;
  std::vector<std::byte> codes_, scales_;  ///< of blocks that hold both
};

}  // namespace imp::unpack
