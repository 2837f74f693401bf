// The launch in a build without CUDA.
#include "kernels/gemm/native_launch.h"

namespace imp::kernels::native {

Status launch(const Arguments&, Float, cuda::StreamHandle) {
  return Error{ErrorKind::kNoDevice, "this build has no CUDA kernels", "", ""};
}

}  // namespace imp::kernels::native
