// The kernels of this folder in a build without CUDA: checks and choices work, launches do not.
#include "kernels/gemm/args.h"
#include "kernels/gemm/scalar.h"

namespace imp::kernels {
namespace {

Error absent() { return Error{ErrorKind::kNoDevice, "this build has no CUDA kernels", "", ""}; }

}  // namespace

Result<LaunchShape> decode_shape(const GemmArgs&, const cuda::Device&, uint64_t) {
  return absent();
}
Result<LaunchShape> tiled_shape(const GemmArgs&, const cuda::Device&, uint64_t) { return absent(); }
Result<LaunchShape> wgmma_shape(const GemmArgs&, const cuda::Device&, uint64_t) { return absent(); }
Status launch_decode(const GemmArgs&, const LaunchShape&, Float, bool, cuda::StreamHandle) {
  return absent();
}
Status launch_tiled(const GemmArgs&, const LaunchShape&, Float, bool, cuda::StreamHandle) {
  return absent();
}
Status launch_wgmma(const GemmArgs&, const LaunchShape&, Float, bool, cuda::StreamHandle) {
  return absent();
}
Status launch_scalar(const ScalarArgs&, cuda::StreamHandle) { return absent(); }
Status launch_prologue(const PrologueArgs&, Float, bool, cuda::StreamHandle) { return absent(); }

}  // namespace imp::kernels
