#include "tests/reference/layouts.h"

#include <cmath>
#include <string>

namespace imp::reference {
namespace {

constexpr size_t kNowhere = static_cast<size_t>(-1);

/// Value of a finite, non-negative E4M3 number: eeee mmm, bias 7, subnormals m * 2^-9.
double e4m3_value(uint8_t code) {
  const int exponent = code >> 3 & 15, mantissa = code & 7;
  return exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
}

/// Bits of a positive, normal binary16 number that holds the value.
unsigned fp16_bits(double value) {
  int exponent = 0;
  const double fraction =
      std::frexp(value, &exponent);  // value = fraction * 2^exponent, fraction in [1/2, 1)
  return static_cast<unsigned>((exponent - 1 + 15) * 1024 + std::lround((2 * fraction - 1) * 1024));
}

uint8_t mma64_scale(uint8_t e4m3) {
  const double value = e4m3_value(e4m3 & 0x7F);
  return value == 0 ? 0 : static_cast<uint8_t>(fp16_bits(value) >> 7);
}

struct Place {
  size_t byte;
  unsigned shift;
};

/// The nibble of code (n, k), inside a block of 64 x 64, before the word code.
Place mma64_place(size_t n, size_t k) {
  const size_t j = n / 8, lane = 4 * (n % 8) + k / 16, i = k % 16, e = i % 8;
  const size_t nib = 4 * (e % 2) + e / 2;
  const size_t word = (j / 2) * 512 + lane * 16 + (j % 2) * 8 + (i / 8) * 4;
  return {word + nib / 2, static_cast<unsigned>(4 * (nib % 2))};
}

/// For every nibble of a block's 2048 code bytes (two a byte, the lower first) the element n * 64 +
/// k that the formula sends there.
std::vector<size_t> mma64_elements() {
  std::vector<size_t> element(4096, kNowhere);
  for (size_t n = 0; n < 64; ++n)
    for (size_t k = 0; k < 64; ++k) {
      const Place at = mma64_place(n, k);
      element.at(2 * at.byte + at.shift / 4) = n * 64 + k;
    }
  return element;
}

/// The word code as the table of the specification has it: for the halves of each register the bit
/// that takes s, e, e, m.
void word_code(uint8_t* word) {
  static const int kTable[4][4] = {{15, 8, 7, 6}, {12, 5, 4, 3}, {14, 2, 1, 0}, {13, 11, 10, 9}};
  bool nibbles[8][4];  // [nib][bit], bit 3 is s
  for (int nib = 0; nib < 8; ++nib)
    for (int bit = 0; bit < 4; ++bit)
      nibbles[nib][bit] = word[nib / 2] >> (4 * (nib % 2) + bit) & 1;
  bool out[32] = {};
  for (int r = 0; r < 4; ++r)
    for (int half = 0; half < 2; ++half)
      for (int from_top = 0; from_top < 4; ++from_top)
        out[16 * half + kTable[r][from_top]] = nibbles[r + 4 * half][3 - from_top];
  for (int byte = 0; byte < 4; ++byte) {
    word[byte] = 0;
    for (int bit = 7; bit >= 0; --bit)
      word[byte] = static_cast<uint8_t>(2 * word[byte] + (out[8 * byte + bit] ? 1 : 0));
  }
}

size_t up(size_t value, size_t unit) { return (value + unit - 1) / unit; }

/// Code and scale of a place in the padded matrix; nothing outside, and nothing under a zero scale.
struct Padded {
  const ByteMatrix& codes;
  const ByteMatrix& scales;
  uint8_t scale(size_t n, size_t group) const {
    return n < scales.rows && group < scales.columns ? mma64_scale(scales(n, group)) : 0;
  }
  uint8_t code(size_t n, size_t k) const {
    if (n >= codes.rows || k >= codes.columns || scale(n, k / 16) == 0) return 0;
    return codes(n, k);
  }
};

}  // namespace

Buffer canonical_nibbles(const ByteMatrix& codes) {
  Buffer out;
  for (size_t n = 0; n < codes.rows; ++n)
    for (size_t k = 0; k < codes.columns; k += 2) {
      const int upper = k + 1 < codes.columns ? codes(n, k + 1) : 0;
      out.push_back(static_cast<uint8_t>(codes(n, k) + 16 * upper));
    }
  return out;
}

Buffer mma64_nvfp4_nibbles(const ByteMatrix& codes, const ByteMatrix& scales) {
  static const std::vector<size_t> kElements = mma64_elements();
  const Padded w{codes, scales};
  Buffer out;
  for (size_t n0 = 0; n0 < 64 * up(codes.rows, 64); n0 += 64)
    for (size_t k0 = 0; k0 < 64 * up(codes.columns, 64); k0 += 64) {
      for (size_t byte = 0; byte < 2048; ++byte) {
        const size_t lower = kElements[2 * byte], upper = kElements[2 * byte + 1];
        out.push_back(static_cast<uint8_t>(w.code(n0 + lower / 64, k0 + lower % 64) |
                                           w.code(n0 + upper / 64, k0 + upper % 64) << 4));
      }
      for (size_t lane = 0; lane < 32; ++lane)
        for (size_t j = 0; j < 8; ++j)
          out.push_back(w.scale(n0 + 8 * j + lane / 4, k0 / 16 + lane % 4));
    }
  return out;
}

Buffer mma64_nvfp4(const ByteMatrix& codes, const ByteMatrix& scales) {
  Buffer out = mma64_nvfp4_nibbles(codes, scales);
  for (size_t block = 0; block < out.size(); block += 2304)
    for (size_t word = 0; word < 2048; word += 4) word_code(&out[block + word]);
  return out;
}

Buffer sf128x4(const ByteMatrix& scales) {
  const size_t row_tiles = up(scales.rows, 128), group_tiles = up(scales.columns, 4);
  Buffer out(row_tiles * group_tiles * 512, 0);
  for (size_t r = 0; r < scales.rows; ++r)
    for (size_t s = 0; s < scales.columns; ++s)
      out.at(((r / 128) * group_tiles + s / 4) * 512 + (r % 32) * 16 + ((r % 128) / 32) * 4 +
             s % 4) = scales(r, s);
  return out;
}

Buffer native_rows(const ByteMatrix& codes) {
  const Buffer rows = canonical_nibbles(codes);
  const size_t width = up(codes.columns, 2);
  Buffer out;
  for (size_t n = 0; n < codes.rows; ++n) {
    out.insert(out.end(), rows.begin() + static_cast<std::ptrdiff_t>(n * width),
               rows.begin() + static_cast<std::ptrdiff_t>((n + 1) * width));
    while (out.size() % 16 != 0) out.push_back(0);
  }
  return out;
}

}  // namespace imp::reference
