// The parts of ggml_blocks.cpp: what one type knows of its block, and the loops over blocks made of
// that.
//
// A type T that comes apart is a struct of
//   kPlanes              its BlockPlanes
//   kElems, kBytes       of a block
//   kSuperScaleAt        byte of the F16 super scale; kSuperMinAt; 0 where it has none
//   codes(block, out)    canonical codes of one block, kElems * code_bits / 8 bytes
//   put_codes(in, block) the inverse; bits that the block has no room for are dropped
//   groups(block, scale, min), put_groups(scale, min, block)
//                        kElems / group_size elements each of scale_dtype; min is not touched where
//                        the type has none
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "src/base/little_endian.h"
#include "src/quant/f16.h"
#include "src/quant/ggml_blocks.h"

namespace imp::quant {

/// Canonical planes as bytes; nullptr where the type has none.
struct FieldPointers {
  const uint8_t* codes = nullptr;
  const uint8_t* scale = nullptr;
  const uint8_t* min = nullptr;
  const uint8_t* super_scale = nullptr;
  const uint8_t* super_min = nullptr;
};

/// One type; `count` is in blocks.
struct BlockCodec {
  BlockPlanes planes;
  void (*extract)(BlockField field, const uint8_t* blocks, uint64_t count, uint8_t* out);
  void (*join)(FieldPointers fields, uint64_t count, uint8_t* blocks);
  void (*decode)(const uint8_t* blocks, uint64_t count, float* out);
};

using BlockDecoder = void (*)(const uint8_t* blocks, uint64_t count, float* out);

/// nullptr where the family does not have the type.
const BlockCodec* simple_codec(GgmlType type);   // Q4_0 to Q8_0
const BlockCodec* k_codec(GgmlType type);        // Q2_K to Q6_K
const BlockCodec* iq4_codec(GgmlType type);      // IQ4_NL, IQ4_XS
const BlockCodec* ternary_codec(GgmlType type);  // TQ1_0, TQ2_0
const BlockCodec* fp4_codec(GgmlType type);      // MXFP4, NVFP4

/// Types that stay blocks.
BlockDecoder lattice_decoder(GgmlType type);     // IQ1, IQ2, IQ3
BlockDecoder small_code_decoder(GgmlType type);  // Q1_0, Q2_0

/// Half scale of an IQ1_M block: the top nibbles of four words.
uint16_t iq1m_scale(const uint8_t* block);

/// 2^(b - 128), half of the scale, so that also the last bytes are finite; and the unsigned e4m3
/// number. Both as ggml reads them, bytes that check_block_scales refuses included.
constexpr float ggml_half_e8m0(uint8_t byte) {
  return std::bit_cast<float>(byte < 2 ? 0x00200000u << byte
                                       : static_cast<uint32_t>(byte - 1) << 23);
}
float ggml_e4m3(uint8_t byte);

/// Groups of a type whose block has one scale, the half at byte `kAt`.
template <uint32_t kAt>
struct OneHalfScale {
  static void groups(const uint8_t* block, uint8_t* scale, uint8_t*) {
    std::memcpy(scale, block + kAt, 2);
  }
  static void put_groups(const uint8_t* scale, const uint8_t*, uint8_t* block) {
    std::memcpy(block + kAt, scale, 2);
  }
};

template <class T>
inline constexpr uint32_t kGroups = T::kElems / T::kPlanes.group_size;
template <class T>
inline constexpr uint32_t kCodeBytes = T::kElems* T::kPlanes.code_bits / 8;
/// Of one scale.
template <class T>
inline constexpr uint32_t kScaleBytes = T::kPlanes.scale_dtype == Dtype::kF16 ? 2 : 1;

inline float load_half(const uint8_t* at) { return f16_to_float(load_le<uint16_t>(at)); }

template <class T>
void extract_blocks(BlockField field, const uint8_t* blocks, uint64_t count, uint8_t* out) {
  constexpr uint32_t kScales = kGroups<T> * kScaleBytes<T>;
  uint8_t unused[kScales];
  for (uint64_t i = 0; i < count; ++i) {
    const uint8_t* block = blocks + i * T::kBytes;
    switch (field) {
      case BlockField::kCodes:
        T::codes(block, out + i * kCodeBytes<T>);
        break;
      case BlockField::kScale:
        T::groups(block, out + i * kScales, unused);
        break;
      case BlockField::kMin:
        T::groups(block, unused, out + i * kScales);
        break;
      case BlockField::kSuperScale:
        std::memcpy(out + 2 * i, block + T::kSuperScaleAt, 2);
        break;
      case BlockField::kSuperMin:
        std::memcpy(out + 2 * i, block + T::kSuperMinAt, 2);
        break;
      case BlockField::kRows:
        std::memcpy(out + i * T::kBytes, block, T::kBytes);
        break;
    }
  }
}

template <class T>
void join_blocks(FieldPointers fields, uint64_t count, uint8_t* blocks) {
  constexpr uint32_t kScales = kGroups<T> * kScaleBytes<T>;
  for (uint64_t i = 0; i < count; ++i) {
    uint8_t* block = blocks + i * T::kBytes;
    T::put_codes(fields.codes + i * kCodeBytes<T>, block);
    const uint8_t* min = T::kPlanes.has_min ? fields.min + i * kScales : nullptr;
    T::put_groups(fields.scale + i * kScales, min, block);
    if constexpr (T::kPlanes.has_super) {
      std::memcpy(block + T::kSuperScaleAt, fields.super_scale + 2 * i, 2);
      if constexpr (T::kPlanes.has_min)
        std::memcpy(block + T::kSuperMinAt, fields.super_min + 2 * i, 2);
    }
  }
}

/// Number of every code; its double where scale_number is half. E2m1 code 8 is +0, as ggml's table
/// of integers has it.
template <class T>
constexpr auto code_numbers() {
  std::array<float, 1u << T::kPlanes.code_bits> numbers{};
  constexpr int kE2m1Doubled[8] = {0, 1, 2, 3, 4, 6, 8, 12};
  for (uint32_t u = 0; u < numbers.size(); ++u) {
    auto number = static_cast<float>(u);
    if (T::kPlanes.code == BlockCode::kOffsetBinary)
      number -= static_cast<float>(1 << (T::kPlanes.code_bits - 1));
    if (T::kPlanes.code == BlockCode::kLut) number = kIq4NlValues[u % 16];
    if (T::kPlanes.code == BlockCode::kE2m1)
      number = static_cast<float>(kE2m1Doubled[u % 8] * (u < 8 ? 1 : -1));
    numbers[u] = T::kPlanes.scale_dtype == Dtype::kF8E4M3 ? 0.5f * number : number;
  }
  return numbers;
}

/// A scale or min on its own, without its super scale; of e8m0 half of it.
template <class T>
float scale_number(const uint8_t* at) {
  switch (T::kPlanes.scale_dtype) {
    case Dtype::kF16:
      return load_half(at);
    case Dtype::kI8:
      return static_cast<float>(static_cast<int8_t>(*at));
    case Dtype::kF8E8M0:
      return ggml_half_e8m0(*at);
    case Dtype::kF8E4M3:
      return ggml_e4m3(*at);
    default:
      return static_cast<float>(*at);
  }
}

/// Through the canonical planes of each block. Every product is exact in a float (a significand has
/// at most 11 bits, a scale 6, a code 8); only the sum with a min rounds.
template <class T>
void decode_planes(const uint8_t* blocks, uint64_t count, float* out) {
  static constexpr auto kNumbers = code_numbers<T>();
  constexpr BlockPlanes kPlanes = T::kPlanes;
  uint8_t codes[kCodeBytes<T>];
  uint8_t scales[kGroups<T> * kScaleBytes<T>];
  uint8_t mins[kGroups<T> * kScaleBytes<T>];
  for (uint64_t i = 0; i < count; ++i) {
    const uint8_t* block = blocks + i * T::kBytes;
    T::codes(block, codes);
    T::groups(block, scales, mins);
    const float super_scale = kPlanes.has_super ? load_half(block + T::kSuperScaleAt) : 1.0f;
    const float super_min =
        kPlanes.has_super && kPlanes.has_min ? -load_half(block + T::kSuperMinAt) : 1.0f;
    for (uint32_t g = 0; g < kGroups<T>; ++g) {
      const float scale = super_scale * scale_number<T>(scales + g * kScaleBytes<T>);
      float min = 0;
      if constexpr (kPlanes.has_min) min = super_min * scale_number<T>(mins + g * kScaleBytes<T>);
      for (uint32_t e = g * kPlanes.group_size; e < (g + 1) * kPlanes.group_size; ++e) {
        const uint8_t u = kPlanes.code_bits == 8 ? codes[e] : codes[e / 2] >> (4 * (e % 2)) & 0xF;
        *out++ = kPlanes.has_min ? kNumbers[u] * scale + min : kNumbers[u] * scale;
      }
    }
  }
}

template <class T>
inline constexpr BlockCodec kCodec = {T::kPlanes, extract_blocks<T>, join_blocks<T>,
                                      decode_planes<T>};

}  // namespace imp::quant
