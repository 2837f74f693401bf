#include "src/repack/mma64_words.h"

#include <array>
#include <cstring>

namespace imp::repack::mma64 {
namespace {

using layouts::mma64_nvfp4::decode_scale;
using layouts::mma64_nvfp4::decode_word;
using layouts::mma64_nvfp4::encode_scale;
using layouts::mma64_nvfp4::encode_word;
using layouts::mma64_nvfp4::kBlockBytes;
using layouts::mma64_nvfp4::kCodeBytes;
using layouts::mma64_nvfp4::kScaleBytes;
using layouts::mma64_nvfp4::kTileN;
using layouts::mma64_nvfp4::scale_byte_of_src;
using layouts::mma64_nvfp4::word_of_src;

template <uint8_t (*kCode)(uint8_t)>
constexpr std::array<uint8_t, 256> table_of() {
  std::array<uint8_t, 256> table{};
  for (uint32_t b = 0; b < 256; ++b) table[b] = kCode(static_cast<uint8_t>(b));
  return table;
}
constexpr std::array<uint8_t, 256> kEncodedScale = table_of<encode_scale>();
constexpr std::array<uint8_t, 256> kDecodedScale = table_of<decode_scale>();

using Run = std::array<uint32_t, 16>;  ///< the words of rows n and n + 8 of one tile

void pack_pair(const std::byte* row, const std::byte* row8, std::byte* out) {
  Run in;
  std::memcpy(&in[0], row, kRowCodeBytes);
  std::memcpy(&in[8], row8, kRowCodeBytes);
  for (uint32_t& word : in) word = encode_word(word);
  for (uint32_t c = 0; c < 4; ++c) {
    std::memcpy(out + 16 * c, &in[2 * c], 8);
    std::memcpy(out + 16 * c + 8, &in[8 + 2 * c], 8);
  }
}

void unpack_pair(const std::byte* in, std::byte* row, std::byte* row8) {
  Run out;
  for (uint32_t c = 0; c < 4; ++c) {
    std::memcpy(&out[2 * c], in + 16 * c, 8);
    std::memcpy(&out[8 + 2 * c], in + 16 * c + 8, 8);
  }
  for (uint32_t& word : out) word = decode_word(word);
  std::memcpy(row, &out[0], kRowCodeBytes);
  std::memcpy(row8, &out[8], kRowCodeBytes);
}

void pack_codes(ConstPlane rows, uint64_t tiles, std::byte* blocks, uint64_t block_bytes) {
  for (uint32_t n = 0; n < kTileN; n = next_pair(n))
    for (uint64_t tile = 0; tile < tiles; ++tile)
      pack_pair(rows.row(n) + tile * kRowCodeBytes,
                rows.row(n + kPairDistance) + tile * kRowCodeBytes,
                blocks + tile * block_bytes + 4 * word_of_src(n, 0));
}

void unpack_codes(const std::byte* blocks, uint64_t block_bytes, uint64_t tiles,
                  MutablePlane rows) {
  for (uint32_t n = 0; n < kTileN; n = next_pair(n))
    for (uint64_t tile = 0; tile < tiles; ++tile)
      unpack_pair(blocks + tile * block_bytes + 4 * word_of_src(n, 0),
                  rows.row(n) + tile * kRowCodeBytes,
                  rows.row(n + kPairDistance) + tile * kRowCodeBytes);
}

void pack_scales(ConstPlane rows, uint64_t tiles, std::byte* blocks) {
  for (uint64_t tile = 0; tile < tiles; ++tile)
    for (uint32_t n = 0; n < kTileN; ++n) {
      const std::byte* in = rows.row(n) + tile * kRowScaleBytes;
      for (uint32_t c = 0; c < kRowScaleBytes; ++c)
        blocks[tile * kBlockBytes + scale_byte_of_src(n, c)] =
            std::byte{kEncodedScale[std::to_integer<uint8_t>(in[c])]};
    }
}

void unpack_scales(const std::byte* blocks, uint64_t tiles, MutablePlane rows) {
  for (uint64_t tile = 0; tile < tiles; ++tile)
    for (uint32_t n = 0; n < kTileN; ++n) {
      std::byte* out = rows.row(n) + tile * kRowScaleBytes;
      for (uint32_t c = 0; c < kRowScaleBytes; ++c) {
        const std::byte stored = blocks[tile * kBlockBytes + scale_byte_of_src(n, c)];
        out[c] = std::byte{kDecodedScale[std::to_integer<uint8_t>(stored)]};
      }
    }
}

// The eight words of row n and those of row n + 8 fill 64 consecutive bytes, two words of each in
// turn.
constexpr bool rows_pair_up() {
  for (uint32_t n = 0; n < kTileN; n = next_pair(n))
    for (uint32_t k8 = 0; k8 < 8; ++k8) {
      const uint32_t word = word_of_src(n, 0) + 4 * (k8 / 2) + k8 % 2;
      if (word_of_src(n, k8) != word) return false;
      if (word_of_src(n + kPairDistance, k8) != word + 2) return false;
    }
  return true;
}
static_assert(rows_pair_up());

}  // namespace

const WordMoves& portable_moves() {
  static constexpr WordMoves kMoves = {pack_codes, pack_scales, unpack_codes, unpack_scales};
  return kMoves;
}

const WordMoves& best_moves() {
  static const WordMoves& best = avx2_moves() != nullptr ? *avx2_moves() : portable_moves();
  return best;
}

bool all_scales_normal(const std::byte* block) {
  constexpr uint8_t kLowest = encode_scale(0x08), kHighest = encode_scale(0x7E);
  uint8_t others = 0;
  for (uint32_t i = 0; i < kScaleBytes; ++i) {
    const uint8_t stored = std::to_integer<uint8_t>(block[kCodeBytes + i]);
    others |= static_cast<uint8_t>((stored < kLowest) | (stored > kHighest));
  }
  return others == 0;
}

}  // namespace imp::repack::mma64
