#include "kernels/cpu/quantize_activation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "kernels/readers/bits.h"
#include "src/base/checked.h"
#include "src/base/little_endian.h"

namespace imp::kernels {
namespace {

constexpr uint64_t kGroup = 16;
constexpr uint64_t kMaxExtent = uint64_t{1} << 31;
constexpr std::byte kNanScale{0x7F};

using Group = std::array<float, kGroup>;

/// e4m3 byte nearest to t, ties to even, in 2^-9 .. 448.
uint8_t e4m3_from_positive(float t) {
  const float clamped = std::clamp(t, 0x1p-9f, 448.0f);
  // Below 2^-6 numbers are 2^-9 apart, in each binade above there are eight.
  const int exponent = std::max(std::ilogb(clamped), -6);
  const float eighths = std::nearbyint(std::ldexp(clamped, 3 - exponent));
  return static_cast<uint8_t>(8 * (exponent + 6) + static_cast<int>(eighths));
}

/// Magnitude of the e2m1 code of v: thresholds lie half way between values, and a tie goes to the
/// even code.
uint8_t e2m1_magnitude(float v) {
  const float m = std::fabs(v);
  const int code = (m > 0.25f) + (m >= 0.75f) + (m > 1.25f) + (m >= 1.75f) + (m > 2.5f) +
                   (m >= 3.5f) + (m > 5.0f);
  return static_cast<uint8_t>(code);
}

float load_activation(const ActivationMatrix& matrix, uint64_t row, uint64_t column) {
  const auto bits = load_le<uint16_t>(matrix.x.data() + 2 * (row * matrix.stride + column));
  return matrix.dtype == Dtype::kBF16 ? bf16_low(bits) : f16_bits_to_float(bits);
}

Status check(const ActivationMatrix& matrix) {
  const bool is_16_bit = matrix.dtype == Dtype::kBF16 || matrix.dtype == Dtype::kF16;
  const bool has_shape = matrix.k != 0 && matrix.k % kGroup == 0 && matrix.k <= kMaxExtent &&
                         matrix.m <= kMaxExtent && matrix.stride >= matrix.k &&
                         matrix.stride <= kMaxExtent;
  const uint64_t elements = matrix.m == 0 ? 0 : (matrix.m - 1) * matrix.stride + matrix.k;
  if (is_16_bit && has_shape && matrix.x.size() >= 2 * elements) return {};
  return Error{ErrorKind::kBadShape,
               "activations [" + std::to_string(matrix.m) + ", " + std::to_string(matrix.k) +
                   "], rows " + std::to_string(matrix.stride) + " apart, dtype " +
                   std::string(dtype_name(matrix.dtype)) + ", in " +
                   std::to_string(matrix.x.size()) +
                   " bytes; expected 16-bit floats and K a multiple of 16",
               "", ""};
}

Status check_size(const char* what, uint64_t have, uint64_t want) {
  if (have == want) return {};
  return Error{ErrorKind::kBadShape,
               std::string(what) + " have " + std::to_string(have) + " bytes, expected " +
                   std::to_string(want),
               "", ""};
}

/// Writes eight bytes of codes, gives the scale byte. `codes` holds zeros.
std::byte quantize_group(const Group& x, float gs, std::byte* codes) {
  float largest = 0.0f;
  for (const float value : x) {
    if (!std::isfinite(value)) return kNanScale;
    largest = std::max(largest, std::fabs(value));
  }
  if (largest == 0.0f) return std::byte{0};
  const float divisor = 6.0f * gs;
  const uint8_t scale = e4m3_from_positive(largest / divisor);
  const float d = ue4m3_bits_to_float(scale) * gs;
  if (d == 0.0f) return std::byte{0};
  for (uint64_t i = 0; i < kGroup; ++i) {
    const uint8_t sign = x[i] < 0.0f ? 8 : 0;
    const auto code = static_cast<uint8_t>(e2m1_magnitude(x[i] / d) | sign);
    codes[i / 2] |= std::byte{static_cast<uint8_t>(code << (4 * (i % 2)))};
  }
  return std::byte{scale};
}

uint64_t scale_offset(uint64_t row, uint64_t group, uint64_t group_tiles) {
  return ((row / 128) * group_tiles + group / 4) * 512 + (row % 32) * 16 + (row % 128) / 32 * 4 +
         group % 4;
}

}  // namespace

Result<float> cpu_activation_multiplier(const ActivationMatrix& matrix) {
  IMP_TRY(check(matrix));
  float largest = 0.0f;
  for (uint64_t row = 0; row < matrix.m; ++row)
    for (uint64_t column = 0; column < matrix.k; ++column) {
      const float value = load_activation(matrix, row, column);
      if (std::isfinite(value)) largest = std::max(largest, std::fabs(value));
    }
  return largest / 2688.0f;
}

Status cpu_quantize_activation(const ActivationMatrix& matrix, float gs, MutableBytes codes,
                               MutableBytes scales) {
  IMP_TRY(check(matrix));
  const uint64_t pitch = round_up(matrix.k / 2, 16);
  const uint64_t group_tiles = div_up(matrix.k / kGroup, 4);
  IMP_TRY(check_size("codes", codes.size(), matrix.m * pitch));
  IMP_TRY(check_size("scales", scales.size(), div_up(matrix.m, 128) * group_tiles * 512));
  std::fill(codes.begin(), codes.end(), std::byte{0});
  std::fill(scales.begin(), scales.end(), std::byte{0});
  for (uint64_t row = 0; row < matrix.m; ++row)
    for (uint64_t group = 0; group < matrix.k / kGroup; ++group) {
      Group x;
      for (uint64_t i = 0; i < kGroup; ++i) x[i] = load_activation(matrix, row, kGroup * group + i);
      scales[scale_offset(row, group, group_tiles)] =
          quantize_group(x, gs, codes.data() + row * pitch + 8 * group);
    }
  return {};
}

}  // namespace imp::kernels
