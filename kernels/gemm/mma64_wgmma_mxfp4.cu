// The wgmma kernel for MXFP4.
#include "kernels/gemm/mma64_wgmma.cuh"

namespace imp::kernels::wgmma {

Status launch_mxfp4(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                    cudaStream_t stream) {
  return launch_format<Mxfp4>(args, shape, type, overlap, stream);
}

}  // namespace imp::kernels::wgmma
