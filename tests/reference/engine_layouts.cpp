#include "tests/reference/engine_layouts.h"

#include <cmath>
#include <cstring>
#include <numeric>

namespace imp::reference {
namespace {

/// 4-bit codes: or `code` into byte `at`, moved by `shift`.
void put_nibble(Buffer& out, size_t at, size_t shift, uint32_t code) {
  out.at(at) = static_cast<uint8_t>(out.at(at) | code << shift);
}

double e4m3_value(uint8_t byte) {
  const int exponent = byte >> 3 & 15, mantissa = byte & 7;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
  return (byte & 0x80) != 0 ? -magnitude : magnitude;
}

/// fp16 pattern of a positive number that fp16 holds exactly and that is normal there.
uint32_t f16_bits(double value) {
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);  // value = fraction * 2^exponent, >= 1/2
  return static_cast<uint32_t>(exponent + 14) << 10 |
         static_cast<uint32_t>((2 * fraction - 1) * 1024);
}

/// Byte offset inside a 512-byte tile, and shift.
struct NibblePlace {
  size_t byte;
  size_t shift;
};
NibblePlace in_marlin_tile4(size_t n, size_t k) {
  const size_t j = (n % 64) / 16, lane = 4 * (n % 8) + (k % 8) / 2;
  const size_t word = lane * 4 + j;
  const size_t nib = 4 * (k % 2) + 2 * ((n % 16) / 8) + (k % 16) / 8;
  return {word * 4 + nib / 2, 4 * (nib % 2)};
}

uint64_t up(uint64_t value, uint64_t unit) {
  while (value % unit != 0) ++value;
  return value;
}

size_t group_perm(size_t n) { return 64 * (n / 64) + 8 * (n % 8) + (n % 64) / 8; }
size_t single_perm(size_t n) {
  return 32 * (n / 32) + 8 * ((n % 8) / 2) + 2 * ((n % 32) / 8) + n % 2;
}

}  // namespace

WordMatrix padded(const WordMatrix& matrix, size_t rows, size_t columns) {
  WordMatrix out{rows, columns, std::vector<uint32_t>(rows * columns, 0)};
  for (size_t row = 0; row < matrix.rows; ++row)
    for (size_t column = 0; column < matrix.columns; ++column)
      out.at.at(row * columns + column) = matrix(row, column);
  return out;
}

Buffer marlin_w4a16(const WordMatrix& codes) {
  const size_t N = codes.rows, K = codes.columns;
  Buffer out(N * K / 2, 0);
  for (size_t n = 0; n < N; ++n)
    for (size_t k = 0; k < K; ++k) {
      const NibblePlace place = in_marlin_tile4(n, k);
      const size_t tile = (k / 16) * (N / 64) + n / 64;
      put_nibble(out, tile * 512 + place.byte, place.shift, codes(n, k));
    }
  return out;
}

Buffer max_sm8x_codes(const WordMatrix& codes) {
  const size_t N = codes.rows, K = codes.columns;
  Buffer out(N * K / 2, 0);
  for (size_t n = 0; n < N; ++n)
    for (size_t k = 0; k < K; ++k) {
      const NibblePlace place = in_marlin_tile4(n, k);
      put_nibble(out, ((n / 64) * (K / 16) + k / 16) * 512 + place.byte, place.shift, codes(n, k));
    }
  return out;
}

Buffer marlin_w8a16(const WordMatrix& codes) {
  const size_t N = codes.rows, K = codes.columns;
  Buffer out(N * K, 0);
  for (size_t n = 0; n < N; ++n)
    for (size_t k = 0; k < K; ++k) {
      const size_t tile = (k / 16) * (N / 64) + n / 64;
      const size_t lane = 4 * (n % 8) + (k % 8) / 2;
      const size_t word = tile * 256 + lane * 8 + 2 * ((n % 64) / 16) + (n % 16) / 8;
      out.at(word * 4 + 2 * (k % 2) + (k % 16) / 8) = static_cast<uint8_t>(codes(n, k));
    }
  return out;
}

Buffer machete4(const WordMatrix& codes) {
  const size_t N = codes.rows, K = codes.columns;
  Buffer out(N * K / 2, 0);
  for (size_t n = 0; n < N; ++n)
    for (size_t k = 0; k < K; ++k) {
      const size_t block = (k / 64) * (N / 128) + n / 128;
      const size_t T = 128 * ((n % 128) / 64) + 32 * ((n % 64) / 16) + 4 * (n % 8) + (k % 8) / 2;
      const size_t e = block * 8192 + 32 * T + 8 * ((k % 64) / 16) + 4 * (k % 2) +
                       2 * ((k % 16) / 8) + (n % 16) / 8;
      put_nibble(out, e / 2, 4 * (e % 2), codes(n, k));
    }
  return out;
}

Buffer machete8(const WordMatrix& codes) {
  const size_t N = codes.rows, K = codes.columns;
  Buffer out(N * K, 0);
  for (size_t n = 0; n < N; ++n)
    for (size_t k = 0; k < K; ++k) {
      const size_t block = (k / 64) * (N / 128) + n / 128;
      const size_t T = 128 * ((n % 128) / 64) + 32 * ((n % 64) / 16) + 4 * (n % 8) + (k % 8) / 2;
      out.at(block * 8192 + 32 * T + 8 * ((k % 64) / 16) + k % 2 + 2 * ((n % 16) / 8) +
             4 * ((k % 16) / 8)) = static_cast<uint8_t>(codes(n, k));
    }
  return out;
}

Buffer group_plane(Channels channels, unsigned bits, const WordMatrix& elements) {
  constexpr size_t kNibble[8] = {0, 4, 1, 5, 2, 6, 3, 7}, kSwap[4] = {0, 2, 1, 3};
  const size_t N = elements.rows, groups = elements.columns;
  Buffer out(groups * N * bits / 8, 0);
  for (size_t n = 0; n < N; ++n)
    for (size_t g = 0; g < groups; ++g) {
      const uint32_t element = elements(n, g);
      if (channels == Channels::kZero4) {
        const size_t word = g * (N / 8) + 8 * (n / 64) + n % 8, nib = kNibble[(n % 64) / 8];
        put_nibble(out, word * 4 + nib / 2, 4 * (nib % 2), element);
        continue;
      }
      size_t p = n;
      if (channels == Channels::kGroup) p = group_perm(n);
      if (channels == Channels::kSingle) p = single_perm(n);
      if (channels == Channels::kBytes) p = (group_perm(n) & ~size_t{3}) + kSwap[group_perm(n) & 3];
      if (channels == Channels::kZero8) p = group_perm(n) / 4 * 4 + kSwap[group_perm(n) % 4];
      for (size_t byte = 0; byte < bits / 8; ++byte)
        out.at((g * N + p) * (bits / 8) + byte) = static_cast<uint8_t>(element >> (8 * byte));
    }
  return out;
}

double marlin_factor(const std::vector<uint8_t>& e4m3_scales) {
  double largest = 0;
  for (const uint8_t scale : e4m3_scales) largest = std::max(largest, e4m3_value(scale));
  if (largest == 0 || largest >= 448) return 1;
  return std::exp2(std::floor(std::log2(448 / largest)));
}

uint8_t marlin_scale_byte(uint8_t e4m3, double factor) {
  const double h = e4m3_value(e4m3) * factor * 128;
  return h < 2 ? uint8_t{0} : static_cast<uint8_t>(f16_bits(h) >> 7 & 255);
}

uint8_t marlin_a0_scale_byte(uint8_t e4m3) {
  const double h = e4m3_value(e4m3) * 128;
  return h <= 0 ? uint8_t{0} : static_cast<uint8_t>(f16_bits(h) >> 7 & 255);
}

uint16_t max_scale_bits(uint8_t e4m3, float global) {
  const float product = static_cast<float>(e4m3_value(e4m3)) * global;
  uint32_t u = 0;
  std::memcpy(&u, &product, sizeof u);
  return static_cast<uint16_t>((u + 0x7FFF + ((u >> 16) & 1)) >> 16);
}

std::pair<uint64_t, uint64_t> marlin_padded_nk(uint64_t n, uint64_t k, uint64_t group) {
  const std::pair<uint64_t, uint64_t> first{up(n, 64), up(k, std::lcm<uint64_t>(128, group))};
  const std::pair<uint64_t, uint64_t> second{up(n, 128), up(k, std::lcm<uint64_t>(64, group))};
  return second.first * second.second < first.first * first.second ? second : first;
}

uint64_t marlin_padded_intermediate(uint64_t intermediate, uint64_t hidden, uint64_t group) {
  const uint64_t side = hidden % 128 == 0 ? 64 : 128;
  return up(intermediate, std::lcm(side, group));
}

}  // namespace imp::reference
