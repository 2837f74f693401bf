// AVX2 word moves for mma64 NVFP4, eight words at a time; chosen at run time.
#include "src/repack/mma64_words.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#include <array>
#include <cstring>

#define IMP_AVX2 __attribute__((target("avx2")))
#define IMP_AVX2_INLINE __attribute__((target("avx2"), always_inline)) inline

namespace imp::repack::mma64 {
namespace {

using layouts::mma64_nvfp4::bit_of_src;
using layouts::mma64_nvfp4::encode_scale;
using layouts::mma64_nvfp4::kBlockBytes;
using layouts::mma64_nvfp4::kTileN;
using layouts::mma64_nvfp4::scale_byte_of_src;
using layouts::mma64_nvfp4::word_of_src;

/// Where, inside a 16-bit half, bits e e m (low) and s of register r go; s is counted from its
/// place (bit 3) in the code.
constexpr int low_shift(uint32_t r) { return static_cast<int>(bit_of_src(2 * r, 0)); }
constexpr int sign_shift(uint32_t r) { return static_cast<int>(bit_of_src(2 * r, 3)) - 3; }

IMP_AVX2_INLINE __m256i load(const std::byte* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}
IMP_AVX2_INLINE void store(std::byte* at, __m256i value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), value);
}
IMP_AVX2_INLINE __m256i both_lanes(const std::array<uint8_t, 16>& bytes) {
  __m128i lane;
  std::memcpy(&lane, bytes.data(), sizeof lane);
  return _mm256_broadcastsi128_si256(lane);
}

/// sum over the four bytes b_i of each word of b_i << shift_i, by multiply-adds: a byte pair first,
/// to 2^(shift - base), then the two pairs, to 2^base.
template <int kShift0, int kShift1, int kShift2, int kShift3>
IMP_AVX2_INLINE __m256i sum_of_shifted(__m256i bytes) {
  constexpr int kBase01 = kShift0 < kShift1 ? kShift0 : kShift1;
  constexpr int kBase23 = kShift2 < kShift3 ? kShift2 : kShift3;
  constexpr int kPairs = 1 << (kShift0 - kBase01) | 1 << (kShift1 - kBase01 + 8) |
                         1 << (kShift2 - kBase23 + 16) | 1 << (kShift3 - kBase23 + 24);
  static_assert(kShift0 - kBase01 < 7 && kShift1 - kBase01 < 7 && kShift2 - kBase23 < 7 &&
                kShift3 - kBase23 < 7 && kBase01 < 15 && kBase23 < 15);
  return _mm256_madd_epi16(_mm256_maddubs_epi16(bytes, _mm256_set1_epi32(kPairs)),
                           _mm256_set1_epi32(1 << kBase01 | 1 << (kBase23 + 16)));
}

/// The bytes of each word in the order r0, r3, r1, r2: the shifts inside those pairs lie close
/// together.
constexpr std::array<uint8_t, 16> kPairOrder = {0, 3,  1, 2,  4,  7,  5,  6,
                                                8, 11, 9, 10, 12, 15, 13, 14};
IMP_AVX2_INLINE __m256i low_bits_placed(__m256i bytes) {
  return sum_of_shifted<low_shift(0), low_shift(3), low_shift(1), low_shift(2)>(bytes);
}
IMP_AVX2_INLINE __m256i sign_bits_placed(__m256i bytes) {
  return sum_of_shifted<sign_shift(0), sign_shift(3), sign_shift(1), sign_shift(2)>(bytes);
}

IMP_AVX2_INLINE __m256i encode(__m256i canonical) {
  const __m256i x = _mm256_shuffle_epi8(canonical, both_lanes(kPairOrder));
  const __m256i even =
      _mm256_add_epi32(low_bits_placed(_mm256_and_si256(x, _mm256_set1_epi8(0x07))),
                       sign_bits_placed(_mm256_and_si256(x, _mm256_set1_epi8(0x08))));
  // Odd codes are the upper nibbles, 16 times as much: 12 more bits make it the upper half.
  const __m256i odd =
      _mm256_add_epi32(low_bits_placed(_mm256_and_si256(x, _mm256_set1_epi8(0x70))),
                       sign_bits_placed(_mm256_and_si256(x, _mm256_set1_epi8(-0x80))));
  return _mm256_or_si256(even, _mm256_slli_epi32(odd, 12));
}

/// Bits `mask` (of both halves) of `x` shifted left by kBy, right if negative.
template <int kBy>
IMP_AVX2_INLINE __m256i moved(__m256i x, int mask) {
  const __m256i shifted = kBy >= 0 ? _mm256_slli_epi32(x, kBy) : _mm256_srli_epi32(x, -kBy);
  return _mm256_and_si256(shifted, _mm256_set1_epi32(mask));
}

/// Nibble r of each half from the places of register r.
template <int kRegister>
IMP_AVX2_INLINE __m256i nibble(__m256i word) {
  constexpr int kAt = 4 * kRegister;
  return _mm256_or_si256(
      moved<kAt - low_shift(kRegister)>(word, 0x00070007 << kAt),
      moved<kAt - sign_shift(kRegister)>(word, static_cast<int>(0x00080008u << kAt)));
}

IMP_AVX2_INLINE __m256i decode(__m256i word) {
  const __m256i nibbles = _mm256_or_si256(_mm256_or_si256(nibble<0>(word), nibble<1>(word)),
                                          _mm256_or_si256(nibble<2>(word), nibble<3>(word)));
  // Even codes 0 2 4 6 lie in the lower half, odd ones in the upper: bytes to (0 2)(1 3)(4 6)(5 7),
  // then the middle nibbles of each byte pair change places.
  constexpr std::array<uint8_t, 16> kOrder = {0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15};
  const __m256i x = _mm256_shuffle_epi8(nibbles, both_lanes(kOrder));
  const __m256i differ =
      _mm256_and_si256(_mm256_xor_si256(x, _mm256_srli_epi32(x, 4)), _mm256_set1_epi32(0x00F000F0));
  return _mm256_xor_si256(x, _mm256_xor_si256(differ, _mm256_slli_epi32(differ, 4)));
}

/// 64-bit elements a0..a3 and b0..b3 to a0 b0 a1 b1 | a2 b2 a3 b3 (rows n and n + 8 of a run).
IMP_AVX2_INLINE void store_interleaved(__m256i a, __m256i b, std::byte* out) {
  const __m256i even = _mm256_unpacklo_epi64(a, b), odd = _mm256_unpackhi_epi64(a, b);
  store(out, _mm256_permute2x128_si256(even, odd, 0x20));
  store(out + 32, _mm256_permute2x128_si256(even, odd, 0x31));
}

/// Ask for the rows that the next step of the loop over pairs reads.
IMP_AVX2_INLINE void prefetch_pair(ConstPlane rows, uint32_t n, uint64_t tiles) {
  if (n >= kTileN) return;
  for (uint64_t at = 0; at < tiles * kRowCodeBytes; at += 64) {
    __builtin_prefetch(rows.row(n) + at);
    __builtin_prefetch(rows.row(n + kPairDistance) + at);
  }
}

IMP_AVX2 void pack_codes(ConstPlane rows, uint64_t tiles, std::byte* blocks, uint64_t block_bytes) {
  for (uint32_t n = 0; n < kTileN; n = next_pair(n)) {
    prefetch_pair(rows, next_pair(n), tiles);
    for (uint64_t tile = 0; tile < tiles; ++tile) {
      const __m256i row = load(rows.row(n) + tile * kRowCodeBytes);
      const __m256i row8 = load(rows.row(n + kPairDistance) + tile * kRowCodeBytes);
      store_interleaved(encode(row), encode(row8),
                        blocks + tile * block_bytes + 4 * word_of_src(n, 0));
    }
  }
}

IMP_AVX2 void unpack_codes(const std::byte* blocks, uint64_t block_bytes, uint64_t tiles,
                           MutablePlane rows) {
  for (uint32_t n = 0; n < kTileN; n = next_pair(n)) {
    for (uint64_t tile = 0; tile < tiles; ++tile) {
      const std::byte* in = blocks + tile * block_bytes + 4 * word_of_src(n, 0);
      const __m256i front = load(in), back = load(in + 32);  // a0 b0 a1 b1 | a2 b2 a3 b3
      const __m256i outer = _mm256_permute2x128_si256(front, back, 0x20);
      const __m256i inner = _mm256_permute2x128_si256(front, back, 0x31);
      store(rows.row(n) + tile * kRowCodeBytes, decode(_mm256_unpacklo_epi64(outer, inner)));
      store(rows.row(n + kPairDistance) + tile * kRowCodeBytes,
            decode(_mm256_unpackhi_epi64(outer, inner)));
    }
  }
}

// Scales of rows g, g + 8, .., g + 56 fill 32 bytes, group by group.
constexpr bool scales_run() {
  for (uint32_t n = 0; n < kTileN; ++n)
    for (uint32_t c = 0; c < 4; ++c)
      if (scale_byte_of_src(n, c) != scale_byte_of_src(n % 8, 0) + 8 * c + n / 8) return false;
  return true;
}
static_assert(scales_run());

constexpr std::array<uint8_t, 16> kTransposed4x4 = {0, 4, 8,  12, 1, 5, 9,  13,
                                                    2, 6, 10, 14, 3, 7, 11, 15};

constexpr std::array<uint8_t, 16> subnormal_scales() {
  std::array<uint8_t, 16> table{};
  for (uint8_t m = 0; m < 8; ++m) table[m] = encode_scale(m);
  return table;
}

IMP_AVX2_INLINE __m256i encode_scales(__m256i e4m3) {
  const __m256i magnitude = _mm256_and_si256(e4m3, _mm256_set1_epi8(0x7F));
  const __m256i normal =
      _mm256_add_epi8(magnitude, _mm256_set1_epi8(static_cast<char>(encode_scale(0x08) - 0x08)));
  const __m256i subnormal = _mm256_shuffle_epi8(both_lanes(subnormal_scales()), magnitude);
  return _mm256_blendv_epi8(subnormal, normal,
                            _mm256_cmpgt_epi8(magnitude, _mm256_set1_epi8(0x07)));
}

IMP_AVX2 void pack_scales(ConstPlane rows, uint64_t tiles, std::byte* blocks) {
  for (uint32_t g = 0; g < 8; ++g)
    for (uint64_t tile = 0; tile < tiles; ++tile) {
      std::array<uint32_t, 8> in;
      for (uint32_t j = 0; j < 8; ++j)
        std::memcpy(&in[j], rows.row(8 * j + g) + tile * kRowScaleBytes, kRowScaleBytes);
      const __m256i x = encode_scales(load(reinterpret_cast<const std::byte*>(in.data())));
      const __m256i transposed = _mm256_shuffle_epi8(x, both_lanes(kTransposed4x4));
      store(blocks + tile * kBlockBytes + scale_byte_of_src(g, 0),
            _mm256_permutevar8x32_epi32(transposed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
    }
}

IMP_AVX2_INLINE __m256i decode_scales(__m256i stored) {
  const __m256i lowest = _mm256_set1_epi8(static_cast<char>(encode_scale(0x08)));
  const __m256i is_normal = _mm256_cmpeq_epi8(_mm256_max_epu8(stored, lowest), stored);
  __m256i e4m3 = _mm256_and_si256(
      is_normal,
      _mm256_sub_epi8(stored, _mm256_set1_epi8(static_cast<char>(encode_scale(0x08) - 0x08))));
  if (_mm256_movemask_epi8(is_normal) == -1) return e4m3;
  for (uint8_t m = 1; m < 8; ++m) {
    const __m256i is_m =
        _mm256_cmpeq_epi8(stored, _mm256_set1_epi8(static_cast<char>(encode_scale(m))));
    e4m3 = _mm256_or_si256(e4m3, _mm256_and_si256(is_m, _mm256_set1_epi8(static_cast<char>(m))));
  }
  return e4m3;
}

IMP_AVX2 void unpack_scales(const std::byte* blocks, uint64_t tiles, MutablePlane rows) {
  for (uint32_t g = 0; g < 8; ++g)
    for (uint64_t tile = 0; tile < tiles; ++tile) {
      const __m256i in = load(blocks + tile * kBlockBytes + scale_byte_of_src(g, 0));
      const __m256i by_four =
          _mm256_permutevar8x32_epi32(in, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
      const __m256i x = decode_scales(_mm256_shuffle_epi8(by_four, both_lanes(kTransposed4x4)));
      std::array<uint32_t, 8> out;
      store(reinterpret_cast<std::byte*>(out.data()), x);
      for (uint32_t j = 0; j < 8; ++j)
        std::memcpy(rows.row(8 * j + g) + tile * kRowScaleBytes, &out[j], kRowScaleBytes);
    }
}

}  // namespace

const WordMoves* avx2_moves() {
  static const bool supported = __builtin_cpu_supports("avx2") != 0;
  static constexpr WordMoves kMoves = {pack_codes, pack_scales, unpack_codes, unpack_scales};
  return supported ? &kMoves : nullptr;
}

}  // namespace imp::repack::mma64

#else

namespace imp::repack::mma64 {
const WordMoves* avx2_moves() { return nullptr; }
}  // namespace imp::repack::mma64

#endif
