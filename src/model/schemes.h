// How a weight's numbers are coded. Numbers are frozen: they are stored in .imp files
// (OperandRecord::scheme).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "src/base/dtype.h"
#include "src/base/ggml_type.h"

namespace imp::model {

enum class Scheme : uint16_t {
  kF32 = 1,
  kF16 = 2,
  kBf16 = 3,
  kF64 = 4,
  kRaw = 8,     ///< values of the component's dtype that are no float weights; carried as they are
  kNvfp4 = 16,  ///< e2m1 codes, e4m3 scale per 16 along K, one f32 per module
  kNvfp4G32 = 17,  ///< the same with a scale per 32
  kMxfp4 = 18,     ///< e2m1 codes, e8m0 scale per 32 along K
  kMxfp8 = 19,     ///< e4m3 codes, e8m0 scale per 32 along K
  /// e4m3 codes; one f32 per module (a multiplier), or block scales of any float type or e8m0, one
  /// per group_rows x group_size.
  kFp8 = 20,
  /// Integers; scales as for kFp8, and zero points where the source has them: w = (q - zp) * scale.
  kInt2 = 34,
  kInt3 = 35,
  kInt4 = 36,
  kInt5 = 37,
  kInt6 = 38,
  kInt7 = 39,
  kInt8 = 40,
  /// Codes of GGUF's block types. q is the code's number: u - 8 and u - 128 (int), u (uint), or an
  /// entry of a table of 16 int8 (lut, component lut). Without "_k" block scales and mins are F16:
  ///   w = q * scale                       w = q * scale + min
  /// with it they are bytes under one F16 super scale (and super min) per 256 columns:
  ///   w = q * (scale * super_scale)       w = q * (scale * super_scale) - min * super_min
  kUint4Min = 48,   ///< Q4_1
  kUint8Min = 49,   ///< Q5_1
  kLut4 = 50,       ///< IQ4_NL
  kInt4K = 52,      ///< Q3_K
  kInt8K = 53,      ///< Q6_K
  kUint4MinK = 54,  ///< Q2_K, Q4_K
  kUint8MinK = 55,  ///< Q5_K
  kLut4K = 56,      ///< IQ4_XS
  /// Blocks of GGUF that stay blocks, codes and scales together in rows of bytes: 64 + id of the
  /// ggml type. Any type can be held so, an embedding in Q4_K as kBlocks + 12.
  kBlocks = 64,
};

/// 64 + id. REQUIRES: a block type, not plain numbers.
Scheme blocks_scheme(GgmlType type);
/// The type of a scheme of blocks; nullopt for the other schemes.
std::optional<GgmlType> blocks_type(Scheme scheme);
/// The scheme of the canonical planes of a type that comes apart (quant/ggml_blocks.h):
/// Q4_0, TQ1_0 and TQ2_0 int4, Q5_0 and Q8_0 int8, MXFP4, NVFP4, and those above.
Scheme planes_scheme(GgmlType type);
/// kUint4Min to kLut4K: codes of GGUF's block types, taken out of their blocks.
bool is_ggml_planes(Scheme scheme);
/// Elements of a row of the codes plane: k, of blocks the bytes of a row of k elements.
uint64_t code_columns(Scheme scheme, uint64_t k);
/// lut4*: the codes are places in a table.
bool has_lut(Scheme scheme);
/// uint*_min*: a group_min plane beside the scales.
bool has_group_min(Scheme scheme);
/// *_k: super scales over the block scales.
bool has_super_scale(Scheme scheme);

/// "nvfp4", "bf16", ...; "?" for a number that is no scheme of this version.
std::string_view scheme_name(Scheme scheme);
/// Scheme of unquantised values.
Scheme scheme_of_plain(Dtype dtype);
/// True for schemes whose codes need scales.
bool is_quantized(Scheme scheme);
/// Codes along K under one block scale where the scheme fixes it; 0 where it does not or has none.
uint32_t group_size_of(Scheme scheme);
/// kInt2 to kInt8.
bool is_integer(Scheme scheme);
/// Bits of a code: 4 for the e2m1 schemes, 8 for the e4m3 ones, 2..8 for integers; 0 for plain
/// values and blocks.
uint32_t code_bits(Scheme scheme);
/// REQUIRES: 2 <= bits <= 8.
Scheme integer_scheme(uint32_t bits);
/// The scheme has one f32 a module beside its block scales: nvfp4 and nvfp4_g32.
bool has_two_levels(Scheme scheme);

}  // namespace imp::model
