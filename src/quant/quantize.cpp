#include "src/quant/quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "src/quant/bf16.h"
#include "src/quant/e4m3.h"
#include "src/quant/e8m0.h"

namespace imp::quant {
namespace {

constexpr float kLargestE2m1 = 6.0f;
constexpr float kLargestE4m3 = 448.0f;
constexpr int kBias = 127;  // of e8m0

float rounded(float value, ModelFloat dtype) {
  return dtype == ModelFloat::kF32 ? value : bf16_to_float(bf16_from_float(value));
}

float largest(std::span<const float> x) {
  float amax = 0;
  for (const float value : x) amax = std::max(amax, std::fabs(value));
  return amax;
}

template <size_t kBytes, class Encode>
void pack_pairs(std::span<const float> x, std::array<uint8_t, kBytes>& codes, Encode encode) {
  for (size_t i = 0; i < kBytes; ++i)
    codes[i] = static_cast<uint8_t>(encode(x[2 * i]) | encode(x[2 * i + 1]) << 4);
}

/// Thresholds lie half way between values; ModelOpt's MXFP4 takes the lower one at each, and calls
/// zero negative.
uint8_t e2m1_ties_down(float v) {
  const float m = std::fabs(v);
  const int code =
      (m > 0.25f) + (m > 0.75f) + (m > 1.25f) + (m > 1.75f) + (m > 2.5f) + (m > 3.5f) + (m > 5.0f);
  return static_cast<uint8_t>(code | (v > 0 ? 0 : 8));
}

/// Byte of the power of two under which amax fits `top`.
uint8_t ceil_scale(float amax, float top) {
  if (amax == 0) return 0;
  const float exponent = std::ceil(std::max(std::log2(amax / top), -127.0f));
  return static_cast<uint8_t>(static_cast<int>(std::min(exponent, 127.0f)) + kBias);
}

struct RoundedScale {
  uint8_t byte;
  float value;
};

/// amax rounded to a power of two (mantissas from 1.75 on go up), less the exponent of the largest
/// code. What rounds past the largest float is infinite there and written as 1.
RoundedScale rounded_scale(float amax, ModelFloat dtype, int top_exponent) {
  const int mantissa_bits = dtype == ModelFloat::kF32 ? 23 : 7;
  uint32_t bits = std::bit_cast<uint32_t>(amax);
  bits += 1u << (mantissa_bits - 2) << (23 - mantissa_bits);
  const int exponent = static_cast<int>(bits >> 23 & 0xFF);
  if (exponent == 0xFF) return {kBias, std::numeric_limits<float>::infinity()};
  const auto byte = static_cast<uint8_t>(std::max(exponent - top_exponent, 0));
  return {byte, e8m0_to_float(byte)};
}

}  // namespace

uint8_t e2m1_from_float(float value) {
  const float m = std::fabs(value);
  const int code = (m > 0.25f) + (m >= 0.75f) + (m > 1.25f) + (m >= 1.75f) + (m > 2.5f) +
                   (m >= 3.5f) + (m > 5.0f);
  return static_cast<uint8_t>(code | (value < 0 ? 8 : 0));
}

uint8_t e4m3_from_float(float value) {
  if (std::isnan(value)) return 0x7F;
  const float m = std::min(std::fabs(value), kLargestE4m3);
  // Below 2^-6 numbers are 2^-9 apart, in each binade above there are eight.
  const int exponent = m == 0 ? -6 : std::max(std::ilogb(m), -6);
  const auto eighths = static_cast<int>(std::nearbyint(std::ldexp(m, 3 - exponent)));
  return static_cast<uint8_t>(8 * (exponent + 6) + eighths + (std::signbit(value) ? 0x80 : 0));
}

Nvfp4Group nvfp4_quantize_modelopt(std::span<const float, 16> x, float global) {
  float t = largest(x) / (kLargestE2m1 * global);
  if (t == 0) t = 1.0f;
  Nvfp4Group group;
  group.scale = e4m3_from_float(std::clamp(t, 0x1p-9f, kLargestE4m3));
  const float scale = e4m3_to_float(group.scale) * global;
  pack_pairs(x, group.codes, [&](float w) { return e2m1_from_float(w / scale); });
  return group;
}

float nvfp4_global_compressed_tensors(float amax, ModelFloat dtype) {
  const float global = rounded(rounded(1.0f / amax, dtype) * (kLargestE4m3 * kLargestE2m1), dtype);
  return std::isfinite(global) ? global : 1.0f;
}

Nvfp4Group nvfp4_quantize_compressed_tensors(std::span<const float, 16> x, float global,
                                             ModelFloat dtype) {
  const float t = global * rounded(largest(x) / kLargestE2m1, dtype);
  Nvfp4Group group;
  group.scale = e4m3_from_float(std::min(t, kLargestE4m3));
  if (group.scale == 0) group.scale = e4m3_from_float(0.125f);
  const float scale = e4m3_to_float(group.scale) / global;
  pack_pairs(x, group.codes, [&](float w) { return e2m1_from_float(w / scale); });
  return group;
}

Mxfp4Group mxfp4_quantize_modelopt(std::span<const float, 32> x) {
  Mxfp4Group group;
  group.scale = ceil_scale(largest(x), kLargestE2m1);
  const float scale = e8m0_to_float(group.scale);
  pack_pairs(x, group.codes, [&](float w) { return e2m1_ties_down(w / scale); });
  return group;
}

Mxfp8Group mxfp8_quantize_modelopt(std::span<const float, 32> x) {
  Mxfp8Group group;
  group.scale = ceil_scale(largest(x), kLargestE4m3);
  const float scale = e8m0_to_float(group.scale);
  for (size_t i = 0; i < x.size(); ++i) group.codes[i] = e4m3_from_float(x[i] / scale);
  return group;
}

Mxfp4Group mxfp4_quantize_compressed_tensors(std::span<const float, 32> x, ModelFloat dtype) {
  const RoundedScale scale = rounded_scale(largest(x), dtype, 2);
  Mxfp4Group group;
  group.scale = scale.byte;
  pack_pairs(x, group.codes, [&](float w) { return e2m1_from_float(w / scale.value); });
  return group;
}

Mxfp8Group mxfp8_quantize_compressed_tensors(std::span<const float, 32> x, ModelFloat dtype) {
  const RoundedScale scale = rounded_scale(largest(x), dtype, 8);
  Mxfp8Group group;
  group.scale = scale.byte;
  // It adds a zero point of 0, which makes -0 plus.
  for (size_t i = 0; i < x.size(); ++i) group.codes[i] = e4m3_from_float(x[i] / scale.value + 0.0f);
  return group;
}

}  // namespace imp::quant
