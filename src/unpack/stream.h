// The canonical bytes of a source tensor, in order, in pieces.
#pragma once

#include <cstdint>
#include <functional>

#include "src/base/digest.h"
#include "src/unpack/nvfp4_rows.h"
#include "src/unpack/plane.h"

namespace imp::unpack {

using Sink = std::function<Status(Bytes)>;
using Nvfp4Sink = std::function<Status(uint64_t expert, const Nvfp4Slab&)>;

/// Give `sink` the tensor's bytes: numbers of the index, a packed plane, or a component as it is.
/// Pieces of about `slab_bytes`. Errors: kBadRecord (the tensor is no plane of its operand), those
/// of Nvfp4Rows, of `sink`; kInterrupted.
Status stream_plane(const artifact::Reader& reader, const Plane& plane, uint64_t slab_bytes,
                    const Sink& sink);

/// Codes and block scales together, slabs of about `slab_bytes` of codes, expert by expert.
/// REQUIRES: `codes` is a codes plane and is_packed().
Status stream_nvfp4(const artifact::Reader& reader, const Plane& codes, uint64_t slab_bytes,
                    const Nvfp4Sink& sink);

/// kInverseMismatch unless `digest` is the recorded one.
Status check_digest(const artifact::Reader& reader, const Plane& plane, const Digest128& digest);

}  // namespace imp::unpack
