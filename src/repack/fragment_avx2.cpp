// AVX2 moves of fragment tiles: the quads of rows g and g + 1 side by side in the two halves of a
// register; chosen at run time.
#include "src/repack/fragment_words.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#include <array>
#include <cstring>

#include "kernels/layouts/machete.h"
#include "kernels/layouts/marlin.h"

#define IMP_AVX2 __attribute__((target("avx2")))
#define IMP_AVX2_INLINE __attribute__((target("avx2"), always_inline)) inline

namespace imp::repack {
namespace {

using Lane = std::array<uint8_t, 16>;  ///< a byte shuffle of each half

IMP_AVX2_INLINE __m256i both_halves(const Lane& bytes) {
  __m128i lane;
  std::memcpy(&lane, bytes.data(), sizeof lane);
  return _mm256_broadcastsi128_si256(lane);
}
IMP_AVX2_INLINE __m256i shuffled(__m256i x, const Lane& bytes) {
  return _mm256_shuffle_epi8(x, both_halves(bytes));
}
IMP_AVX2_INLINE __m256i join(__m128i low, __m128i high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}
IMP_AVX2_INLINE __m128i load16(const std::byte* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
IMP_AVX2_INLINE void store16(std::byte* at, __m128i x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(at), x);
}
/// Eight bytes at any alignment.
IMP_AVX2_INLINE __m128i load8(const std::byte* at) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at));
}
IMP_AVX2_INLINE void store8(std::byte* at, __m128i x) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(at), x);
}
IMP_AVX2_INLINE __m128i load_two(const std::byte* low, const std::byte* high) {
  return _mm_unpacklo_epi64(load8(low), load8(high));
}
IMP_AVX2_INLINE void store_two(__m128i x, std::byte* low, std::byte* high) {
  store8(low, x);
  store8(high, _mm_unpackhi_epi64(x, x));
}
/// One vector of the quad of g, and the same of g + 1.
template <class Tiles>
IMP_AVX2_INLINE __m256i load_quads(const std::byte* quad, uint32_t byte) {
  return join(load16(quad + byte), load16(quad + 4 * Tiles::kVectorBytes + byte));
}
template <class Tiles>
IMP_AVX2_INLINE void store_quads(std::byte* quad, uint32_t byte, __m256i x) {
  store16(quad + byte, _mm256_castsi256_si128(x));
  store16(quad + 4 * Tiles::kVectorBytes + byte, _mm256_extracti128_si256(x, 1));
}

constexpr Lane inverse(const Lane& shuffle) {
  Lane back{};
  for (uint8_t i = 0; i < 16; ++i) back[shuffle[i]] = i;
  return back;
}

/// 4 bits. The sources of a sub-block: 8 bytes of row n, 8 of row n + 8.
template <class Tiles>
struct Nibbles {
  /// Word c of the result: the four bytes of lane c in the order of their slots.
  static constexpr Lane gathered() {
    Lane lane{};
    for (uint32_t c = 0; c < 4; ++c)
      for (uint32_t slot = 0; slot < 4; ++slot) {
        const layouts::CodeSource src = Tiles::src_in_tile(c * 32 + slot);
        lane[4 * c + slot] = static_cast<uint8_t>(src.n + src.k / 2);  // n is 0 or 8
      }
    return lane;
  }
  static constexpr Lane kGather = gathered();
  static constexpr Lane kScatter = inverse(kGather);
  static constexpr Lane kHalves = {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};
  static constexpr Lane kPairs = {0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15};

  /// Even codes to the lower half of each word, odd ones to the upper.
  IMP_AVX2_INLINE static __m256i encode(__m256i rows) {
    const __m256i nibble = _mm256_set1_epi8(0x0F), join_two = _mm256_set1_epi16(0x1001);
    const __m256i x = shuffled(rows, kGather);
    const __m256i even = _mm256_maddubs_epi16(_mm256_and_si256(x, nibble), join_two);
    const __m256i odd =
        _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(x, 4), nibble), join_two);
    return shuffled(_mm256_packus_epi16(even, odd), kHalves);
  }
  IMP_AVX2_INLINE static __m256i decode(__m256i words) {
    const __m256i nibble = _mm256_set1_epi8(0x0F), join_two = _mm256_set1_epi16(0x1001);
    const __m256i x = shuffled(words, kPairs);
    const __m256i first = _mm256_maddubs_epi16(_mm256_and_si256(x, nibble), join_two);
    const __m256i second =
        _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(x, 4), nibble), join_two);
    return shuffled(_mm256_or_si256(first, _mm256_slli_epi16(second, 8)), kScatter);
  }

  /// Rows and columns of 32-bit words in each half.
  IMP_AVX2_INLINE static void transpose(__m256i (&x)[4]) {
    const __m256i a = _mm256_unpacklo_epi32(x[0], x[1]), b = _mm256_unpackhi_epi32(x[0], x[1]);
    const __m256i c = _mm256_unpacklo_epi32(x[2], x[3]), d = _mm256_unpackhi_epi32(x[2], x[3]);
    x[0] = _mm256_unpacklo_epi64(a, c);
    x[1] = _mm256_unpackhi_epi64(a, c);
    x[2] = _mm256_unpacklo_epi64(b, d);
    x[3] = _mm256_unpackhi_epi64(b, d);
  }

  IMP_AVX2_INLINE static void pack(mma64::ConstPlane rows, uint32_t outer, uint32_t g,
                                   std::byte* quad) {
    __m256i x[4];
    for (uint32_t inner = 0; inner < 4; ++inner) {
      const PairPlace at = pair_place<Tiles>(outer, g, inner);
      const std::byte* const from = rows.row(at.n) + at.byte;
      const std::byte* const from8 = from + 8 * rows.pitch_bytes;
      x[inner] = encode(
          join(load_two(from, from8), load_two(from + rows.pitch_bytes, from8 + rows.pitch_bytes)));
    }
    transpose(x);
    for (uint32_t c = 0; c < 4; ++c) store_quads<Tiles>(quad, 16 * c, x[c]);
  }
  IMP_AVX2_INLINE static void unpack(const std::byte* quad, uint32_t outer, uint32_t g,
                                     mma64::MutablePlane rows) {
    __m256i x[4];
    for (uint32_t c = 0; c < 4; ++c) x[c] = load_quads<Tiles>(quad, 16 * c);
    transpose(x);
    for (uint32_t inner = 0; inner < 4; ++inner) {
      const PairPlace at = pair_place<Tiles>(outer, g, inner);
      std::byte* const to = rows.row(at.n) + at.byte;
      std::byte* const to8 = to + 8 * rows.pitch_bytes;
      const __m256i y = decode(x[inner]);
      store_two(_mm256_castsi256_si128(y), to, to8);
      store_two(_mm256_extracti128_si256(y, 1), to + rows.pitch_bytes, to8 + rows.pitch_bytes);
    }
  }
};

/// 8 bits. The sources of a sub-block: 16 bytes of row n, 16 of row n + 8.
template <class Tiles>
struct Octets {
  /// A row with the four bytes of each lane together, k ascending.
  static constexpr Lane kByLane = {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};
  static constexpr Lane kByColumn = inverse(kByLane);
  /// From eight bytes of lanes 0 and 1 (or 2 and 3) of row n and eight of row n + 8 to their units.
  static constexpr Lane units() {
    Lane lane{};
    for (uint32_t c = 0; c < 2; ++c)
      for (uint32_t slot = 0; slot < 8; ++slot) {
        const layouts::CodeSource src = Tiles::src_in_tile(c * 32 + slot);
        lane[8 * c + slot] = static_cast<uint8_t>(src.n + 4 * c + 2 * (src.k / 8) + src.k % 2);
      }
    return lane;
  }
  static constexpr Lane kUnits = units();
  static constexpr Lane kRows = inverse(kUnits);

  IMP_AVX2_INLINE static void pack(mma64::ConstPlane rows, uint32_t outer, uint32_t g,
                                   std::byte* quad) {
    __m256i low[4], high[4];  // of lanes 0 and 1; of 2 and 3
    for (uint32_t inner = 0; inner < 4; ++inner) {
      const PairPlace at = pair_place<Tiles>(outer, g, inner);
      const std::byte* const from = rows.row(at.n) + at.byte;
      const std::byte* const from8 = from + 8 * rows.pitch_bytes;
      const __m256i a = shuffled(join(load16(from), load16(from + rows.pitch_bytes)), kByLane);
      const __m256i b = shuffled(join(load16(from8), load16(from8 + rows.pitch_bytes)), kByLane);
      low[inner] = shuffled(_mm256_unpacklo_epi64(a, b), kUnits);
      high[inner] = shuffled(_mm256_unpackhi_epi64(a, b), kUnits);
    }
    for (uint32_t half = 0; half < 2; ++half) {
      const uint32_t at = 16 * half, i = 2 * half;
      store_quads<Tiles>(quad, at, _mm256_unpacklo_epi64(low[i], low[i + 1]));
      store_quads<Tiles>(quad, 32 + at, _mm256_unpackhi_epi64(low[i], low[i + 1]));
      store_quads<Tiles>(quad, 64 + at, _mm256_unpacklo_epi64(high[i], high[i + 1]));
      store_quads<Tiles>(quad, 96 + at, _mm256_unpackhi_epi64(high[i], high[i + 1]));
    }
  }
  IMP_AVX2_INLINE static void unpack(const std::byte* quad, uint32_t outer, uint32_t g,
                                     mma64::MutablePlane rows) {
    for (uint32_t inner = 0; inner < 4; ++inner) {
      const uint32_t byte = 16 * (inner / 2);
      __m256i lane[4];
      for (uint32_t c = 0; c < 4; ++c) lane[c] = load_quads<Tiles>(quad, 32 * c + byte);
      const bool odd = inner % 2 != 0;
      const __m256i low = shuffled(
          odd ? _mm256_unpackhi_epi64(lane[0], lane[1]) : _mm256_unpacklo_epi64(lane[0], lane[1]),
          kRows);
      const __m256i high = shuffled(
          odd ? _mm256_unpackhi_epi64(lane[2], lane[3]) : _mm256_unpacklo_epi64(lane[2], lane[3]),
          kRows);
      const __m256i a = shuffled(_mm256_unpacklo_epi64(low, high), kByColumn);
      const __m256i b = shuffled(_mm256_unpackhi_epi64(low, high), kByColumn);
      const PairPlace at = pair_place<Tiles>(outer, g, inner);
      std::byte* const to = rows.row(at.n) + at.byte;
      std::byte* const to8 = to + 8 * rows.pitch_bytes;
      store16(to, _mm256_castsi256_si128(a));
      store16(to + rows.pitch_bytes, _mm256_extracti128_si256(a, 1));
      store16(to8, _mm256_castsi256_si128(b));
      store16(to8 + rows.pitch_bytes, _mm256_extracti128_si256(b, 1));
    }
  }
};

template <class Tiles, template <class> class Codes>
IMP_AVX2 void pack(mma64::ConstPlane rows, uint64_t tiles, std::byte* out, uint64_t stride_bytes) {
  for (uint32_t outer = 0; outer < kOuters<Tiles>; ++outer)
    for (uint32_t g = 0; g < 8; g += 2)
      for (uint64_t tile = 0; tile < tiles; ++tile)
        Codes<Tiles>::pack({rows.at + tile * kTileRowBytes<Tiles>, rows.pitch_bytes}, outer, g,
                           out + tile * stride_bytes + quad_byte<Tiles>(outer, g));
}

template <class Tiles, template <class> class Codes>
IMP_AVX2 void unpack(const std::byte* in, uint64_t stride_bytes, uint64_t tiles,
                     mma64::MutablePlane rows) {
  for (uint32_t outer = 0; outer < kOuters<Tiles>; ++outer)
    for (uint32_t g = 0; g < 8; g += 2)
      for (uint64_t tile = 0; tile < tiles; ++tile)
        Codes<Tiles>::unpack(in + tile * stride_bytes + quad_byte<Tiles>(outer, g), outer, g,
                             {rows.at + tile * kTileRowBytes<Tiles>, rows.pitch_bytes});
}

template <class Tiles, template <class> class Codes>
inline constexpr FragmentMoves kMoves = {pack<Tiles, Codes>, unpack<Tiles, Codes>};

const FragmentMoves& moves_of(TileOrder order) {
  switch (order) {
    case TileOrder::kMarlin8:
      return kMoves<layouts::marlin::Codes8, Octets>;
    case TileOrder::kMachete4:
      return kMoves<layouts::machete::Codes4, Nibbles>;
    case TileOrder::kMachete8:
      return kMoves<layouts::machete::Codes8, Octets>;
    case TileOrder::kMarlin4:
    case TileOrder::kMaxSm8x:
      break;
  }
  return kMoves<layouts::marlin::Codes4, Nibbles>;
}

}  // namespace

const FragmentMoves* avx2_fragment_moves(TileOrder order) {
  static const bool supported = __builtin_cpu_supports("avx2") != 0;
  return supported ? &moves_of(order) : nullptr;
}

}  // namespace imp::repack

#else

namespace imp::repack {
const FragmentMoves* avx2_fragment_moves(TileOrder) { return nullptr; }
}  // namespace imp::repack

#endif
