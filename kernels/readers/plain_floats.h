// plain: unquantised values, and float codes whose scheme fixes scales and groups.
#pragma once

#include "kernels/readers/bits.h"
#include "kernels/readers/plain_places.h"
#include "kernels/readers/plain_rows.h"
#include "kernels/readers/sparse_sizes.h"

namespace imp::kernels::readers {

struct F32Values {
  static constexpr uint16_t kScheme = 1;
  static constexpr Dtype kDtype = Dtype::kF32;
  static constexpr uint64_t kBytes = 4;
  static IMP_HD float at(const uint8_t* codes, uint64_t element) {
    return float_of_bits(load_u32(codes, 4 * element));
  }
};
struct F16Values {
  static constexpr uint16_t kScheme = 2;
  static constexpr Dtype kDtype = Dtype::kF16;
  static constexpr uint64_t kBytes = 2;
  static IMP_HD float at(const uint8_t* codes, uint64_t element) {
    return f16_bits_to_float(load_u16(codes, 2 * element));
  }
};
struct Bf16Values {
  static constexpr uint16_t kScheme = 3;
  static constexpr Dtype kDtype = Dtype::kBF16;
  static constexpr uint64_t kBytes = 2;
  static IMP_HD float at(const uint8_t* codes, uint64_t element) {
    return bf16_low(load_u16(codes, 2 * element));
  }
};

/// Rounded to f32.
struct F64Values {
  static constexpr uint16_t kScheme = 4;
  static constexpr Dtype kDtype = Dtype::kF64;
  static constexpr uint64_t kBytes = 8;
  static IMP_HD float at(const uint8_t* codes, uint64_t element) {
    return static_cast<float>(double_of_bits(load_u64(codes, 8 * element)));
  }
};

template <class Values>
struct PlainValues : PlainRows<PlainValues<Values>> {
  static constexpr uint16_t kScheme = Values::kScheme;
  static constexpr Dtype kDtype = Values::kDtype;
  static constexpr uint32_t kDialects =
      dialects(kRows, kInFirst, kRowsInterleaved, kInFirstInterleaved, kBitmask24, kBitmask);

  static IMP_HD float at(const WeightView& w, uint64_t n, uint64_t k) {
    if (!is_sparse(w.dialect)) return Values::at(w.codes, element_of(w.dialect, w.n, w.k, n, k));
    const StoredElement at = stored_element(w, n, k);
    return at.is_stored ? Values::at(w.codes, at.index) : 0.0f;
  }
  static Result<ComponentBytes> sizes(const WeightView& w) {
    ComponentBytes want;
    if (is_sparse(w.dialect)) {
      IMP_TRY(sparse_sizes(w, Values::kBytes, want));
      return want;
    }
    IMP_ASSIGN(want.codes, bytes_of(w, {w.n, w.k, Values::kBytes}));
    return want;
  }
};

struct Nvfp4Rows {
  static constexpr uint32_t kBits = 4;
  static IMP_HD float code(uint32_t bits) { return e2m1_bits_to_float(bits); }
  static IMP_HD float scale(uint32_t byte) { return ue4m3_bits_to_float(byte); }
};
struct Mxfp4Rows {
  static constexpr uint32_t kBits = 4;
  static IMP_HD float code(uint32_t bits) { return e2m1_bits_to_float(bits); }
  static IMP_HD float scale(uint32_t byte) { return e8m0_bits_to_float(byte); }
};
struct Mxfp8Rows {
  static constexpr uint32_t kBits = 8;
  static IMP_HD float code(uint32_t bits) { return e4m3_bits_to_float(bits); }
  static IMP_HD float scale(uint32_t byte) { return e8m0_bits_to_float(byte); }
};

/// Codes of kBits, two a byte if 4 (even k in the low nibble), and a byte of scale per kGroup.
template <uint16_t kNumber, class Format, uint64_t kGroup>
struct PlainGrouped : PlainRows<PlainGrouped<kNumber, Format, kGroup>> {
  static constexpr uint16_t kScheme = kNumber;
  static constexpr Dtype kDtype = Dtype::kU8;
  static constexpr uint32_t kDialects =
      dialects(kRows, kInFirst, kRowsInterleaved, kInFirstInterleaved);
  static constexpr uint64_t kCodesOfByte = 8 / Format::kBits;

  static IMP_HD float at(const WeightView& w, uint64_t n, uint64_t k) {
    const uint32_t code = Format::kBits == 4
                              ? nibble_of(w.codes, w.dialect, w.n, w.k, n, k)
                              : load_u8(w.codes, element_of(w.dialect, w.n, w.k, n, k));
    const uint64_t scale = element_of(w.dialect, w.n, quotient_up(w.k, kGroup), n, k / kGroup);
    return Format::code(code) * Format::scale(load_u8(w.block_scale, scale));
  }
  static Result<ComponentBytes> sizes(const WeightView& w) {
    ComponentBytes want;
    IMP_ASSIGN(want.codes, bytes_of(w, {w.n, quotient_up(w.k, kCodesOfByte)}));
    IMP_ASSIGN(want.block_scale, bytes_of(w, {w.n, quotient_up(w.k, kGroup)}));
    return want;
  }
};

using PlainF32 = PlainValues<F32Values>;
using PlainF16 = PlainValues<F16Values>;
using PlainBf16 = PlainValues<Bf16Values>;
using PlainF64 = PlainValues<F64Values>;
using PlainNvfp4 = PlainGrouped<16, Nvfp4Rows, 16>;
using PlainNvfp4G32 = PlainGrouped<17, Nvfp4Rows, 32>;
using PlainMxfp4 = PlainGrouped<18, Mxfp4Rows, 32>;
using PlainMxfp8 = PlainGrouped<19, Mxfp8Rows, 32>;

}  // namespace imp::kernels::readers
