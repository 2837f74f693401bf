#include "tests/reference/ggml_values.h"

#include <cmath>
#include <cstdlib>

#include "tests/reference/scheme_values.h"

namespace imp::reference {
namespace {

using Block = const uint8_t*;

uint32_t u16(Block b) { return b[0] + 256u * b[1]; }
uint32_t u32(Block b) { return u16(b) + 65536u * u16(b + 2); }
double half(Block b) { return f16_value(u16(b)); }
uint32_t nib32(Block q, uint32_t e) { return e < 16 ? q[e] % 16u : q[e - 16] / 16u; }
uint32_t bit(uint32_t word, uint32_t i) { return word >> i & 1; }

double lut16(uint32_t i) {
  static const int kTable[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                 1,    13,   25,  38,  53,  69,  89,  113};
  return kTable[i];
}

/// Minus zero is plus zero in ggml's table.
double fp4(uint32_t code) { return code == 8 ? 0.0 : e2m1_value(code); }

double simple(uint32_t type, Block b, uint32_t e) {
  switch (type) {
    case 2:
      return (static_cast<double>(nib32(b + 2, e)) - 8) * half(b);
    case 3:
      return nib32(b + 4, e) * half(b) + half(b + 2);
    case 6:
      return (static_cast<double>(nib32(b + 6, e) + 16 * bit(u32(b + 2), e)) - 16) * half(b);
    case 7:
      return (nib32(b + 8, e) + 16 * bit(u32(b + 4), e)) * half(b) + half(b + 2);
    case 8:
      return static_cast<int8_t>(b[2 + e]) * half(b);
    case 20:
      return half(b) * lut16(nib32(b + 2, e));
    case 39:
      return fp4(nib32(b + 1, e)) * e8m0_value(b[0]);
    default: {  // NVFP4
      const uint32_t s = e / 16;
      const uint32_t i = e % 16;
      const uint32_t byte = b[4 + 8 * s + i % 8];
      return fp4(i < 8 ? byte % 16 : byte / 16) * e4m3_value(b[s]);
    }
  }
}

/// Scale and min number j of Q4_K and Q5_K.
struct ScaleMin {
  uint32_t scale, min;
};
ScaleMin six_bits(Block S, uint32_t j) {
  if (j < 4) return {S[j] % 64u, S[j + 4] % 64u};
  return {S[j + 4] % 16u + 16u * (S[j - 4] / 64u), S[j + 4] / 16u + 16u * (S[j] / 64u)};
}

uint32_t nibble_64(Block qs, uint32_t e) {
  const uint32_t byte = qs[32 * (e / 64) + e % 32];
  return e % 64 < 32 ? byte % 16 : byte / 16;
}

double k_quant(uint32_t type, Block b, uint32_t e) {
  const uint32_t h = e / 128;
  const uint32_t j = e % 128 / 32;
  const uint32_t l = e % 32;
  switch (type) {
    case 10: {
      const uint32_t q = b[16 + 32 * h + l] >> (2 * j) & 3;
      const uint32_t S = b[e / 16];
      return half(b + 80) * (S % 16) * q - half(b + 82) * (S >> 4);
    }
    case 11: {
      const int q = b[32 + 32 * h + l] >> (2 * j) & 3;
      const uint32_t s = e / 16;
      const Block S = b + 96;
      const int low = s < 8 ? S[s] % 16 : S[s - 8] / 16;
      const int high = S[8 + s % 4] >> (2 * (s / 4)) & 3;
      return half(b + 108) * (low + 16 * high - 32) * (q - (bit(b[l], 4 * h + j) != 0 ? 0 : 4));
    }
    case 12: {
      const ScaleMin s = six_bits(b + 4, e / 32);
      return half(b) * s.scale * nibble_64(b + 16, e) - half(b + 2) * s.min;
    }
    case 13: {
      const ScaleMin s = six_bits(b + 4, e / 32);
      const uint32_t q = nibble_64(b + 48, e) + 16 * bit(b[16 + l], e / 32);
      return half(b) * s.scale * q - half(b + 2) * s.min;
    }
    default: {  // Q6_K
      const uint32_t byte = b[64 * h + 32 * (j % 2) + l];
      const int q = static_cast<int>((j < 2 ? byte % 16 : byte / 16) +
                                     16 * (b[128 + 32 * h + l] >> (2 * j) & 3));
      return half(b + 208) * static_cast<int8_t>(b[192 + e / 16]) * (q - 32);
    }
  }
}

double iq4_xs(Block b, uint32_t e) {
  const uint32_t j = e / 32;
  const int scale =
      static_cast<int>((b[4 + j / 2] >> (4 * (j % 2)) & 15) + 16 * (u16(b + 2) >> (2 * j) & 3));
  return half(b) * (scale - 32) * lut16(nib32(b + 8 + 16 * j, e % 32));
}

double sign_of(uint32_t signs, uint32_t i) { return bit(signs, i) != 0 ? -1.0 : 1.0; }

/// The byte of signs whose lower seven bits are given: an even number of them is set.
uint32_t ksigns(uint32_t seven) {
  uint32_t ones = 0;
  for (uint32_t i = 0; i < 7; ++i) ones += bit(seven, i);
  return seven + 128 * (ones % 2);
}

double signed_lattice(uint32_t type, Block b, uint32_t e, const LatticePoint& point) {
  const uint32_t j = e / 32;
  const uint32_t l = e % 32 / 8;
  const uint32_t i = e % 8;
  switch (type) {
    case 16: {
      const uint32_t a = u32(b + 2 + 8 * j);
      const uint32_t c = u32(b + 6 + 8 * j);
      return half(b) * (2 * (c >> 28) + 1) / 8 * point(16, a >> (8 * l) & 255, i) *
             sign_of(ksigns(c >> (7 * l) & 127), i);
    }
    case 17: {
      const uint32_t v = u16(b + 2 + 2 * (4 * j + l));
      const uint32_t s = b[66 + j] >> (4 * (l / 2)) & 15;
      return half(b) * (2 * s + 1) / 8 * point(17, v & 511, i) * sign_of(ksigns(v >> 9), i);
    }
    case 22: {
      const uint32_t index = b[2 + 4 * j + l] + 256u * (b[66 + j] >> (2 * l) & 3);
      const uint32_t s = b[74 + j] >> (4 * (l / 2)) & 15;
      return half(b) * (2 * s + 1) / 8 * point(22, index, i) * sign_of(b[34 + 4 * j + l], i);
    }
    case 18: {
      const uint32_t a = u32(b + 66 + 4 * j);
      return half(b) * (2 * (a >> 28) + 1) / 4 * point(18, b[2 + 8 * j + 2 * l + i / 4], i % 4) *
             sign_of(ksigns(a >> (7 * l) & 127), i);
    }
    default: {  // IQ3_S
      const uint32_t t = 2 * l + i / 4;
      const uint32_t index = b[2 + 8 * j + t] + 256 * bit(b[66 + j], t);
      const uint32_t s = b[106 + j / 2] >> (4 * (j % 2)) & 15;
      return half(b) * (2 * s + 1) * point(21, index, i % 4) * sign_of(b[74 + 4 * j + l], i);
    }
  }
}

double iq1_s(Block b, uint32_t e, const LatticePoint& point) {
  const uint32_t j = e / 32;
  const uint32_t l = e % 32 / 8;
  const uint32_t high = u16(b + 34 + 2 * j);
  const uint32_t index = b[2 + 4 * j + l] + 256 * (high >> (3 * l) & 7);
  const double delta = bit(high, 15) != 0 ? -0.125 : 0.125;
  return half(b) * (2 * (high >> 12 & 7) + 1) * (point(19, index, e % 8) + delta);
}

double iq1_m(Block b, uint32_t e, const LatticePoint& point) {
  uint32_t d = 0;
  for (uint32_t k = 0; k < 4; ++k) d += (u16(b + 48 + 2 * k) >> 12) << (4 * k);
  const uint32_t s = u16(b + 48 + 2 * (e / 64)) >> (3 * (e / 16 % 4)) & 7;
  const uint32_t x = b[32 + e / 16] >> (4 * (e / 8 % 2)) & 15;
  const double delta = (x & 8) != 0 ? -0.125 : 0.125;
  return f16_value(d) * (2 * s + 1) * (point(29, b[e / 8] + 256 * (x & 7), e % 8) + delta);
}

double tq1_0(Block b, uint32_t e) {
  uint32_t byte = 0;
  uint32_t n = 0;
  if (e < 160) {
    byte = b[e % 32];
    n = e / 32;
  } else if (e < 240) {
    byte = b[32 + (e - 160) % 16];
    n = (e - 160) / 16;
  } else {
    byte = b[48 + (e - 240) % 4];
    n = (e - 240) / 4;
  }
  for (uint32_t i = 0; i < n; ++i) byte *= 3;
  const int t = static_cast<int>(byte % 256 * 3 / 256);
  return (t - 1) * half(b + 52);
}

double few_bits(uint32_t type, Block b, uint32_t e) {
  switch (type) {
    case 34:
      return tq1_0(b, e);
    case 35:
      return ((b[32 * (e / 128) + e % 32] >> (2 * (e % 128 / 32)) & 3) - 1) * half(b + 64);
    case 41:
      return bit(b[2 + e / 8], e % 8) != 0 ? half(b) : -half(b);
    default:  // Q2_0
      return ((b[2 + e / 4] >> (2 * (e % 4)) & 3) - 1) * half(b);
  }
}

}  // namespace

double ggml_value(uint32_t type_id, const uint8_t* block, uint32_t e, const LatticePoint& point) {
  switch (type_id) {
    case 2:
    case 3:
    case 6:
    case 7:
    case 8:
    case 20:
    case 39:
    case 40:
      return simple(type_id, block, e);
    case 10:
    case 11:
    case 12:
    case 13:
    case 14:
      return k_quant(type_id, block, e);
    case 23:
      return iq4_xs(block, e);
    case 16:
    case 17:
    case 18:
    case 21:
    case 22:
      return signed_lattice(type_id, block, e, point);
    case 19:
      return iq1_s(block, e, point);
    case 29:
      return iq1_m(block, e, point);
    case 34:
    case 35:
    case 41:
    case 42:
      return few_bits(type_id, block, e);
    default:
      std::abort();
  }
}

}  // namespace imp::reference
