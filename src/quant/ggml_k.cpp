// K-quants: 256 elements, a scale (and min) of a few bits per 16 or 32, one half super scale (and
// super min) over them. Names of fields: ql and qs low bits, qh high bits.
#include "src/quant/ggml_codec.h"
#include "src/quant/ggml_nibbles.h"

namespace imp::quant {
namespace {

constexpr uint32_t kK = 256;

/// Two bits of 128 elements in 32 bytes: element 32j + l is bits 2j, 2j + 1 of byte l.
void take_two_bits(const uint8_t* from, uint8_t* out) {
  for (uint32_t j = 0; j < 4; ++j)
    for (uint32_t l = 0; l < 32; ++l) out[32 * j + l] = from[l] >> (2 * j) & 3;
}

void put_two_bits(const uint8_t* in, uint8_t* to) {
  for (uint32_t l = 0; l < 32; ++l)
    to[l] = static_cast<uint8_t>((in[l] & 3) | (in[32 + l] & 3) << 2 | (in[64 + l] & 3) << 4 |
                                 (in[96 + l] & 3) << 6);
}

struct Q2_K {
  static constexpr BlockPlanes kPlanes = {
      GgmlType::kQ2_K, BlockCode::kUnsigned, 4, 16, Dtype::kU8, true, true};
  static constexpr uint32_t kElems = kK, kBytes = 84;
  static constexpr uint32_t kScalesAt = 0, kQsAt = 16, kSuperScaleAt = 80, kSuperMinAt = 82;

  static void codes(const uint8_t* block, uint8_t* out) {
    uint8_t u[kK];
    for (uint32_t h = 0; h < 2; ++h) take_two_bits(block + kQsAt + 32 * h, u + 128 * h);
    bytes_to_pairs<kK>(u, out);
  }
  static void put_codes(const uint8_t* in, uint8_t* block) {
    uint8_t u[kK];
    pairs_to_bytes<kK>(in, u);
    for (uint32_t h = 0; h < 2; ++h) put_two_bits(u + 128 * h, block + kQsAt + 32 * h);
  }
  static void groups(const uint8_t* block, uint8_t* scale, uint8_t* min) {
    for (uint32_t s = 0; s < 16; ++s) {
      scale[s] = block[kScalesAt + s] & 0xF;
      min[s] = block[kScalesAt + s] >> 4;
    }
  }
  static void put_groups(const uint8_t* scale, const uint8_t* min, uint8_t* block) {
    for (uint32_t s = 0; s < 16; ++s)
      block[kScalesAt + s] = static_cast<uint8_t>((scale[s] & 0xF) | min[s] << 4);
  }
};

/// Codes are -4 to 3: two bits, less 4 where the bit of the mask is not set. In offset binary of 4
/// bits that is 4 + two bits + 4 * mask.
struct Q3_K {
  static constexpr BlockPlanes kPlanes = {
      GgmlType::kQ3_K, BlockCode::kOffsetBinary, 4, 16, Dtype::kI8, false, true};
  static constexpr uint32_t kElems = kK, kBytes = 110;
  static constexpr uint32_t kMaskAt = 0, kQsAt = 32, kScalesAt = 96, kSuperScaleAt = 108;
  static constexpr uint32_t kSuperMinAt = 0;

  static void codes(const uint8_t* block, uint8_t* out) {
    const uint8_t* mask = block + kMaskAt;
    uint8_t u[kK];
    for (uint32_t h = 0; h < 2; ++h) take_two_bits(block + kQsAt + 32 * h, u + 128 * h);
    for (uint32_t bit = 0; bit < 8; ++bit)
      for (uint32_t l = 0; l < 32; ++l)
        u[32 * bit + l] = static_cast<uint8_t>(u[32 * bit + l] + 4 + 4 * (mask[l] >> bit & 1));
    bytes_to_pairs<kK>(u, out);
  }
  static void put_codes(const uint8_t* in, uint8_t* block) {
    uint8_t* mask = block + kMaskAt;
    uint8_t u[kK];
    pairs_to_bytes<kK>(in, u);
    for (uint8_t& code : u) code = static_cast<uint8_t>(code - 4);
    for (uint32_t h = 0; h < 2; ++h) put_two_bits(u + 128 * h, block + kQsAt + 32 * h);
    std::memset(mask, 0, 32);
    for (uint32_t bit = 0; bit < 8; ++bit)
      for (uint32_t l = 0; l < 32; ++l)
        mask[l] = static_cast<uint8_t>(mask[l] | (u[32 * bit + l] >> 2 & 1) << bit);
  }
  /// Low four bits of scale s: nibble s/8 of byte s%8; high two: bits 2(s/4) of byte 8 + s%4.
  static void groups(const uint8_t* block, uint8_t* scale, uint8_t*) {
    const uint8_t* packed = block + kScalesAt;
    for (uint32_t s = 0; s < 16; ++s) {
      const uint32_t low = packed[s % 8] >> (4 * (s / 8)) & 0xF;
      const uint32_t high = packed[8 + s % 4] >> (2 * (s / 4)) & 3;
      scale[s] = static_cast<uint8_t>((low | high << 4) - 32);
    }
  }
  static void put_groups(const uint8_t* scale, const uint8_t*, uint8_t* block) {
    uint8_t* packed = block + kScalesAt;
    std::memset(packed, 0, 12);
    for (uint32_t s = 0; s < 16; ++s) {
      const uint32_t stored = scale[s] + 32u;
      packed[s % 8] = static_cast<uint8_t>(packed[s % 8] | (stored & 0xF) << (4 * (s / 8)));
      packed[8 + s % 4] =
          static_cast<uint8_t>(packed[8 + s % 4] | (stored >> 4 & 3) << (2 * (s / 4)));
    }
  }
};

/// Eight scales and eight mins of six bits in 12 bytes: the first four of each whole in bytes 0 to
/// 7, the others as nibbles in bytes 8 to 11 with their upper two bits on top of those.
void take_six_bits(const uint8_t* packed, uint8_t* scale, uint8_t* min) {
  for (uint32_t j = 0; j < 4; ++j) {
    scale[j] = packed[j] & 63;
    min[j] = packed[j + 4] & 63;
    scale[j + 4] = static_cast<uint8_t>((packed[j + 8] & 0xF) | packed[j] >> 6 << 4);
    min[j + 4] = static_cast<uint8_t>(packed[j + 8] >> 4 | packed[j + 4] >> 6 << 4);
  }
}

void put_six_bits(const uint8_t* scale, const uint8_t* min, uint8_t* packed) {
  for (uint32_t j = 0; j < 4; ++j) {
    packed[j] = static_cast<uint8_t>((scale[j] & 63) | (scale[j + 4] >> 4 & 3) << 6);
    packed[j + 4] = static_cast<uint8_t>((min[j] & 63) | (min[j + 4] >> 4 & 3) << 6);
    packed[j + 8] = static_cast<uint8_t>((scale[j + 4] & 0xF) | min[j + 4] << 4);
  }
}

struct AffineK {
  static constexpr uint32_t kElems = kK;
  static constexpr uint32_t kSuperScaleAt = 0, kSuperMinAt = 2, kScalesAt = 4;
  static void groups(const uint8_t* block, uint8_t* scale, uint8_t* min) {
    take_six_bits(block + kScalesAt, scale, min);
  }
  static void put_groups(const uint8_t* scale, const uint8_t* min, uint8_t* block) {
    put_six_bits(scale, min, block + kScalesAt);
  }
};

struct Q4_K : AffineK {
  static constexpr BlockPlanes kPlanes = {
      GgmlType::kQ4_K, BlockCode::kUnsigned, 4, 32, Dtype::kU8, true, true};
  static constexpr uint32_t kBytes = 144, kQsAt = 16;

  static void codes(const uint8_t* block, uint8_t* out) {
    for (uint32_t c = 0; c < 128; c += 32) halves_to_pairs<32>(block + kQsAt + c, out + c);
  }
  static void put_codes(const uint8_t* in, uint8_t* block) {
    for (uint32_t c = 0; c < 128; c += 32) pairs_to_halves<32>(in + c, block + kQsAt + c);
  }
};

/// As Q4_K, and the fifth bit of element 32j + l is bit j of byte l of qh.
struct Q5_K : AffineK {
  static constexpr BlockPlanes kPlanes = {
      GgmlType::kQ5_K, BlockCode::kUnsigned, 8, 32, Dtype::kU8, true, true};
  static constexpr uint32_t kBytes = 176, kQhAt = 16, kQsAt = 48;

  static void codes(const uint8_t* block, uint8_t* out) {
    const uint8_t* qh = block + kQhAt;
    for (uint32_t j = 0; j < 8; ++j) {
      const uint8_t* qs = block + kQsAt + 32 * (j / 2);
      for (uint32_t l = 0; l < 32; ++l)
        out[32 * j + l] =
            static_cast<uint8_t>((qs[l] >> (4 * (j % 2)) & 0xF) | (qh[l] >> j & 1) << 4);
    }
  }
  static void put_codes(const uint8_t* in, uint8_t* block) {
    uint8_t* qh = block + kQhAt;
    std::memset(qh, 0, 32);
    for (uint32_t j = 0; j < 8; ++j)
      for (uint32_t l = 0; l < 32; ++l)
        qh[l] = static_cast<uint8_t>(qh[l] | (in[32 * j + l] >> 4 & 1) << j);
    for (uint32_t c = 0; c < 4; ++c)
      for (uint32_t l = 0; l < 32; ++l)
        block[kQsAt + 32 * c + l] =
            static_cast<uint8_t>((in[64 * c + l] & 0xF) | in[64 * c + 32 + l] << 4);
  }
};

/// Half h of 128 elements: four runs of 32, of which 0 and 1 are low nibbles of 64 bytes of ql, 2
/// and 3 the high ones; two more bits from qh. Centred on 32, so that the canonical code is 96
/// more.
struct Q6_K {
  static constexpr BlockPlanes kPlanes = {
      GgmlType::kQ6_K, BlockCode::kOffsetBinary, 8, 16, Dtype::kI8, false, true};
  static constexpr uint32_t kElems = kK, kBytes = 210;
  static constexpr uint32_t kQlAt = 0, kQhAt = 128, kScalesAt = 192, kSuperScaleAt = 208;
  static constexpr uint32_t kSuperMinAt = 0;
  static constexpr uint8_t kOffset = 128 - 32;

  static void codes(const uint8_t* block, uint8_t* out) {
    for (uint32_t run = 0; run < 8; ++run) {
      const uint32_t h = run / 4, k = run % 4;
      const uint8_t* ql = block + kQlAt + 64 * h + 32 * (k % 2);
      const uint8_t* qh = block + kQhAt + 32 * h;
      for (uint32_t l = 0; l < 32; ++l)
        out[32 * run + l] = static_cast<uint8_t>(
            ((ql[l] >> (4 * (k / 2)) & 0xF) | (qh[l] >> (2 * k) & 3) << 4) + kOffset);
    }
  }
  static void put_codes(const uint8_t* in, uint8_t* block) {
    uint8_t u[kK];
    uint8_t high[kK];
    for (uint32_t e = 0; e < kK; ++e) {
      u[e] = static_cast<uint8_t>(in[e] - kOffset);
      high[e] = u[e] >> 4;
    }
    for (uint32_t h = 0; h < 2; ++h) {
      put_two_bits(high + 128 * h, block + kQhAt + 32 * h);
      for (uint32_t l = 0; l < 64; ++l)
        block[kQlAt + 64 * h + l] =
            static_cast<uint8_t>((u[128 * h + l] & 0xF) | u[128 * h + 64 + l] << 4);
    }
  }
  static void groups(const uint8_t* block, uint8_t* scale, uint8_t*) {
    std::memcpy(scale, block + kScalesAt, 16);
  }
  static void put_groups(const uint8_t* scale, const uint8_t*, uint8_t* block) {
    std::memcpy(block + kScalesAt, scale, 16);
  }
};

}  // namespace

const BlockCodec* k_codec(GgmlType type) {
  switch (type) {
    case GgmlType::kQ2_K:
      return &kCodec<Q2_K>;
    case GgmlType::kQ3_K:
      return &kCodec<Q3_K>;
    case GgmlType::kQ4_K:
      return &kCodec<Q4_K>;
    case GgmlType::kQ5_K:
      return &kCodec<Q5_K>;
    case GgmlType::kQ6_K:
      return &kCodec<Q6_K>;
    default:
      return nullptr;
  }
}

}  // namespace imp::quant
