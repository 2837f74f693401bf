// Canonical NVFP4 rows of a part, out of whichever layout holds them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "src/base/dtype.h"
#include "src/unpack/plane.h"

namespace imp::unpack {

enum class Nvfp4Planes : uint8_t { kCodes, kScales, kBoth };

/// Rows of one expert: codes [rows, K/2], scales [rows, K/16]; a plane that was not asked for may
/// be empty.
struct Nvfp4Slab {
  uint64_t rows = 0;
  std::vector<std::byte> codes;
  std::vector<std::byte> scales;
};

/// Slabs begin at multiples of this many rows, where every layout can be cut.
inline constexpr uint64_t kSlabUnitRows = 128;

class Nvfp4Rows {
 public:
  /// Checks group size, and that the form's components have the shapes that its layout gives [N,
  /// K]: after that all sizes are backed by the file. REQUIRES: plane.is_nvfp4(). Errors:
  /// kBadRecord.
  static Result<Nvfp4Rows> open(const artifact::Reader& reader, const Plane& plane);

  uint64_t row_code_bytes() const { return k_ / 2; }
  uint64_t row_scale_bytes() const { return groups_; }
  /// Rows of a slab of about `code_bytes` of codes, a multiple of kSlabUnitRows.
  uint64_t slab_rows(uint64_t code_bytes) const;
  /// Rows [first_row, first_row + rows) of the part. REQUIRES: they are inside it, first_row a
  /// multiple of kSlabUnitRows. Errors: kInverseMismatch (bytes that no source has), kBadRecord,
  /// kTruncated, kIo.
  Status read(uint64_t expert, uint64_t first_row, uint64_t rows, Nvfp4Planes wanted,
              Nvfp4Slab& slab);

 private:
  Nvfp4Rows(const artifact::Reader& reader, const Plane& plane);
  Status check_shapes();
  Result<const artifact::ComponentRecord*> component(artifact::ComponentKind kind, Dtype dtype,
                                                     std::initializer_list<uint64_t> dims) const;
  Status read_plain(uint64_t expert, uint64_t row, Nvfp4Planes wanted, Nvfp4Slab& slab);
  Status read_native(uint64_t expert, uint64_t row, Nvfp4Planes wanted, Nvfp4Slab& slab);
  Status read_mma64(uint64_t expert, uint64_t row, Nvfp4Slab& slab);

  const artifact::Reader& reader_;
  const Plane plane_;
  const uint64_t k_;
  const uint64_t groups_;
  const artifact::ComponentRecord* codes_ = nullptr;   ///< or blocks
  const artifact::ComponentRecord* scales_ = nullptr;  ///< null where the blocks hold them
  const artifact::ComponentRecord* exceptions_ = nullptr;
  std::vector<std::byte> packed_;
};

}  // namespace imp::unpack
