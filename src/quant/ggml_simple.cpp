// Q4_0, Q4_1, Q5_0, Q5_1, Q8_0: 32 elements under one half scale, and a half min in the "_1" types.
#include "src/quant/ggml_codec.h"
#include "src/quant/ggml_nibbles.h"

namespace imp::quant {
namespace {

/// A block that begins with its scale, and its min if it has one.
template <bool kMin>
struct HalfHeader {
  static constexpr uint32_t kElems = 32;
  static constexpr uint32_t kSuperScaleAt = 0;
  static constexpr uint32_t kSuperMinAt = 0;
  static constexpr uint32_t kHeaderBytes = kMin ? 4 : 2;

  static void groups(const uint8_t* block, uint8_t* scale, uint8_t* min) {
    std::memcpy(scale, block, 2);
    if constexpr (kMin) std::memcpy(min, block + 2, 2);
  }
  static void put_groups(const uint8_t* scale, const uint8_t* min, uint8_t* block) {
    std::memcpy(block, scale, 2);
    if constexpr (kMin) std::memcpy(block + 2, min, 2);
  }
};

template <bool kMin>
constexpr BlockPlanes simple_planes(GgmlType type, uint32_t bits) {
  return {type, kMin ? BlockCode::kUnsigned : BlockCode::kOffsetBinary, bits, 32, Dtype::kF16, kMin,
          false};
}

template <GgmlType kType, bool kMin>
struct FourBits : HalfHeader<kMin> {
  using Header = HalfHeader<kMin>;
  static constexpr BlockPlanes kPlanes = simple_planes<kMin>(kType, 4);
  static constexpr uint32_t kBytes = Header::kHeaderBytes + 16;

  static void codes(const uint8_t* block, uint8_t* out) {
    halves_to_pairs<16>(block + Header::kHeaderBytes, out);
  }
  static void put_codes(const uint8_t* in, uint8_t* block) {
    pairs_to_halves<16>(in, block + Header::kHeaderBytes);
  }
};

/// Eight bytes, 16 in each where the bit of the index is set.
constexpr auto kFifthBits = [] {
  std::array<uint64_t, 256> spread{};
  for (uint32_t byte = 0; byte < 256; ++byte)
    for (uint32_t bit = 0; bit < 8; ++bit)
      if ((byte >> bit & 1) != 0) spread[byte] |= uint64_t{16} << (8 * bit);
  return spread;
}();

/// Bit e of a word of 32 is the fifth bit of element e. Q5_0 is centred on 16, so that its
/// canonical code is 112 more.
template <GgmlType kType, bool kMin>
struct FiveBits : HalfHeader<kMin> {
  using Header = HalfHeader<kMin>;
  static constexpr BlockPlanes kPlanes = simple_planes<kMin>(kType, 8);
  static constexpr uint32_t kHighAt = Header::kHeaderBytes;
  static constexpr uint32_t kLowAt = kHighAt + 4;
  static constexpr uint32_t kBytes = kLowAt + 16;
  static constexpr uint8_t kOffset = kMin ? 0 : 128 - 16;

  static void codes(const uint8_t* block, uint8_t* out) {
    uint64_t high[4];
    for (uint32_t i = 0; i < 4; ++i) high[i] = kFifthBits[block[kHighAt + i]];
    std::memcpy(out, high, 32);
    for (uint32_t i = 0; i < 16; ++i) {
      const uint8_t low = block[kLowAt + i];
      out[i] = static_cast<uint8_t>((out[i] | (low & 0xF)) + kOffset);
      out[i + 16] = static_cast<uint8_t>((out[i + 16] | low >> 4) + kOffset);
    }
  }
  static void put_codes(const uint8_t* in, uint8_t* block) {
    uint32_t high = 0;
    for (uint32_t i = 0; i < 16; ++i) {
      const auto a = static_cast<uint8_t>(in[i] - kOffset);
      const auto b = static_cast<uint8_t>(in[i + 16] - kOffset);
      block[kLowAt + i] = static_cast<uint8_t>((a & 0xF) | b << 4);
      high |= (a >> 4 & 1u) << i | (b >> 4 & 1u) << (i + 16);
    }
    store_le(block + kHighAt, high);
  }
};

struct Q8_0 : HalfHeader<false> {
  static constexpr BlockPlanes kPlanes = simple_planes<false>(GgmlType::kQ8_0, 8);
  static constexpr uint32_t kBytes = 34;

  static void codes(const uint8_t* block, uint8_t* out) {
    for (uint32_t i = 0; i < 32; ++i) out[i] = block[2 + i] ^ 0x80;
  }
  static void put_codes(const uint8_t* in, uint8_t* block) {
    for (uint32_t i = 0; i < 32; ++i) block[2 + i] = in[i] ^ 0x80;
  }
};

}  // namespace

const BlockCodec* simple_codec(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0:
      return &kCodec<FourBits<GgmlType::kQ4_0, false>>;
    case GgmlType::kQ4_1:
      return &kCodec<FourBits<GgmlType::kQ4_1, true>>;
    case GgmlType::kQ5_0:
      return &kCodec<FiveBits<GgmlType::kQ5_0, false>>;
    case GgmlType::kQ5_1:
      return &kCodec<FiveBits<GgmlType::kQ5_1, true>>;
    case GgmlType::kQ8_0:
      return &kCodec<Q8_0>;
    default:
      return nullptr;
  }
}

}  // namespace imp::quant
