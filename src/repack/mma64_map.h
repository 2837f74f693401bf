// Path::kMap of mma64 NVFP4. Contracts: nvfp4.h.
#pragma once

#include "src/repack/nvfp4.h"

namespace imp::repack::mma64 {

void pack_by_map(const Nvfp4Rows& in, uint64_t first_row, MutableBytes out,
                 std::vector<LostGroup>& lost);
Status unpack_by_map(Bytes packed, uint64_t rows, uint64_t k, MutableBytes codes,
                     MutableBytes scales);

}  // namespace imp::repack::mma64
