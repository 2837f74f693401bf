// Values of a weight from its planes, exactly: what export, reports and references round once.
//
//   w = (code - zero_point) * block_scale * global        or / global
//   w = code * block_scale + min
//   w = code * (block_scale * super_scale) - min * super_min
//
// Every factor has at most 24 significant bits and the code, less its zero point, at most 9, so a
// product is exact in a double; a quotient by a divisor is rounded to 53 bits, which a second
// rounding to at most 24 bits does not show (nvfp4.h). Mins stand beside codes of 5 bits and scales
// of a half, or of 6 bits under a half: all such products are multiples of 2^-24 below 2^27, and so
// the sum is exact too.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "src/base/dtype.h"
#include "src/base/file.h"
#include "src/base/result.h"
#include "src/quant/encoding.h"
#include "src/quant/nvfp4.h"

namespace imp::quant {

enum class CodeKind : uint8_t {
  kFloat,     ///< the value itself, of `code_dtype`
  kE2m1,      ///< 4 bits
  kE4m3,      ///< 8 bits
  kInteger,   ///< offset binary of `bits` bits in the canonical plane
  kUnsigned,  ///< the code itself
  kLut,       ///< 4 bits, an index into WeightFormat::lut
};

/// How one module's weights are coded: [rows, columns] of one expert.
struct WeightFormat {
  CodeKind kind = CodeKind::kFloat;
  Dtype code_dtype = Dtype::kF32;  ///< of kFloat: F64, F32, F16 or BF16
  uint32_t bits = 32;              ///< of a code
  uint64_t rows = 0;
  uint64_t columns = 0;
  uint64_t group_size = 0;  ///< columns under a block scale; 0: no block scales
  uint64_t group_rows = 1;  ///< rows under a block scale
  /// F32, BF16, F16, F8_E4M3, F8_E8M0, or U8: an e8m0 byte. Under super scales U8 or I8: an
  /// integer.
  Dtype scale_dtype = Dtype::kF32;
  uint64_t super_group = 0;      ///< columns under a super scale (and super min), F16; 0: none
  std::array<int8_t, 16> lut{};  ///< of kLut

  /// Groups along K; the last may be short.
  uint64_t groups() const;
  uint64_t super_groups() const;
  /// Rows of the scale plane that rows [0, row_count) touch, from a multiple of group_rows on.
  uint64_t scale_rows(uint64_t row_count) const;
};

/// Canonical planes (encoding.h) of rows [row0, row0 + rows). Scales and zero points begin with the
/// group row of row0. Zero points are elements of `bits` bits.
struct CanonicalRows {
  uint64_t rows = 0;
  uint64_t row_in_group = 0;  ///< row0 % group_rows
  Bytes codes;
  Bytes scales;
  Bytes zero_points;   ///< empty: symmetric
  Bytes mins;          ///< [rows, groups] of scale_dtype; empty: none
  Bytes super_scales;  ///< [rows, super_groups], F16
  Bytes super_mins;    ///< the same, where there are mins
};

/// The one number of a module; 1 where it has none.
struct GlobalScale {
  float value = 1.0f;
  Convention convention = Convention::kMultiplier;
};

/// Group of each column. `group_index` is the source's i32 plane or empty; one that is -1
/// everywhere counts as none. Empty result: the format has no block scales. Errors: kBadShape for a
/// group that is not there.
Result<std::vector<uint32_t>> column_groups(const WeightFormat& format, Bytes group_index);

/// Exact values [rows, columns] of `planes`. REQUIRES: sizes as `format` says, `groups` of
/// column_groups, out.size() == rows * columns.
void decode_rows(const WeightFormat& format, const CanonicalRows& planes,
                 std::span<const uint32_t> groups, GlobalScale global, std::span<double> out);

/// Value of element `index` of a plane of scales, or of any plain float. REQUIRES: one of the
/// dtypes of scale_dtype or code_dtype; U8 is an e8m0 byte.
double load_number(const std::byte* plane, uint64_t index, Dtype dtype);

}  // namespace imp::quant
