// The k order of mma64 (kernel-layouts 13): how an operation that writes X can spare the wgmma
// kernel a pass over it (GemmCall::x_order = kLayout).
//
// Rows are padded with zeros to a multiple of 64 columns. Inside each 64, slot 16t + 8v + 2c + u
// holds logical column 16c + 4t + 2v + u, where t, c are 0..3 and v, u are 0..1: MMA step t takes
// slots 16t .. 16t + 15, and lane c of a quad then multiplies the 16 columns that share one scale.
#pragma once

#include <cstdint>

#include "kernels/gemm/gemm.h"

namespace imp::kernels {

constexpr uint64_t mma64_slot_of_column(uint64_t column) {
  const uint64_t in = column % 64;
  return column - in + in % 16 / 4 * 16 + in % 4 / 2 * 8 + in / 16 * 2 + in % 2;
}
constexpr uint64_t mma64_column_of_slot(uint64_t slot) {
  const uint64_t in = slot % 64;
  return slot - in + in % 8 / 2 * 16 + in / 16 * 4 + in % 16 / 8 * 2 + in % 2;
}

/// X [m, k], rows x_stride apart, to `out` [m, k padded to 64], rows out_stride apart, in the k
/// order. Both 16-byte aligned with strides that are multiples of 8; 16-bit types.
/// Errors: kBadShape, kNoDevice.
Status to_mma64_k_order(const void* x, Float type, uint64_t m, uint64_t k, uint64_t x_stride,
                        void* out, uint64_t out_stride, cuda::StreamHandle stream);

}  // namespace imp::kernels
