// The canonical bytes of a source tensor, in order, in pieces.
#pragma once

#include <cstdint>
#include <functional>

#include "src/base/digest.h"
#include "src/unpack/plane.h"

namespace imp::unpack {

using Sink = std::function<Status(Bytes)>;

/// Give `sink` the tensor's bytes: numbers of the index, a packed plane, or a component as it is.
/// Pieces of about `slab_bytes`; a plane that the source holds in no order of rows comes an expert
/// at a time. Errors: kBadRecord (the tensor is no plane of its operand), those of PlaneRows, of
/// `sink`; kInterrupted.
Status stream_plane(const artifact::Reader& reader, const Plane& plane, uint64_t slab_bytes,
                    const Sink& sink);

/// kInverseMismatch unless `digest` is the recorded one.
Status check_digest(const artifact::Reader& reader, const Plane& plane, const Digest128& digest);

}  // namespace imp::unpack
