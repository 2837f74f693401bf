// The wgmma kernel for int4 in groups of multiples of 128, or with a scale a row.
#include "kernels/gemm/mma64_wgmma.cuh"

namespace imp::kernels::wgmma {

Status launch_int4(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                   cudaStream_t stream) {
  return launch_format<Int4<false, true>>(args, shape, type, overlap, stream);
}

}  // namespace imp::kernels::wgmma
