// The scalar GEMM of the layouts with an order of their own, and the launch of all.
#include <algorithm>
#include <string>

#include "kernels/gemm/scalar.cuh"

namespace imp::kernels {
namespace scalar {

Kernel find_packed_kernel(uint16_t layout, uint16_t scheme) {
  return find_kernel(
      readers::PackedReaders{} + readers::PackedGgmlReaders{} + readers::EngineReaders{}, layout,
      scheme);
}

}  // namespace scalar

Status launch_scalar(const ScalarArgs& args, cuda::StreamHandle stream) {
  const WeightView& weight = args.weight.first;
  scalar::Kernel kernel = scalar::find_packed_kernel(weight.layout, weight.scheme);
  if (kernel == nullptr) kernel = scalar::find_plain_kernel(weight.layout, weight.scheme);
  // Which expert has how many rows is known on the device alone: most tiles of a grouped call would
  // find none.
  const uint32_t most = args.gemm.rows_end == nullptr ? 65535u : 16u;
  const uint32_t token_tiles = (args.gemm.m + scalar::kTokens - 1) / scalar::kTokens;
  const dim3 grid(args.gemm.n_tiles, std::clamp(token_tiles, 1u, most), args.gemm.experts);
  return launch(kernel, grid, dim3(scalar::kThreads), 0, false, stream, args);
}

}  // namespace imp::kernels
