// X into the workspace: gathered, scaled, in the order of columns that the GEMM wants.
//
// The k order of mma64 (kernel-layouts 13): inside each 64 columns, slot 16t + 8v + 2c + u holds
// logical column 16c + 4t + 2v + u (t, c 0..3; v, u 0..1). A thread makes the 16 slots of one t.
// Int4 in groups of 32 wants the two halves of the 64 apart (mma64_int4.cuh): quad t of lane c
// begins at another column, the rest is the same.
#include "kernels/gemm/args.h"
#include "kernels/gemm/epilogue.cuh"
#include "kernels/gemm/launch.cuh"

namespace imp::kernels {
namespace {

constexpr uint32_t kThreads = 256;
constexpr uint32_t kSlots = 16;

/// Slot of a logical column in the layout's order, both inside 64 columns.
__device__ __forceinline__ uint32_t slot_of_column(uint32_t column) {
  const uint32_t c = column / 16, t = column % 16 / 4, v = column % 4 / 2, u = column % 2;
  return 16 * t + 8 * v + 2 * c + u;
}
/// Where the four columns of lane c in step t begin.
__device__ __forceinline__ uint32_t column_of_quad(uint32_t c, uint32_t t, bool halves_apart) {
  return halves_apart ? 32 * (t / 2) + 16 * (c % 2) + 8 * (c / 2) + 4 * (t % 2) : 16 * c + 4 * t;
}
__device__ __forceinline__ uint32_t column_of_slot(uint32_t slot, bool halves_apart) {
  const uint32_t t = slot / 16, v = slot % 16 / 8, c = slot % 8 / 2, u = slot % 2;
  return column_of_quad(c, t, halves_apart) + 2 * v + u;
}

/// The value that meets column `column` of W; zero past K.
template <class T>
__device__ __forceinline__ T value_of(const PrologueArgs& a, const T* row, uint32_t column) {
  if (column >= a.k) return round_to<T>(0.0f);
  uint32_t from = a.k_gather != nullptr ? a.k_gather[column] : column;
  if (a.from_layout_order)
    from = from / kBlockColumns * kBlockColumns + slot_of_column(from % kBlockColumns);
  if (a.k_scale == nullptr) return row[from];
  return round_to<T>(__fmul_rn(static_cast<float>(row[from]), a.k_scale[column]));
}

template <class T>
__global__ void __launch_bounds__(kThreads) prologue(const __grid_constant__ PrologueArgs a) {
  let_next_kernel_start();
  wait_for_kernels_before();
  const uint64_t pieces = static_cast<uint64_t>(a.m) * a.k_tiles * 4;
  const uint64_t piece = static_cast<uint64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (piece >= pieces) return;
  const uint64_t row = piece / (a.k_tiles * 4);
  const uint32_t first = static_cast<uint32_t>(piece % (a.k_tiles * 4)) * kSlots;
  const T* x = static_cast<const T*>(a.x) + row * a.x_stride;
  __align__(16) T out[kSlots];
#pragma unroll
  for (uint32_t i = 0; i < kSlots; ++i) {
    const uint32_t at = first + i;
    const uint32_t column = a.to_layout_order
                                ? at / kBlockColumns * kBlockColumns +
                                      column_of_slot(at % kBlockColumns, a.halves_apart)
                                : at;
    out[i] = value_of(a, x, column);
  }
  uint4* to = reinterpret_cast<uint4*>(static_cast<T*>(a.out) + row * a.out_stride + first);
  to[0] = reinterpret_cast<const uint4*>(out)[0];
  to[1] = reinterpret_cast<const uint4*>(out)[1];
}

/// The hot case: natural order in, the layout's out, nothing else. Four 8-byte loads, two 16-byte
/// stores.
template <bool kHalvesApart>
__global__ void __launch_bounds__(kThreads)
    to_layout_order(const __grid_constant__ PrologueArgs a) {
  let_next_kernel_start();
  const uint64_t pieces = static_cast<uint64_t>(a.m) * a.k_tiles * 4;
  const uint64_t piece = static_cast<uint64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const uint64_t row = piece / (a.k_tiles * 4);
  const uint32_t in_row = static_cast<uint32_t>(piece - row * (a.k_tiles * 4));
  const uint32_t k0 = in_row / 4 * kBlockColumns, t = in_row % 4;
  wait_for_kernels_before();
  if (piece >= pieces) return;
  const auto* x = static_cast<const uint16_t*>(a.x) + row * a.x_stride + k0;
  uint2 quad[4];
#pragma unroll
  for (uint32_t c = 0; c < 4; ++c) {
    const uint32_t column = column_of_quad(c, t, kHalvesApart);
    quad[c] = k0 + column < a.k ? *reinterpret_cast<const uint2*>(x + column) : uint2{0, 0};
  }
  uint4* out = reinterpret_cast<uint4*>(static_cast<uint16_t*>(a.out) + row * a.out_stride + k0 +
                                        kSlots * t);
  out[0] = {quad[0].x, quad[1].x, quad[2].x, quad[3].x};
  out[1] = {quad[0].y, quad[1].y, quad[2].y, quad[3].y};
}

}  // namespace

Status launch_prologue(const PrologueArgs& args, Float type, bool overlap,
                       cuda::StreamHandle stream) {
  const uint64_t pieces = static_cast<uint64_t>(args.m) * args.k_tiles * 4;
  const dim3 grid(static_cast<uint32_t>((pieces + kThreads - 1) / kThreads));
  const bool plain_reorder = args.k_scale == nullptr && args.k_gather == nullptr &&
                             !args.from_layout_order && args.to_layout_order && args.k % 16 == 0;
  if (plain_reorder)
    return launch(args.halves_apart ? to_layout_order<true> : to_layout_order<false>, grid,
                  dim3(kThreads), 0, overlap, stream, args);
  return launch(type == Float::kBf16 ? prologue<__nv_bfloat16> : prologue<__half>, grid,
                dim3(kThreads), 0, overlap, stream, args);
}

}  // namespace imp::kernels
