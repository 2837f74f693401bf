// The launch in a build without CUDA.
#include "kernels/activation/launch.h"

namespace imp::kernels::activation {

Status launch(const QuantizeActivationCall&, cuda::StreamHandle) {
  return Error{ErrorKind::kNoDevice, "this build has no CUDA kernels", "", ""};
}

}  // namespace imp::kernels::activation
