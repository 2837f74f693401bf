// cuBLAS as the baseline, loaded at run time: nothing here needs it to build or to start.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/cuda/runtime.h"
#include "src/base/result.h"

namespace imp::bench {

/// C functions of cublas_v2.h (cuBLAS documentation, sections 2.4 and 2.8), handles as void*.
class Cublas {
 public:
  /// The library named by $IMP_CUBLAS if that is set, else libcublas.so.13, else libcublas.so.12,
  /// on the loader's path. The workspace is set here, before any capture: cuBLAS allocates one
  /// otherwise. Errors: kNoDevice, with the loader's sentence.
  static Result<Cublas> load(const cuda::Stream& stream);
  Cublas(Cublas&& other) noexcept;
  Cublas& operator=(Cublas&& other) noexcept;
  ~Cublas();

  /// Name of the library that was loaded.
  const std::string& name() const { return name_; }

  /// y [m, n] = x [m, k] w [n, k]^T, all row-major without gaps, one 16-bit type, sums in f32.
  /// Errors: kNoDevice with cuBLAS's status.
  Status gemm(const void* w, const void* x, void* y, uint64_t m, uint64_t n, uint64_t k,
              bool f16) const;

 private:
  Cublas() = default;
  std::string name_;
  void* library_ = nullptr;
  void* handle_ = nullptr;
  void* gemm_ex_ = nullptr;
  void* destroy_ = nullptr;
  cuda::DeviceBuffer workspace_;
};

}  // namespace imp::bench
