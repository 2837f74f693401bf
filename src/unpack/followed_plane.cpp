#include "src/unpack/followed_plane.h"

#include <utility>

#include "src/unpack/stored_plane.h"
#include "src/unpack/stream.h"

namespace imp::unpack {
namespace {

using artifact::ComponentKind;

/// Bitmasks, row offsets and what they say the places of come whole.
bool has_rows(const Plane& plane) {
  return quant::has_canonical(static_cast<quant::Encoding>(plane.tensor->encoding)) &&
         plane.kind() != ComponentKind::kBitmask && plane.kind() != ComponentKind::kRowOffsets;
}

}  // namespace

Status FollowedPlane::open(const Plane& plane) {
  if (plane_ && plane_->tensor == plane.tensor) return {};
  IMP_TRY(finish());
  plane_ = plane;
  digest_ = Xxh3Stream();
  read_ = 0;
  rows_.reset();
  if (!has_rows(plane)) return {};
  IMP_ASSIGN(PlaneRows rows, PlaneRows::open(reader_, plane));
  rows_.emplace(std::move(rows));
  return {};
}

Status FollowedPlane::read(uint64_t expert, uint64_t row, uint64_t count) {
  IMP_TRY(rows_->read(expert, row, count, true, slab_));
  update(slab_.source);
  return {};
}

Status FollowedPlane::read_whole(uint64_t expert) {
  IMP_ASSIGN(slab_.source, read_stored(reader_, *plane_, expert));
  slab_.converted.clear();
  update(slab_.source);
  return {};
}

Bytes FollowedPlane::canonical_from(uint64_t row) const {
  return canonical().subspan(quant::canonical_bytes(quant::with_rows(rows_->coding(), row)));
}

Status FollowedPlane::finish() const {
  if (!plane_ || read_ != plane_->tensor->size_bytes) return {};
  return check_digest(reader_, *plane_, digest_.digest());
}

void FollowedPlane::update(Bytes bytes) {
  digest_.update(bytes);
  read_ += bytes.size();
}

}  // namespace imp::unpack
