// A plane that is read along with the codes, and held against its digest once all of it was read.
#pragma once

#include <optional>

#include "src/base/digest.h"
#include "src/unpack/plane_rows.h"

namespace imp::unpack {

class FollowedPlane {
 public:
  explicit FollowedPlane(const artifact::Reader& reader) : reader_(reader) {}

  /// Go on with this tensor; the one before is checked. Errors: those of finish and PlaneRows.
  Status open(const Plane& plane);
  bool is_open() const { return plane_.has_value(); }
  /// REQUIRES: an encoding that has rows.
  const PlaneRows& rows() const { return *rows_; }
  const Plane& plane() const { return *plane_; }

  /// Rows ascending. Errors: those of PlaneRows::read.
  Status read(uint64_t expert, uint64_t row, uint64_t count);
  /// A whole expert of a plane without rows.
  Status read_whole(uint64_t expert);
  Bytes canonical() const { return slab_.canonical(); }
  /// From row `row` of the slab on.
  Bytes canonical_from(uint64_t row) const;
  Bytes source() const { return slab_.source; }

  /// The digest, unless the tensor holds experts that nobody asked for. Errors: kInverseMismatch.
  Status finish() const;

 private:
  void update(Bytes bytes);

  const artifact::Reader& reader_;
  std::optional<Plane> plane_;
  std::optional<PlaneRows> rows_;
  PlaneSlab slab_;
  Xxh3Stream digest_;
  uint64_t read_ = 0;
};

}  // namespace imp::unpack
