// The decode kernel for int4.
#include "kernels/gemm/mma64_decode.cuh"

namespace imp::kernels::decode {

Status launch_int4(const GemmArgs& args, const LaunchShape& shape, Float type, bool overlap,
                   cudaStream_t stream) {
  return args.group_blocks == 0 ? launch_format<Int4<true>>(args, shape, type, overlap, stream)
                                : launch_format<Int4<false>>(args, shape, type, overlap, stream);
}

}  // namespace imp::kernels::decode
