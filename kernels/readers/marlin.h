// marlin and marlin_a0 as their kernels read them (kernel-layouts 1.3, 2.4 to 2.7, 2.10): a warp
// takes 64 rows and 16 columns of W as B operand.
//
// Codes: of 4 bits a lane's 16 bytes at tile * 512 + 16 * lane, word j of 16 rows; register v1, v2
// is (word >> 4 * (2 v1 + v2)) & 0x000F000F. Of 8 bits 32 bytes at tile * 1024 + 32 * lane, word
// 2j + v1, (word >> 8 v2) & 0x00FF00FF. Tiles follow each other along N, then along K.
//
// Scales of 64 rows: those of a lane's eight rows i (n = 8i + g) are its eight elements at 8g;
// bytes are decoded two at a time and lie as i = 0 2 1 3 4 6 5 7. One scale a row is multiplied in
// the epilogue, where quad lane q has columns 2q, 2q + 1 of each n8 of 32 rows: eight elements at
// 8q. Zero points of 4 bits are a word at g, decoded as codes are; of 8 bits bytes like scales.
#pragma once

#include "kernels/readers/fragments.h"

namespace imp::kernels::readers {

inline constexpr uint16_t kMarlinLayout = 4;
inline constexpr uint16_t kMarlinA0Layout = 5;

/// Row i of four, as bytes are decoded in pairs.
IMP_HD constexpr uint32_t byte_of_row(uint32_t i) {
  return i % 4 == 1 ? i + 1 : i % 4 == 2 ? i - 1 : i;
}

/// First element of a row tile's scales of a group.
IMP_HD inline uint64_t marlin_row(const WeightView& w, uint64_t row_tile, uint64_t group) {
  return group * w.padded_n + row_tile * kReaderRows;
}
IMP_HD inline uint64_t marlin_byte(const WeightView& w, uint64_t row_tile, uint32_t i, uint32_t g,
                                   uint64_t group) {
  return marlin_row(w, row_tile, group) + 8 * g + byte_of_row(i);
}
/// Of 16-bit scales.
IMP_HD inline uint64_t marlin_half(const WeightView& w, uint64_t row_tile, uint32_t i, uint32_t g,
                                   uint64_t k) {
  const uint64_t row = marlin_row(w, row_tile, column_group(w, k));
  if (!has_row_scales(w)) return row + 8 * g + i;
  return row + 32 * (i / 4) + 8 * (g / 2) + 2 * (i % 4) + g % 2;
}

struct MarlinNibbles {
  static constexpr uint32_t kBits = 4;
  static IMP_HD uint32_t pair(const WeightView& w, uint64_t row_tile, uint64_t step, uint32_t lane,
                              uint32_t j, uint32_t v1, uint32_t v2) {
    const uint64_t tile = step * (w.padded_n / kReaderRows) + row_tile;
    const uint32_t word = load_u32(w.codes, tile * 512 + 16 * lane + 4 * j);
    return word >> (4 * (2 * v1 + v2)) & 0x000F000F;
  }
};
struct MarlinBytes {
  static constexpr uint32_t kBits = 8;
  static IMP_HD uint32_t pair(const WeightView& w, uint64_t row_tile, uint64_t step, uint32_t lane,
                              uint32_t j, uint32_t v1, uint32_t v2) {
    const uint64_t tile = step * (w.padded_n / kReaderRows) + row_tile;
    const uint32_t word = load_u32(w.codes, tile * 1024 + 32 * lane + 8 * j + 4 * v1);
    return word >> (8 * v2) & 0x00FF00FF;
  }
};

template <uint16_t kLayoutNumber, uint16_t kSchemeNumber>
struct MarlinFacts {
  static constexpr uint16_t kLayout = kLayoutNumber;
  static constexpr uint16_t kScheme = kSchemeNumber;
  static constexpr float kUnit = 1.0f;
  static constexpr uint32_t kDialects = 1;
  static constexpr uint64_t kTileRows = kReaderRows;
};

/// A scale byte b becomes the bf16 (b & 0x80) << 7 | (b & 0x7F) << 4: 2^7 times what it stands for
/// if bit 7 is set, some 2^-112 else. Codes come as 2^-126 of themselves; products are exact. The
/// form's multiplier has 2^119, and here both are taken out: values are near 1, not subnormal.
template <uint16_t kLayoutNumber>
struct MarlinNvfp4Engine : MarlinFacts<kLayoutNumber, 16>, MarlinNibbles {
  static constexpr float kUnit = 0x1p-119f;
  using Number = E2m1Number;
  static IMP_HD LaneScale scale(const WeightView& w, uint64_t row_tile, uint32_t i, uint32_t g,
                                uint64_t k) {
    const uint32_t b = load_u8(w.block_scale, marlin_byte(w, row_tile, i, g, k / 16));
    return {bf16_low((b & 0x80) << 7 | (b & 0x7F) << 4) * 0x1p-7f, 0, 0.0f};
  }
  static Status planes(const WeightView& w, ComponentBytes& want) {
    IMP_ASSIGN(want.block_scale, bytes_of(w, {w.padded_k / 16, w.padded_n}));
    return {};
  }
};

/// An e8m0 byte b becomes the bf16 b << 7: 2^(b - 127), and 0 for b = 0.
struct MarlinMxfp4Engine : MarlinFacts<kMarlinLayout, 18>, MarlinNibbles {
  using Number = E2m1Number;
  static IMP_HD LaneScale scale(const WeightView& w, uint64_t row_tile, uint32_t i, uint32_t g,
                                uint64_t k) {
    const uint32_t b = load_u8(w.block_scale, marlin_byte(w, row_tile, i, g, k / 32));
    return {bf16_low(b << 7), 0, 0.0f};
  }
  static Status planes(const WeightView& w, ComponentBytes& want) {
    IMP_ASSIGN(want.block_scale, bytes_of(w, {w.padded_k / 32, w.padded_n}));
    return {};
  }
};

/// Codes come as 2^-120 of themselves, and bf16 scales have 2^120.
struct MarlinFp8Engine : MarlinFacts<kMarlinLayout, 20>, MarlinBytes {
  using Number = E4m3Number;
  static IMP_HD LaneScale scale(const WeightView& w, uint64_t row_tile, uint32_t i, uint32_t g,
                                uint64_t k) {
    const uint64_t element = marlin_half(w, row_tile, i, g, k);
    return {bf16_low(load_u16(w.block_scale, 2 * element)) * 0x1p-120f, 0, 0.0f};
  }
  static Status planes(const WeightView& w, ComponentBytes& want) {
    IMP_ASSIGN(want.block_scale, bytes_of(w, {padded_groups(w), w.padded_n, 2}));
    return {};
  }
};

template <class Codes, uint16_t kSchemeNumber>
struct MarlinIntegerEngine : MarlinFacts<kMarlinLayout, kSchemeNumber>, Codes {
  static constexpr uint32_t kDialects = 3;  ///< bf16, f16
  using Number = IntegerNumber;
  static IMP_HD LaneScale scale(const WeightView& w, uint64_t row_tile, uint32_t i, uint32_t g,
                                uint64_t k) {
    LaneScale made{half_at(w, w.block_scale, marlin_half(w, row_tile, i, g, k)),
                   Codes::kBits == 4 ? 8 : 128, 0.0f};
    if (w.zero_point == nullptr) return made;
    const uint64_t group = column_group(w, k);
    if (Codes::kBits == 8) {
      made.zero =
          static_cast<int32_t>(load_u8(w.zero_point, marlin_byte(w, row_tile, i, g, group)));
    } else {
      // Registers r = 0..3 of the word are the pairs of rows 2r, 2r + 1.
      const uint32_t word =
          load_u32(w.zero_point, marlin_row(w, row_tile, group) / 2 + 4 * g) >> (4 * (i / 2));
      made.zero = static_cast<int32_t>(word >> (16 * (i % 2)) & 0xF);
    }
    return made;
  }
  static Status planes(const WeightView& w, ComponentBytes& want) {
    IMP_TRY(check_integer_scales(w, 32));
    IMP_ASSIGN(want.block_scale, bytes_of(w, {padded_groups(w), w.padded_n, 2}));
    IMP_ASSIGN(want.zero_point, bytes_of(w, {padded_groups(w), w.padded_n / 2, Codes::kBits / 4}));
    return {};
  }
};

using MarlinNvfp4 = FragmentReader<MarlinNvfp4Engine<kMarlinLayout>>;
using MarlinA0Nvfp4 = FragmentReader<MarlinNvfp4Engine<kMarlinA0Layout>>;
using MarlinMxfp4 = FragmentReader<MarlinMxfp4Engine>;
using MarlinFp8 = FragmentReader<MarlinFp8Engine>;
using MarlinInt4 = FragmentReader<MarlinIntegerEngine<MarlinNibbles, 36>>;
using MarlinInt8 = FragmentReader<MarlinIntegerEngine<MarlinBytes, 40>>;

}  // namespace imp::kernels::readers
