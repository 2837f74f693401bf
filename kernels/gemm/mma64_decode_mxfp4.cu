// The decode kernel for MXFP4.
#include "kernels/gemm/mma64_decode.cuh"

namespace imp::kernels::decode {

Status launch_mxfp4(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                    cudaStream_t stream) {
  return launch_format<Mxfp4>(args, shape, type, overlap, stream);
}

}  // namespace imp::kernels::decode
