// TQ2_0 and the other types whose codes are two bits or less.
#include "src/quant/ggml_codec.h"
#include "src/quant/ggml_nibbles.h"

namespace imp::quant {
namespace {

/// Two bits of value 0 to 3 (3 is no code of its encoder, but a number all the same), less 1: in
/// offset binary of 4 bits that is 7 more.
struct Tq2_0 {
  static constexpr BlockPlanes kPlanes = {
      GgmlType::kTq2_0, BlockCode::kOffsetBinary, 4, 256, Dtype::kF16, false, false};
  static constexpr uint32_t kElems = 256, kBytes = 66, kScaleAt = 64;
  static constexpr uint32_t kSuperScaleAt = 0, kSuperMinAt = 0;
  static constexpr uint8_t kOffset = 8 - 1;

  static void codes(const uint8_t* block, uint8_t* out) {
    uint8_t u[kElems];
    for (uint32_t run = 0; run < 8; ++run)
      for (uint32_t l = 0; l < 32; ++l)
        u[32 * run + l] =
            static_cast<uint8_t>((block[32 * (run / 4) + l] >> (2 * (run % 4)) & 3) + kOffset);
    bytes_to_pairs<kElems>(u, out);
  }
  static void put_codes(const uint8_t* in, uint8_t* block) {
    uint8_t u[kElems];
    pairs_to_bytes<kElems>(in, u);
    std::memset(block, 0, kScaleAt);
    for (uint32_t run = 0; run < 8; ++run)
      for (uint32_t l = 0; l < 32; ++l) {
        uint8_t& to = block[32 * (run / 4) + l];
        to = static_cast<uint8_t>(to | ((u[32 * run + l] - kOffset) & 3) << (2 * (run % 4)));
      }
  }
  static void groups(const uint8_t* block, uint8_t* scale, uint8_t*) {
    std::memcpy(scale, block + kScaleAt, 2);
  }
  static void put_groups(const uint8_t* scale, const uint8_t*, uint8_t* block) {
    std::memcpy(block + kScaleAt, scale, 2);
  }
};

}  // namespace

const BlockCodec* ternary_codec(GgmlType type) {
  return type == GgmlType::kTq2_0 ? &kCodec<Tq2_0> : nullptr;
}

}  // namespace imp::quant
