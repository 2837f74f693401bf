// IQ4_NL and IQ4_XS: indexes into one table of 16 numbers.
#include "src/quant/ggml_codec.h"
#include "src/quant/ggml_nibbles.h"

namespace imp::quant {
namespace {

struct Iq4Nl : OneHalfScale<0> {
  static constexpr BlockPlanes kPlanes = {GgmlType::kIq4Nl, BlockCode::kLut, 4,    32,
                                          Dtype::kF16,      false,           false};
  static constexpr uint32_t kElems = 32, kBytes = 18, kSuperScaleAt = 0, kSuperMinAt = 0;

  static void codes(const uint8_t* block, uint8_t* out) { halves_to_pairs<16>(block + 2, out); }
  static void put_codes(const uint8_t* in, uint8_t* block) { pairs_to_halves<16>(in, block + 2); }
};

/// Scale j of eight, less 32: nibble j of four bytes and bits 2j of a word above it.
struct Iq4Xs {
  static constexpr BlockPlanes kPlanes = {GgmlType::kIq4Xs, BlockCode::kLut, 4,   32,
                                          Dtype::kI8,       false,           true};
  static constexpr uint32_t kElems = 256, kBytes = 136;
  static constexpr uint32_t kSuperScaleAt = 0, kSuperMinAt = 0, kHighAt = 2, kLowAt = 4, kQsAt = 8;

  static void codes(const uint8_t* block, uint8_t* out) {
    for (uint32_t c = 0; c < 128; c += 16) halves_to_pairs<16>(block + kQsAt + c, out + c);
  }
  static void put_codes(const uint8_t* in, uint8_t* block) {
    for (uint32_t c = 0; c < 128; c += 16) pairs_to_halves<16>(in + c, block + kQsAt + c);
  }
  static void groups(const uint8_t* block, uint8_t* scale, uint8_t*) {
    const auto high = load_le<uint16_t>(block + kHighAt);
    const auto low = load_le<uint32_t>(block + kLowAt);
    for (uint32_t j = 0; j < 8; ++j)
      scale[j] = static_cast<uint8_t>(((low >> (4 * j) & 0xF) | (high >> (2 * j) & 3u) << 4) - 32);
  }
  static void put_groups(const uint8_t* scale, const uint8_t*, uint8_t* block) {
    uint32_t high = 0;
    uint32_t low = 0;
    for (uint32_t j = 0; j < 8; ++j) {
      const uint32_t stored = scale[j] + 32u;
      low |= (stored & 0xF) << (4 * j);
      high |= (stored >> 4 & 3) << (2 * j);
    }
    store_le(block + kHighAt, static_cast<uint16_t>(high));
    store_le(block + kLowAt, low);
  }
};

}  // namespace

const BlockCodec* iq4_codec(GgmlType type) {
  if (type == GgmlType::kIq4Nl) return &kCodec<Iq4Nl>;
  if (type == GgmlType::kIq4Xs) return &kCodec<Iq4Xs>;
  return nullptr;
}

}  // namespace imp::quant
