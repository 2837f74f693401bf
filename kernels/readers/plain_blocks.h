// GGUF's blocks that stay blocks: rows of them, codes and scales together. Scheme 64 + id of the
// ggml type. Every product below is exact in f32.
//
// IQ1, IQ2 and IQ3: 256 elements in 32 runs of eight. A run is one or two points of a lattice
// (grids: data of ggml), with a sign for each coordinate (IQ2, IQ3) or one shift for all (IQ1).
// Q1_0 and Q2_0: one half scale, then codes of 1 and 2 bits, the first lowest.
#pragma once

#include "kernels/readers/bits.h"
#include "kernels/readers/component_bytes.h"
#include "kernels/readers/plain_rows.h"
#include "src/quant/ggml_grid_points.h"

namespace imp::kernels::readers {

/// A grid in the memory of host or device. Function-local, because a device function cannot index
/// a constant of the host.
#define IMP_READER_GRID(name, count, points)                    \
  IMP_HD inline uint32_t name(uint32_t index) {                 \
    static constexpr quant::GridPoints<count> kPoints = points; \
    return kPoints.at[index];                                   \
  }
IMP_READER_GRID(iq2_xxs_point, 256, quant::kIq2XxsPoints)
IMP_READER_GRID(iq2_xs_point, 512, quant::kIq2XsPoints)
IMP_READER_GRID(iq2_s_point, 1024, quant::kIq2SPoints)
IMP_READER_GRID(iq3_xxs_point, 256, quant::kIq3XxsPoints)
IMP_READER_GRID(iq3_s_point, 512, quant::kIq3SPoints)
IMP_READER_GRID(iq1_point, 2048, quant::kIq1Points)
#undef IMP_READER_GRID

/// Bit i of seven, and an eighth that makes the number of minus signs even.
IMP_HD inline uint32_t even_sign(uint32_t seven, uint32_t i) {
  if (i < 7) return seven >> i & 1;
  seven ^= seven >> 4;
  seven ^= seven >> 2;
  return (seven ^ seven >> 1) & 1;
}

/// One element of a run of a lattice with signs.
struct SignedElement {
  uint32_t magnitude;
  uint32_t negative;
  uint32_t scale;  ///< 4 bits
};

/// Eight coordinates of 2 bits, the first lowest: 8, 25, 43.
IMP_HD inline uint32_t iq2_magnitude(uint32_t point, uint32_t e) {
  const uint32_t c = point >> (2 * e) & 3;
  return 8 + 17 * c + (c == 2 ? 1 : 0);
}

struct Iq2Xxs {
  static constexpr uint16_t kType = 16;
  static constexpr uint32_t kBytes = 66;
  static constexpr float kUnit = 0.125f;
  static IMP_HD SignedElement element(const uint8_t* block, uint32_t r, uint32_t e) {
    const uint32_t part = 2 + 8 * (r / 4);
    const uint32_t signs_and_scale = load_u32(block, part + 4);
    return {iq2_magnitude(iq2_xxs_point(load_u8(block, part + r % 4)), e),
            even_sign(signs_and_scale >> (7 * (r % 4)) & 127, e), signs_and_scale >> 28};
  }
};

struct Iq2Xs {
  static constexpr uint16_t kType = 17;
  static constexpr uint32_t kBytes = 74;
  static constexpr float kUnit = 0.125f;
  static IMP_HD SignedElement element(const uint8_t* block, uint32_t r, uint32_t e) {
    const uint32_t word = load_u16(block, 2 + 2 * r);
    return {iq2_magnitude(iq2_xs_point(word & 511), e), even_sign(word >> 9, e),
            load_u8(block, 66 + r / 4) >> (4 * (r % 4 / 2)) & 0xF};
  }
};

struct Iq2S {
  static constexpr uint16_t kType = 22;
  static constexpr uint32_t kBytes = 82;
  static constexpr float kUnit = 0.125f;
  static IMP_HD SignedElement element(const uint8_t* block, uint32_t r, uint32_t e) {
    const uint32_t high = load_u8(block, 66 + r / 4) >> (2 * (r % 4)) & 3;
    return {iq2_magnitude(iq2_s_point(load_u8(block, 2 + r) | high << 8), e),
            load_u8(block, 34 + r) >> e & 1, load_u8(block, 74 + r / 4) >> (4 * (r % 4 / 2)) & 0xF};
  }
};

/// Two points of four coordinates of 4 bits: 4, 12, 20 ... 52, 62.
struct Iq3Xxs {
  static constexpr uint16_t kType = 18;
  static constexpr uint32_t kBytes = 98;
  static constexpr float kUnit = 0.25f;
  static IMP_HD SignedElement element(const uint8_t* block, uint32_t r, uint32_t e) {
    const uint32_t point = iq3_xxs_point(load_u8(block, 2 + 2 * r + e / 4));
    const uint32_t c = point >> (4 * (e % 4)) & 0xF;
    const uint32_t signs_and_scale = load_u32(block, 66 + 4 * (r / 4));
    return {4 + 8 * c + (c == 7 ? 2 : 0), even_sign(signs_and_scale >> (7 * (r % 4)) & 127, e),
            signs_and_scale >> 28};
  }
};

/// Two points of four coordinates of 4 bits: 1, 3, 5 ... 15.
struct Iq3S {
  static constexpr uint16_t kType = 21;
  static constexpr uint32_t kBytes = 110;
  static constexpr float kUnit = 1.0f;
  static IMP_HD SignedElement element(const uint8_t* block, uint32_t r, uint32_t e) {
    const uint32_t high = load_u8(block, 66 + r / 4) >> (2 * (r % 4)) & 3;
    const uint32_t half = e / 4;
    const uint32_t point = iq3_s_point(load_u8(block, 2 + 2 * r + half) | (high >> half & 1) << 8);
    return {2 * (point >> (4 * (e % 4)) & 0xF) + 1, load_u8(block, 74 + r) >> e & 1,
            load_u8(block, 106 + r / 8) >> (4 * (r / 4 % 2)) & 0xF};
  }
};

template <class T>
struct SignedLattice : T {
  static constexpr uint32_t kElems = 256;
  static IMP_HD float value(const uint8_t* block, uint32_t i) {
    const SignedElement element = T::element(block, i / 8, i % 8);
    const float unit = f16_bits_to_float(load_u16(block, 0)) * T::kUnit;
    const float scale = unit * static_cast<float>(2 * element.scale + 1);
    const float value = scale * static_cast<float>(element.magnitude);
    return element.negative != 0 ? -value : value;
  }
};

/// Coordinates of 2 bits, each less 1, all moved by an eighth up or down.
IMP_HD inline float shifted_value(float unit, uint32_t point, uint32_t e, bool down,
                                  uint32_t scale) {
  const float coordinate = static_cast<float>(point >> (2 * e) & 3) + (down ? -1.125f : -0.875f);
  return unit * static_cast<float>(2 * scale + 1) * coordinate;
}

struct Iq1S {
  static constexpr uint16_t kType = 19;
  static constexpr uint32_t kBytes = 50, kElems = 256;
  static IMP_HD float value(const uint8_t* block, uint32_t i) {
    const uint32_t r = i / 8, high = load_u16(block, 34 + 2 * (r / 4));
    const uint32_t index = load_u8(block, 2 + r) | (high >> (3 * (r % 4)) & 7) << 8;
    return shifted_value(f16_bits_to_float(load_u16(block, 0)), iq1_point(index), i % 8,
                         high >> 15 != 0, high >> 12 & 7);
  }
};

/// The half scale is the top nibbles of the four words of scales.
struct Iq1M {
  static constexpr uint16_t kType = 29;
  static constexpr uint32_t kBytes = 56, kElems = 256;
  static IMP_HD float value(const uint8_t* block, uint32_t i) {
    const uint32_t half = load_u16(block, 48) >> 12 | (load_u16(block, 50) >> 12) << 4 |
                          (load_u16(block, 52) >> 12) << 8 | (load_u16(block, 54) >> 12) << 12;
    const uint32_t r = i / 8, high = load_u8(block, 32 + r / 2) >> (4 * (r % 2)) & 0xF;
    const uint32_t scale = load_u16(block, 48 + 2 * (r / 8)) >> (3 * (r / 2 % 4)) & 7;
    return shifted_value(f16_bits_to_float(half), iq1_point(load_u8(block, r) | (high & 7) << 8),
                         i % 8, (high & 8) != 0, scale);
  }
};

struct Q1_0 {
  static constexpr uint16_t kType = 41;
  static constexpr uint32_t kBytes = 18, kElems = 128;
  static IMP_HD float value(const uint8_t* block, uint32_t i) {
    const float scale = f16_bits_to_float(load_u16(block, 0));
    return (load_u8(block, 2 + i / 8) >> (i % 8) & 1) != 0 ? scale : -scale;
  }
};

struct Q2_0 {
  static constexpr uint16_t kType = 42;
  static constexpr uint32_t kBytes = 18, kElems = 64;
  static IMP_HD float value(const uint8_t* block, uint32_t i) {
    const uint32_t code = load_u8(block, 2 + i / 4) >> (2 * (i % 4)) & 3;
    return (static_cast<float>(code) - 1.0f) * f16_bits_to_float(load_u16(block, 0));
  }
};

template <class T>
struct PlainBlocks : PlainRows<PlainBlocks<T>> {
  static constexpr uint16_t kScheme = 64 + T::kType;
  static constexpr Dtype kDtype = Dtype::kU8;
  static constexpr uint32_t kDialects = 1;

  static IMP_HD float at(const WeightView& w, uint64_t n, uint64_t k) {
    const uint64_t block = n * (w.k / T::kElems) + k / T::kElems;
    return T::value(w.codes + block * T::kBytes, static_cast<uint32_t>(k % T::kElems));
  }
  static Result<ComponentBytes> sizes(const WeightView& w) {
    if (w.k % T::kElems != 0)
      return shape_error("K is " + std::to_string(w.k) + ", expected a multiple of the blocks of " +
                         std::to_string(T::kElems));
    ComponentBytes want;
    IMP_ASSIGN(want.codes, bytes_of(w, {w.n, w.k / T::kElems, T::kBytes}));
    return want;
  }
};

}  // namespace imp::kernels::readers
