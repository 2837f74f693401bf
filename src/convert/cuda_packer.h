// Packing on a card, for `imp-convert --backend cuda`.
#pragma once

#include <cstdint>
#include <memory>

#include "src/convert/packer.h"
#include "src/model/model.h"
#include "src/plan/plan.h"

namespace imp::convert {

/// A packer on the current device with slabs of at most `slab_bytes` and at most `budget_bytes` of
/// its memory, less where less is free. Errors: kNoDevice (no card, a build without CUDA, too
/// little memory).
Result<std::unique_ptr<Packer>> make_cuda_packer(const model::Source& source,
                                                 const plan::Plan& plan, uint64_t slab_bytes,
                                                 uint64_t budget_bytes, repack::Path path);

}  // namespace imp::convert
