// Orders of 4-bit elements. ggml splits halves: byte i of H holds element i (low nibble) and i + H.
// Canonical rows hold consecutive pairs.
#pragma once

#include <cstdint>
#include <cstring>

namespace imp::quant {

/// 2 * H elements. The loops work on 16-bit words because a compiler vectorises those.
template <uint32_t H>
void halves_to_pairs(const uint8_t* halves, uint8_t* pairs) {
  uint16_t words[H / 2];
  std::memcpy(words, halves, H);
  for (uint32_t i = 0; i < H / 2; ++i) {
    const uint16_t w = words[i];
    pairs[i] = static_cast<uint8_t>((w & 0xF) | (w >> 4 & 0xF0));
    pairs[H / 2 + i] = static_cast<uint8_t>((w >> 4 & 0xF) | (w >> 8 & 0xF0));
  }
}

template <uint32_t H>
void pairs_to_halves(const uint8_t* pairs, uint8_t* halves) {
  for (uint32_t i = 0; i < H / 2; ++i) {
    const uint8_t low = pairs[i];
    const uint8_t high = pairs[H / 2 + i];
    halves[2 * i] = static_cast<uint8_t>((low & 0xF) | high << 4);
    halves[2 * i + 1] = static_cast<uint8_t>(low >> 4 | (high & 0xF0));
  }
}

/// N bytes with one element each, high nibbles zero, to pairs and back.
template <uint32_t N>
void bytes_to_pairs(const uint8_t* bytes, uint8_t* pairs) {
  uint16_t words[N / 2];
  std::memcpy(words, bytes, N);
  for (uint32_t i = 0; i < N / 2; ++i) pairs[i] = static_cast<uint8_t>(words[i] | words[i] >> 4);
}

template <uint32_t N>
void pairs_to_bytes(const uint8_t* pairs, uint8_t* bytes) {
  for (uint32_t i = 0; i < N / 2; ++i) {
    bytes[2 * i] = pairs[i] & 0xF;
    bytes[2 * i + 1] = pairs[i] >> 4;
  }
}

}  // namespace imp::quant
