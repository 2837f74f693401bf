// The scalar GEMM of plain forms.
#include "kernels/gemm/scalar.cuh"

namespace imp::kernels::scalar {

Kernel find_plain_kernel(uint16_t layout, uint16_t scheme) {
  return find_kernel(
      readers::PlainReaders{} + readers::PlainBlockReaders{} + readers::PlainGgmlReaders{}, layout,
      scheme);
}

}  // namespace imp::kernels::scalar
