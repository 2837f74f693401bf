// Whose kernels the numerics level runs: the interface that the CPU's and the GPU's GEMM share.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/cuda/runtime.h"
#include "src/base/result.h"
#include "src/verify/slab.h"

namespace imp::verify {

struct NumericsCounts {
  uint64_t operands = 0;     ///< forms looked at
  uint64_t forms_total = 0;  ///< forms with a kernel in a backend of this run
  uint64_t cuda_forms = 0;   ///< of `operands`, on the GPU
  uint64_t tuned_forms = 0;  ///< of `cuda_forms`, on a tuned kernel; the others on the scalar one
  uint64_t cpu_forms = 0;    ///< of `operands`, on the CPU
  uint64_t identity_weights = 0;
  uint64_t sparse_sums = 0;
  uint64_t random_sums = 0;
  uint64_t kernel_shapes = 0;  ///< (kernel, rows of X, type of X) that were forced, GPU only
  uint64_t content_only = 0;   ///< GEMM forms without a kernel in any backend
};

/// Packed rows and what they must multiply like.
struct SlabUnderTest {
  const FormView& view;
  const StoredSlab& stored;
  const CanonicalSlab& canonical;
};

/// Thread-safe. Every check returns kNumericsMismatch naming row, column and both values, or what
/// the kernel itself returned.
class GemmBackend {
 public:
  virtual ~GemmBackend() = default;
  /// True if this backend has a kernel for the form.
  virtual bool serves(const FormView& view) const = 0;
  /// True if a kernel made for the form's layout and scheme runs it, not the scalar one.
  virtual bool is_tuned_for(const FormView&) const { return false; }
  /// Bytes of packed codes that one slab should have.
  virtual uint64_t slab_bytes() const = 0;
  /// Each weight of the slab through identity activations.
  virtual Status check_identity(const SlabUnderTest& slab, NumericsCounts& counts) = 0;
  /// Sparse and random activations on rows of the slab's first and last tile.
  virtual Status check_sums(const SlabUnderTest& slab, NumericsCounts& counts) = 0;
  /// Every kernel at every number of activation rows that a dispatcher tells apart.
  virtual Status check_regimes(const SlabUnderTest& slab, NumericsCounts& counts) = 0;
};

std::unique_ptr<GemmBackend> make_cpu_backend();

/// Launches are serialised: one stream, one workspace. Errors: kNoDevice.
Result<std::unique_ptr<GemmBackend>> make_cuda_backend(const cuda::Device& device);

}  // namespace imp::verify
