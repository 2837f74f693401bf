// Packed rows and activations on the GPU, as its GEMM takes them.
#pragma once

#include <vector>

#include "kernels/cuda/runtime.h"
#include "kernels/gemm/gemm.h"
#include "src/verify/comparisons.h"

namespace imp::verify {

/// The weight of a whole operand without its pointers: to ask what a device supports.
kernels::DeviceWeight weight_shape(const FormView& view);

/// Every plane of a slab as it lies in the file, and the multipliers that the file holds for its
/// rows.
struct DeviceSlab {
  std::vector<cuda::DeviceBuffer> planes;
  kernels::DeviceWeight weight;  ///< n is the slab's rows

  /// Errors: kBadShape for more parts than a call takes; kNoDevice.
  static Result<DeviceSlab> upload(const SlabUnderTest& slab, cuda::StreamHandle stream);
};

/// Rows of X in bf16 or f16.
struct DeviceActivations {
  cuda::DeviceBuffer buffer;
  const void* x = nullptr;
  uint64_t stride = 0;  ///< elements

  /// A gap of NaN follows each row: whoever reads past column K shows it.
  static Result<DeviceActivations> upload(const Activations& x, bool f16,
                                          cuda::StreamHandle stream);
};

/// Identity activations for any window of columns, in memory for one window: X[i, c] = 1 where c =
/// column0 + i. A diagonal of ones is kept, and the window's address decides where it begins.
class DeviceIdentity {
 public:
  /// At most `max_rows` rows a window. Errors: kNoDevice.
  static Result<DeviceIdentity> create(uint64_t k, uint64_t max_rows, bool f16,
                                       cuda::StreamHandle stream);
  /// REQUIRES: column0 a multiple of 8 below k. Rows of the window: min(max_rows, k - column0).
  const void* window(uint64_t column0) const {
    return buffer_.as<uint16_t>() + (origin_ - column0);
  }
  uint64_t stride() const { return stride_; }

 private:
  cuda::DeviceBuffer buffer_;
  uint64_t origin_ = 0;  ///< element that is X[0, column0] + column0
  uint64_t stride_ = 0;
};

/// The elements of that diagonal: pure arithmetic, so that a test can look at every window.
struct IdentityPlan {
  uint64_t origin;
  uint64_t stride;
  uint64_t elements;
  uint64_t ones;  ///< element origin + i * (stride + 1) is 1 for i < ones
  static IdentityPlan make(uint64_t k, uint64_t max_rows);
};

}  // namespace imp::verify
