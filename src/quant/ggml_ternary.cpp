// TQ1_0, TQ2_0 and the other types whose codes are two bits or less.
#include "src/quant/ggml_codec.h"
#include "src/quant/ggml_nibbles.h"

namespace imp::quant {
namespace {

/// Two bits of value 0 to 3 (3 is no code of its encoder, but a number all the same), less 1: in
/// offset binary of 4 bits that is 7 more.
struct Tq2_0 : OneHalfScale<64> {
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
};

/// Five elements of three values (four in the last bytes) in a byte: the fraction byte / 256 in
/// base 3 has them as its first digits. The encoder rounds up; other bytes may have the same
/// digits.
struct Tq1_0 : OneHalfScale<52> {
  static constexpr BlockPlanes kPlanes = {
      GgmlType::kTq1_0, BlockCode::kOffsetBinary, 4, 256, Dtype::kF16, false, false};
  static constexpr uint32_t kElems = 256, kBytes = 54;
  static constexpr uint32_t kSuperScaleAt = 0, kSuperMinAt = 0;
  static constexpr uint8_t kOffset = 8 - 1;
  static constexpr uint32_t kPowers[5] = {1, 3, 9, 27, 81};

  /// Bytes [first, first + bytes) have `digits` elements each, first digits first, from element
  /// `elem` on.
  struct Run {
    uint32_t first, bytes, digits, elem;
  };
  static constexpr Run kRuns[] = {{0, 32, 5, 0}, {32, 16, 5, 160}, {48, 4, 4, 240}};

  static uint8_t digit_of(uint8_t byte, uint32_t digit) {
    const auto rest = static_cast<uint8_t>(byte * kPowers[digit]);
    return static_cast<uint8_t>(rest * 3 >> 8);
  }
  static uint8_t byte_of(const uint8_t* u, const Run& run, uint32_t l) {
    uint32_t number = 0;
    for (uint32_t digit = 0; digit < run.digits; ++digit)
      number += (u[run.elem + digit * run.bytes + l] - kOffset) % 3u * kPowers[4 - digit];
    return static_cast<uint8_t>((number * 256 + 242) / 243);
  }

  static void codes(const uint8_t* block, uint8_t* out) {
    uint8_t u[kElems];
    for (const Run& run : kRuns)
      for (uint32_t digit = 0; digit < run.digits; ++digit)
        for (uint32_t l = 0; l < run.bytes; ++l)
          u[run.elem + digit * run.bytes + l] =
              static_cast<uint8_t>(digit_of(block[run.first + l], digit) + kOffset);
    bytes_to_pairs<kElems>(u, out);
  }
  static void put_codes(const uint8_t* in, uint8_t* block) {
    uint8_t u[kElems];
    pairs_to_bytes<kElems>(in, u);
    for (const Run& run : kRuns)
      for (uint32_t l = 0; l < run.bytes; ++l) block[run.first + l] = byte_of(u, run, l);
  }
};

void decode_q1_0(const uint8_t* blocks, uint64_t count, float* out) {
  for (uint64_t i = 0; i < count; ++i) {
    const uint8_t* block = blocks + i * 18;
    const float scale = load_half(block);
    for (uint32_t e = 0; e < 128; ++e)
      *out++ = (block[2 + e / 8] >> (e % 8) & 1) != 0 ? scale : -scale;
  }
}

void decode_q2_0(const uint8_t* blocks, uint64_t count, float* out) {
  for (uint64_t i = 0; i < count; ++i) {
    const uint8_t* block = blocks + i * 18;
    const float scale = load_half(block);
    for (uint32_t e = 0; e < 64; ++e)
      *out++ = static_cast<float>((block[2 + e / 4] >> (2 * (e % 4)) & 3) - 1) * scale;
  }
}

}  // namespace

const BlockCodec* ternary_codec(GgmlType type) {
  if (type == GgmlType::kTq1_0) return &kCodec<Tq1_0>;
  return type == GgmlType::kTq2_0 ? &kCodec<Tq2_0> : nullptr;
}

BlockDecoder small_code_decoder(GgmlType type) {
  if (type == GgmlType::kQ1_0) return decode_q1_0;
  if (type == GgmlType::kQ2_0) return decode_q2_0;
  return nullptr;
}

}  // namespace imp::quant
