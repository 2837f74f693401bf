// CPU backend of the bundled GEMM: reads packed bytes in the order in which the GPU kernel's lanes
// do, so that it finds every weight without the index map (it includes no header of
// kernels/layouts).
#pragma once

#include <cstdint>

#include "src/base/dtype.h"
#include "src/base/file.h"
#include "src/base/result.h"

namespace imp::kernels {

/// Layout and scheme numbers are those of form and operand records (formats/imp/SPEC.md
/// registries). One expert of one form. Spans hold exactly the component's bytes of that expert.
struct PackedWeight {
  uint16_t layout = 0;
  uint16_t scheme = 0;
  Dtype dtype = Dtype::kU8;  ///< of `codes` where the scheme is an unquantised one
  Bytes codes;               ///< component codes or blocks
  Bytes block_scale;         ///< component block_scale, where the layout has it
  uint64_t n = 0;
  uint64_t k = 0;
  Bytes zero_point = {};  ///< component zero_point; empty: the zero of the codes (symmetric)
  Dtype scale_dtype = Dtype::kU8;  ///< of block_scale where the scheme does not fix it; U8 is e8m0
  uint64_t group_size = 0;  ///< of int and fp8: columns under one block scale, at least k for one a
                            ///< row; 0: no block scales
  uint64_t group_rows = 0;  ///< rows under one block scale; 0 and 1: each row has its own
  uint16_t encoding = 0;    ///< FormRecord::dialect; of plain, how the codes are stored
  Bytes group_min = {};     ///< components of these names, where the scheme has them
  Bytes super_scale = {};
  Bytes super_min = {};
  Bytes lut = {};
  Bytes bitmask = {};
  Bytes row_offsets = {};
  Bytes group_index = {};
  uint64_t padded_n = 0;  ///< of the form, where the layout pads by the operand's shape
  uint64_t padded_k = 0;
};

/// True if this backend has a kernel for (layout, scheme) and the form's dialect (of plain, the
/// encoding of the codes). Plain codes whose groups do not follow the order of K (act-order) are
/// not for it.
bool cpu_gemm_supports(uint16_t layout, uint16_t scheme, uint16_t encoding = 0);

/// Rows come in tiles of this many; the last tile of a matrix may be short.
inline constexpr uint64_t kTileRows = 64;

/// What a kernel multiplies the accumulator by besides the part's multiplier: 2^14 for mma64 NVFP4
/// with groups of 16 or 32 (kernel-layouts 12.2), 1 elsewhere.
float accumulator_unit(uint16_t layout, uint16_t scheme);

/// Result of identity activations for rows [n0, n0 + rows): out[r * K + k] = accumulator of weight
/// (n0 + r, k), f32, before the epilogue. One pass over the packed bytes in fragment order. Places
/// no lane reaches keep the value they had: fill `out` with NaN before. REQUIRES: n0 a multiple of
/// kTileRows, rows <= kTileRows, n0 + rows <= n or the tile's end; cpu_gemm_supports; a bitmask and
/// row offsets that name no element behind the codes, a group index that names groups there are.
/// Rows at or past n are what the layout's padding holds, or 0. A value is (code - zero point) *
/// block scale, exactly, but that an f32 block scale, and a product below 2^-126 or past the
/// largest float, is rounded once; of GGUF's codes number * scale + min, rounded once. Errors:
/// kBadShape if a span is shorter than the shape asks for or the groups are none that the layout
/// holds; kBadRecord if dtype is not that of an unquantised scheme, or scale_dtype is none of
/// scales.
Status cpu_gemm_identity(const PackedWeight& weight, uint64_t n0, uint64_t rows, float* out);

/// acc[i * rows + r] = sum over k of x[i * K + k] * W[n0 + r][k], one f32 rounding per product and
/// per sum, in fragment order: k-tiles ascending, MMA steps ascending, within a step the slots of a
/// lane, then lanes. Before the epilogue. x is [m, K] row-major, exactly the values of the
/// activation type.
Status cpu_gemm_accumulate(const PackedWeight& weight, uint64_t n0, uint64_t rows, const float* x,
                           uint64_t m, float* acc);

/// y = acc * (multiplier * unit), one rounding per f32 operation in this order (then + bias where
/// given).
float cpu_gemm_epilogue(float acc, float multiplier, float unit, const float* bias);

}  // namespace imp::kernels
