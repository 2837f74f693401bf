// Values of one codes tensor: its planes recovered, held against their digests, and decoded.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "src/base/digest.h"
#include "src/quant/decode.h"
#include "src/unpack/plane_rows.h"

namespace imp::unpack {

/// Another plane of the weight whose codes are asked about: the tensor of `expert`, or the one that
/// holds every expert; nullopt where the source has none.
using FindSibling =
    std::function<Result<std::optional<Plane>>(artifact::ComponentKind kind, uint64_t expert)>;

/// Values of canonical rows [row0, row0 + rows) of one expert, exact, [rows, k].
struct ValueRows {
  uint64_t expert = 0;
  uint64_t row0 = 0;
  uint64_t rows = 0;
  std::vector<double> values;
};
using ValueSink = std::function<Status(const ValueRows&)>;

/// Give `sink` the values of `codes`, expert by expert, rows ascending. Slabs of about `slab_bytes`
/// of codes, an expert at a time where the source's planes cannot be cut. Every plane that is read
/// is compared with its digest in the end. Errors: those of PlaneRows; kBadRecord (a plane that the
/// scheme needs is missing), kUnsupportedScheme (planes without values), kBadShape,
/// kInverseMismatch, those of `sink`, kInterrupted.
Status stream_values(const artifact::Reader& reader, const Plane& codes,
                     const FindSibling& find_sibling, uint64_t slab_bytes, const ValueSink& sink);

}  // namespace imp::unpack
