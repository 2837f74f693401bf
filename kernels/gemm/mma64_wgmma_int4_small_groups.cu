// The wgmma kernel for int4 in groups of 32, 64 and odd multiples of 64.
#include "kernels/gemm/mma64_wgmma.cuh"

namespace imp::kernels::wgmma {

Status launch_int4_small_groups(const GemmArgs& args, const LaunchShape& shape, Float type,
                                bool overlap, cudaStream_t stream) {
  return args.group_blocks == 0 ? launch_format<Int4<true>>(args, shape, type, overlap, stream)
                                : launch_format<Int4<false>>(args, shape, type, overlap, stream);
}

}  // namespace imp::kernels::wgmma
