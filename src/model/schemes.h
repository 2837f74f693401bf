// How a weight's numbers are coded. Numbers are frozen: they are stored in .imp files
// (OperandRecord::scheme).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "src/base/dtype.h"

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
};

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
/// Bits of a code: 4 for the e2m1 schemes, 8 for the e4m3 ones, 2..8 for integers; 0 for the
/// others.
uint32_t code_bits(Scheme scheme);
/// REQUIRES: 2 <= bits <= 8.
Scheme integer_scheme(uint32_t bits);
/// The scheme has one f32 a module beside its block scales: nvfp4 and nvfp4_g32.
bool has_two_levels(Scheme scheme);

}  // namespace imp::model
