// double to a 16-bit float in one rounding (to nearest, ties to even).
#pragma once

#include <bit>
#include <cstdint>

namespace imp::quant {

/// Bits of the nearest IEEE-style number with one sign, `kExponentBits` and `kMantissaBits`.
/// Overflow gives infinity, underflow subnormals and signed zero; a NaN stays one and becomes
/// quiet.
template <int kExponentBits, int kMantissaBits>
constexpr uint16_t round_double(double value) {
  static_assert(1 + kExponentBits + kMantissaBits == 16);
  constexpr int kBias = (1 << (kExponentBits - 1)) - 1;
  constexpr uint64_t kInfinity = ((uint64_t{1} << kExponentBits) - 1) << kMantissaBits;
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  const uint64_t sign = bits >> 63 << 15;
  const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
  const int biased = static_cast<int>(bits >> 52 & 0x7FF);
  if (biased == 0x7FF) {
    const uint64_t quiet = uint64_t{1} << (kMantissaBits - 1);
    const uint64_t payload = fraction == 0 ? 0 : quiet | fraction >> (52 - kMantissaBits);
    return static_cast<uint16_t>(sign | kInfinity | payload);
  }
  const int exponent = biased - 1023;
  if (exponent > kBias) return static_cast<uint16_t>(sign | kInfinity);

  const int below_normal = exponent < 1 - kBias ? 1 - kBias - exponent : 0;
  const int shift = 52 - kMantissaBits + below_normal;
  if (shift > 53) return static_cast<uint16_t>(sign);  // less than half of the smallest subnormal
  const uint64_t significand = fraction | uint64_t{1} << 52;
  const uint64_t half = uint64_t{1} << (shift - 1);
  const uint64_t rest = significand & (2 * half - 1);
  uint64_t kept = significand >> shift;
  if (rest > half || (rest == half && (kept & 1) != 0)) ++kept;
  // `kept` holds the implicit one of a normal number, so adding it also carries into the exponent.
  if (below_normal == 0) kept += static_cast<uint64_t>(exponent + kBias - 1) << kMantissaBits;
  return static_cast<uint16_t>(sign | kept);
}

}  // namespace imp::quant
