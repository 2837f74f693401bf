// CUDA status codes to the project's errors. Sources of kernels only.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "src/base/result.h"

namespace imp::cuda {

inline Error error_of(cudaError_t code, const char* what) {
  return Error{ErrorKind::kNoDevice,
               std::string(what) + ": " + cudaGetErrorName(code) + ", " + cudaGetErrorString(code),
               "", ""};
}

inline Status check(cudaError_t code, const char* what) {
  if (code != cudaSuccess) return error_of(code, what);
  return {};
}

}  // namespace imp::cuda
