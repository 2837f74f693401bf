// A plane that lies in a form byte for byte as its component says: the source's bytes, or rows that
// only stand in another order.
#pragma once

#include <cstdint>
#include <vector>

#include "src/unpack/plane.h"

namespace imp::unpack {

struct StoredPlane {
  const artifact::ComponentRecord* component = nullptr;
  uint64_t offset_bytes = 0;  ///< of the part, in one expert
  uint64_t expert_bytes = 0;  ///< of the part, of one expert
  uint64_t first_expert = 0;  ///< experts that the tensor holds; one where all share the plane
  uint64_t expert_count = 1;

  /// REQUIRES: `expert` is one that the tensor holds, or any where all share it; offset_bytes +
  /// out.size() <= expert_bytes. Errors: kIo, kTruncated.
  Status read(const artifact::Reader& reader, uint64_t expert, uint64_t offset_bytes,
              MutableBytes out) const;
};

/// Errors: kBadRecord if the form has no component of this kind and dtype, or the tensor does not
/// fit it.
Result<StoredPlane> find_stored(const artifact::Reader& reader, const Plane& plane);

/// All of one expert's bytes. REQUIRES: as StoredPlane::read.
Result<std::vector<std::byte>> read_stored(const artifact::Reader& reader, const Plane& plane,
                                           uint64_t expert);

}  // namespace imp::unpack
