// Negative controls: each run damages a copy in memory and must see each check fail, else a pass
// means nothing.
#pragma once

#include <vector>

#include "formats/imp/reader.h"
#include "src/verify/gemm_backend.h"
#include "src/verify/problems.h"

namespace imp::verify {

struct ControlCounts {
  uint64_t made = 0;
  uint64_t seen = 0;
};

/// One flipped bit for the chunk digests, and one in a code of the first quantized (else first
/// plain) GEMM form of each layout in `forms` for the inverse and for the identity check, on the
/// backend that ran the form. A damage that no check sees is kControlNotDetected.
ControlCounts run_controls(const artifact::Reader& reader, const std::vector<uint32_t>& forms,
                           Problems& problems, GemmBackend* cuda = nullptr);

}  // namespace imp::verify
