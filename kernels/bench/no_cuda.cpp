// The functions of cold_read.h in a build without CUDA.
#include "kernels/bench/cold_read.h"

namespace imp::kernels {

uint64_t cold_read_sink_words(const cuda::Device&) { return 0; }

Status cold_read(const void*, uint64_t, uint32_t*, const cuda::Device&, cuda::StreamHandle) {
  return Error{ErrorKind::kNoDevice, "this build has no CUDA kernels", "", ""};
}

}  // namespace imp::kernels
