// What one thread computes, for host and device: which packed bytes it owns, where its values go
// and what they are. Written from the fragment order and formulas of kernels/layouts/README.md,
// without the layout headers: what the packer got wrong must come out wrong here.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#if defined(__CUDACC__)
#define IMP_DEQUANT_HD __host__ __device__
#else
#define IMP_DEQUANT_HD
#endif

namespace imp::kernels::dequant {

inline constexpr uint32_t kChunk = 8;  ///< codes that a thread decodes at once: one 32-bit word
inline constexpr uint32_t kGroup = 16;

IMP_DEQUANT_HD inline float float_of_bits(uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(bits);
#else
  return std::bit_cast<float>(bits);
#endif
}

/// An e2m1 code moved to s = bit 31, e e m = bits 24..22 of an f32 is the code times 2^-126 (a
/// subnormal for code 1); both products are exact.
IMP_DEQUANT_HD inline float times_scale(uint32_t moved_code, float scale) {
  return float_of_bits(moved_code) * 0x1p126f * scale;
}

/// e4m3, sign ignored.
IMP_DEQUANT_HD inline float scale_of_ue4m3(uint32_t byte) {
  const uint32_t magnitude = byte & 0x7F;
  return magnitude == 0x7F ? float_of_bits(0x7FC00000u) : float_of_bits(magnitude << 20) * 0x1p120f;
}

/// Scale byte of mma64: the upper bits of an fp16, without its sign.
IMP_DEQUANT_HD inline float scale_of_mma64(uint32_t byte) {
  return float_of_bits(byte << 20) * 0x1p112f;
}

/// Eight codes in checkpoint order (code i in bits 4i..4i+3), unscaled by anything but `scale`.
IMP_DEQUANT_HD inline void decode_canonical(uint32_t word, float scale, float (&out)[kChunk]) {
  for (uint32_t i = 0; i < kChunk; ++i) {
    const uint32_t code = word >> (4 * i);
    out[i] = times_scale((code & 8) << 28 | (code & 7) << 22, scale);
  }
}

/// Eight codes of an mma64 word. The four registers are pairs of bf16, code * 2^-126, codes 2r and
/// 2r + 1.
IMP_DEQUANT_HD inline void decode_mma64(uint32_t q, float scale, float (&out)[kChunk]) {
  constexpr uint32_t kA = 0x81C081C0, kS = 0x80008000, kG = 0x01C001C0;
  const uint32_t r[4] = {q & kA, (q << 3) & kA, ((q << 1) & kS) | ((q << 6) & kG),
                         ((q << 2) & kS) | ((q >> 3) & kG)};
  for (uint32_t i = 0; i < 4; ++i) {
    out[2 * i] = times_scale(r[i] << 16, scale);
    out[2 * i + 1] = times_scale(r[i] & 0xFFFF0000u, scale);
  }
}

/// A lane of a warp that takes a 2304-byte mma64 block, and what it loads: vector p of four at
/// block + 512 p + 16 lane, scales at block + 2048 + 8 lane. Word 2j + h of its 16 has codes k =
/// 16c + 8h .. + 7 of row n = 8j + g.
struct Mma64Lane {
  uint32_t lane;

  IMP_DEQUANT_HD uint32_t row(uint32_t j) const { return 8 * j + lane / 4; }
  IMP_DEQUANT_HD bool is_odd() const { return lane % 2 != 0; }
  // Neighbouring lanes trade one word per row: the even one gives its k 8..15, the odd one its k
  // 0..7. A store of 8 values a lane then covers whole sectors of 32 bytes: the pair writes k
  // 32(c/2) + 0..15 first, 16..31 second.
  // Words by value: an index that depends on the lane would put them into local memory.
  IMP_DEQUANT_HD uint32_t given(uint32_t h0, uint32_t h1) const { return is_odd() ? h0 : h1; }
  IMP_DEQUANT_HD uint32_t kept(uint32_t h0, uint32_t h1) const { return is_odd() ? h1 : h0; }
  /// First column of the values of store 0 or 1, inside the block. Store 0 has the word kept by an
  /// even lane and the word received by an odd one; its group is that of the even lane.
  IMP_DEQUANT_HD uint32_t column(uint32_t store) const {
    return 32 * (lane % 4 / 2) + 16 * store + (is_odd() ? 8 : 0);
  }
  IMP_DEQUANT_HD bool is_own_word(uint32_t store) const { return (store == 1) == is_odd(); }
};

/// Byte offset of the scale of (n, group) in 128x4 order (kernel-layouts 8.2).
IMP_DEQUANT_HD inline uint64_t sf128x4_offset(uint64_t n, uint64_t group, uint64_t groups) {
  const uint64_t group_tiles = (groups + 3) / 4;
  return ((n / 128) * group_tiles + group / 4) * 512 + (n % 32) * 16 + (n % 128) / 32 * 4 +
         group % 4;
}

IMP_DEQUANT_HD inline uint64_t native_pitch_bytes(uint64_t k) { return (k + 31) / 32 * 16; }

inline constexpr uint32_t kWarps = 8;  ///< of a block of threads

/// Row that warp `warp` of thread block `block_row` takes. In 128x4 order 32 bytes hold rows r,
/// r + 32, r + 64, r + 96 and r + 1, r + 33, ...: the eight warps of a thread block share them.
IMP_DEQUANT_HD inline uint64_t native_row(uint64_t block_row, uint32_t warp) {
  return block_row / 16 * 128 + warp % 4 * 32 + block_row % 16 * 2 + warp / 4;
}
IMP_DEQUANT_HD inline uint64_t plain_row(uint64_t block_row, uint32_t warp) {
  return block_row * kWarps + warp;
}

}  // namespace imp::kernels::dequant
