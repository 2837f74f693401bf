#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/repack/repack.h"

namespace imp::kernels {

uint64_t mma64_nvfp4_packed_bytes(uint64_t rows, uint64_t k) {
  using namespace layouts::mma64_nvfp4;
  return (rows + kTileN - 1) / kTileN * ((k + kTileK - 1) / kTileK) * kBlockBytes;
}

}  // namespace imp::kernels
