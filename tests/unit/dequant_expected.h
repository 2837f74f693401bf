// What a dequantised matrix must hold, by the codecs of src/quant, and packed inputs for it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/gemm/gemm.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/quant/nvfp4.h"
#include "tests/unit/layout_planes.h"

namespace imp::test {

inline constexpr uint16_t kPlainLayout = 1, kMma64Layout = 2, kNativeLayout = 3, kNvfp4Scheme = 16;

/// The components of one form.
struct PackedForm {
  std::vector<std::byte> codes;   ///< codes or blocks
  std::vector<std::byte> scales;  ///< empty for mma64
};

inline PackedForm pack_form(const Nvfp4Matrix& matrix, uint16_t layout) {
  const Planes planes(matrix);
  if (layout == kPlainLayout) return {planes.codes, planes.scales};
  if (layout == kMma64Layout) return {pack_mma64(planes, repack::Path::kWord), {}};
  PackedForm form;
  const uint64_t groups = planes.k / 16;
  form.codes.resize(planes.rows * layouts::native_rows::pitch_bytes(planes.k));
  repack::native_rows_pack(planes.codes, planes.rows, planes.k, repack::Path::kWord, form.codes);
  form.scales.resize(layouts::sf128x4::size_bytes(planes.rows, groups));
  repack::sf128x4_pack(planes.scales, planes.rows, groups, repack::Path::kWord, form.scales);
  return form;
}

struct Parts {
  std::vector<uint64_t> end;      ///< row behind each part
  std::vector<float> multiplier;  ///< of each part
  float of_row(uint64_t n) const {
    size_t part = 0;
    while (n >= end[part]) ++part;
    return multiplier[part];
  }
};

/// code * scale * multiplier in f32. A scale's sign does not count; a group under a zero scale lost
/// its codes in mma64.
inline float expected_value(const Nvfp4Matrix& matrix, uint16_t layout, const Parts& parts,
                            size_t n, size_t k) {
  const uint8_t scale = matrix.scales(n, k / 16) & 0x7F;
  const uint8_t code = layout == kMma64Layout && scale == 0 ? 0 : matrix.codes(n, k);
  return quant::nvfp4_kernel_value(code, scale, parts.of_row(n));
}

/// Bits of the output type, in the low bits of a word.
inline uint32_t rounded_bits(float value, kernels::Float type) {
  if (type == kernels::Float::kBf16) return quant::bf16_from_float(value);
  if (type == kernels::Float::kF16) return quant::f16_from_float(value);
  return std::bit_cast<uint32_t>(value);
}

inline constexpr kernels::Float kFloats[] = {kernels::Float::kBf16, kernels::Float::kF16,
                                             kernels::Float::kF32};
inline size_t float_bytes(kernels::Float type) { return type == kernels::Float::kF32 ? 4 : 2; }

/// 128 rows x 16 columns: every scale that is not NaN with every code.
inline Nvfp4Matrix every_code_and_scale() {
  Nvfp4Matrix matrix{{128, 16, {}}, {128, 1, {}}};
  for (uint32_t n = 0; n < 128; ++n) {
    matrix.scales.at.push_back(static_cast<uint8_t>(n == 127 ? 0x80 : n));
    for (uint32_t code = 0; code < 16; ++code)
      matrix.codes.at.push_back(static_cast<uint8_t>(code));
  }
  return matrix;
}

}  // namespace imp::test
