// Components of a form: which there are, their dtypes, shapes and sizes.
#pragma once

#include <vector>

#include "src/plan/plan.h"

namespace imp::plan {

/// mma64 keeps the scales of this scheme inside its blocks of codes.
bool scales_in_blocks(model::Scheme scheme);
/// Bytes of a 64 x 64 block. REQUIRES: mma64 holds the scheme.
uint64_t mma64_block_bytes(model::Scheme scheme);

/// Components of `operand`, whose parts are set, in `layout`, offsets and blobs open.
std::vector<Component> make_components(const Operand& operand, const model::Model& model,
                                       LayoutId layout);

}  // namespace imp::plan
