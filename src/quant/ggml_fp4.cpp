// MXFP4 and NVFP4: e2m1 codes, a scale of one byte per 32 or 16.
#include "src/quant/ggml_codec.h"
#include "src/quant/ggml_nibbles.h"

namespace imp::quant {
namespace {

struct Mxfp4 {
  static constexpr BlockPlanes kPlanes = {
      GgmlType::kMxfp4, BlockCode::kE2m1, 4, 32, Dtype::kF8E8M0, false, false};
  static constexpr uint32_t kElems = 32, kBytes = 17, kSuperScaleAt = 0, kSuperMinAt = 0;

  static void codes(const uint8_t* block, uint8_t* out) { halves_to_pairs<16>(block + 1, out); }
  static void put_codes(const uint8_t* in, uint8_t* block) { pairs_to_halves<16>(in, block + 1); }
  static void groups(const uint8_t* block, uint8_t* scale, uint8_t*) { *scale = *block; }
  static void put_groups(const uint8_t* scale, const uint8_t*, uint8_t* block) { *block = *scale; }
};

/// Four scales, then four groups, each of them split in halves of its own.
struct Nvfp4 {
  static constexpr BlockPlanes kPlanes = {
      GgmlType::kNvfp4, BlockCode::kE2m1, 4, 16, Dtype::kF8E4M3, false, false};
  static constexpr uint32_t kElems = 64, kBytes = 36, kSuperScaleAt = 0, kSuperMinAt = 0;

  static void codes(const uint8_t* block, uint8_t* out) {
    for (uint32_t c = 0; c < 32; c += 8) halves_to_pairs<8>(block + 4 + c, out + c);
  }
  static void put_codes(const uint8_t* in, uint8_t* block) {
    for (uint32_t c = 0; c < 32; c += 8) pairs_to_halves<8>(in + c, block + 4 + c);
  }
  static void groups(const uint8_t* block, uint8_t* scale, uint8_t*) {
    std::memcpy(scale, block, 4);
  }
  static void put_groups(const uint8_t* scale, const uint8_t*, uint8_t* block) {
    std::memcpy(block, scale, 4);
  }
};

}  // namespace

float ggml_e4m3(uint8_t byte) {
  if (byte == 0x7F) return 0.0f;
  const uint32_t exponent = byte >> 3 & 0xF;
  const uint32_t mantissa = byte & 7;
  if (exponent == 0) return static_cast<float>(mantissa) * 0x1p-9f;
  return std::bit_cast<float>((exponent + 127 - 7) << 23 | mantissa << 20);
}

const BlockCodec* fp4_codec(GgmlType type) {
  if (type == GgmlType::kMxfp4) return &kCodec<Mxfp4>;
  if (type == GgmlType::kNvfp4) return &kCodec<Nvfp4>;
  return nullptr;
}

}  // namespace imp::quant
