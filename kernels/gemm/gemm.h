// GEMM on packed weights, weight-only schemes: Y = X W^T with W [N, K] as an artifact holds it and
// 16-bit activations. Plain C++: pointers are device pointers, the stream is a cudaStream_t.
//
//   y[i, n] = round(acc * (multiplier[part of n] * unit) + bias[n]),   acc = sum over k, f32
//
// acc is summed in f32 by tensor cores, in an order that depends on the shape, the kernel and the
// device alone: the same call gives the same bits. `unit` undoes the powers of two that the layout
// leaves in the accumulator (2^14 for mma64 NVFP4, kernel-layouts 12.2). Each f32 operation rounds
// once, in the order written; the last rounding is to the output type.
//
// Of int4, acc adds up the groups of a row, or the part of one in 64 or 128 columns, by one FMA
// each: acc = fl32(acc + scale * sum of x (u - u_zp)). No weight is rounded to 16 bits. MXFP4 with
// f16 activations reads scale bytes below 92 as 92 and above 128 as 128 (kernels/layouts/README.md,
// "Range"); bf16 activations hold all of them.
//
// The scalar kernel takes what has no tuned kernel: its acc has the bits of the CPU's GEMM
// (kernels/cpu/gemm.h).
//
// Nothing is allocated and nothing synchronises: calls can be captured in a CUDA graph. One
// workspace serves calls that follow each other on a stream, not calls that overlap.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "kernels/cuda/runtime.h"
#include "src/base/dtype.h"
#include "src/base/result.h"

namespace imp::kernels {

enum class Float : uint8_t { kBf16, kF16, kF32 };

inline constexpr uint32_t kMaxParts = 8;

/// A component beside the codes; null where the form has none. Expert e lies at e * stride.
struct DevicePlane {
  const void* data = nullptr;
  uint64_t expert_stride_bytes = 0;
};

/// One operand of an artifact: component pointers of a form of it.
struct DeviceWeight {
  uint16_t layout = 0;  ///< registry numbers of form and operand (formats/imp/SPEC.md)
  uint16_t scheme = 0;
  uint16_t dialect = 0;     ///< of the form; of plain the encoding of the codes
  uint32_t group_size = 0;  ///< of the operand
  uint32_t group_rows = 0;
  Dtype codes_dtype = Dtype::kU8;  ///< of component codes where the scheme is an unquantised one
  Dtype scale_dtype = Dtype::kU8;  ///< of component block_scale
  uint64_t padded_n = 0;           ///< of the form
  uint64_t padded_k = 0;
  uint64_t n = 0;  ///< of the operand, without the layout's padding
  uint64_t k = 0;
  uint32_t experts = 1;
  const void* blocks = nullptr;  ///< component blocks or codes, 16-byte aligned; expert e at
                                 ///< e * stride
  uint64_t expert_stride_bytes = 0;
  DevicePlane block_scale;  ///< components of these names, 16-byte aligned
  DevicePlane zero_point;
  DevicePlane group_min;
  DevicePlane super_scale;
  DevicePlane super_min;
  DevicePlane lut;
  DevicePlane bitmask;
  DevicePlane row_offsets;
  DevicePlane group_index;
  const float* multiplier = nullptr;  ///< component multiplier, f32 [experts, parts]
  uint32_t parts = 1;
  std::array<uint64_t, kMaxParts> part_end{};  ///< row behind part p, ascending; the last is n
  const void* bias = nullptr;                  ///< [experts, n] or null
  Float bias_type = Float::kF32;
  const float* k_scale = nullptr;  ///< f32 [k] or null: X is multiplied by it, see below
  const uint32_t* k_gather =
      nullptr;  ///< u32 [k] or null: column k of W meets column k_gather[k] of X
};

/// How the columns of X lie in memory.
enum class XOrder : uint8_t {
  kNatural,
  /// The k order of the layout (mma64: kernels/gemm/k_order.h), rows padded with zeros to a
  /// multiple of 64 columns. Saves the wgmma kernel a pass over X.
  kLayout,
};

/// Which kernel; kAuto picks by device and shape.
enum class GemmKernel : uint8_t {
  kAuto,
  kMmaDecode,  ///< mma.sync, weights split over all warps; m <= kMaxDecodeRows
  kMmaTiled,   ///< mma.sync, tiles of weights and tokens; any m
  kWgmma,      ///< wgmma, sm_90a; any m
  kScalar,     ///< CUDA cores, every layout and scheme that has a reader, any m: slow and simple
};
inline constexpr uint64_t kMaxDecodeRows = 16;
std::string_view gemm_kernel_name(GemmKernel kernel);

struct GemmCall {
  DeviceWeight weight;

  const void* x = nullptr;  ///< [m, k], rows x_stride elements apart, 16-byte aligned rows
  Float x_type = Float::kBf16;
  uint64_t m = 0;
  uint64_t x_stride = 0;
  XOrder x_order = XOrder::kNatural;

  /// Experts: rows of X are sorted by expert, those of expert e end before rows_end[e] (u32 on the
  /// device, ascending, rows_end[experts - 1] <= m). Null: one expert takes all m rows.
  const uint32_t* rows_end = nullptr;

  void* y = nullptr;  ///< [m, n], rows y_stride elements apart; rows that no expert takes are left
  Float y_type = Float::kBf16;  ///< x_type or kF32
  uint64_t y_stride = 0;

  void* workspace = nullptr;  ///< 256-byte aligned, initialised once by gemm_workspace_init
  uint64_t workspace_bytes = 0;

  GemmKernel kernel = GemmKernel::kAuto;
  /// Rows of X that a CTA takes at once: 0 lets the library choose; else 32, 64, 128 (kMmaTiled,
  /// kWgmma) or 256 (kWgmma). For tuning by shape.
  uint32_t token_tile = 0;
  /// The launch may begin while the kernel before it on the stream still runs (programmatic
  /// dependent launch): weights are prefetched, X is read after that kernel has ended. A call that
  /// must reorder, gather or scale X first begins with that, after the kernel before.
  bool overlap = false;
  /// 0: what the device has. Smaller values give the configurations of smaller cards.
  uint64_t shared_memory_limit_bytes = 0;
};

/// Bytes of workspace that `call` needs on `device` (its pointers are not looked at).
/// Errors: as gemm().
Result<uint64_t> gemm_workspace_bytes(const GemmCall& call, const cuda::Device& device);

/// Prepare a workspace; once, and again after a launch that failed.
Status gemm_workspace_init(void* workspace, uint64_t workspace_bytes, cuda::StreamHandle stream);

/// The kernel that `call` runs on `device`: the one it names, or what kAuto means. Errors: as
/// gemm().
Result<GemmKernel> choose_gemm_kernel(const GemmCall& call, const cuda::Device& device);

/// Launch. X' = X gathered by k_gather, times k_scale in f32, rounded to x_type, is what meets W.
/// Errors: kUnsupportedLayout for a (layout, scheme) or device without a kernel; kBadShape for
/// shapes, strides, alignments and workspaces that do not fit; kNoDevice for what the runtime says.
Status gemm(const GemmCall& call, const cuda::Device& device, cuda::StreamHandle stream);

}  // namespace imp::kernels
