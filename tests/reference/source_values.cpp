#include "tests/reference/source_values.h"

#include <cmath>
#include <cstring>

namespace imp::reference {
namespace {

uint32_t little_endian(const uint8_t* at, int size) {
  uint32_t value = 0;
  for (int i = size; i-- > 0;) value = value << 8 | at[i];
  return value;
}

/// sign, exponent and mantissa fields of an IEEE-like number without infinities.
float small_float(uint32_t code, int exponent_bits, int mantissa_bits, int bias) {
  const auto mantissa = static_cast<double>(code & ((1u << mantissa_bits) - 1));
  const int exponent = static_cast<int>(code >> mantissa_bits & ((1u << exponent_bits) - 1));
  const double unit = std::ldexp(1.0, -mantissa_bits);
  const double magnitude = exponent == 0 ? std::ldexp(mantissa * unit, 1 - bias)
                                         : std::ldexp(1.0 + mantissa * unit, exponent - bias);
  const bool negative = code >> (exponent_bits + mantissa_bits) & 1;
  return static_cast<float>(negative ? -magnitude : magnitude);
}

float float_of_bits(uint32_t bits) {
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

bool is_set(const SourceWeight& w, uint64_t row, uint64_t k) {
  const uint64_t pitch = (w.code_plane.columns + 7) / 8;
  return (w.bitmask[row * pitch + k / 8] >> (k % 8) & 1) != 0;
}

float code_value(const SourceWeight& w, uint64_t element) {
  switch (w.codes) {
    case Codes::kBf16:
      return float_of_bits(static_cast<uint32_t>(element) << 16);
    case Codes::kE2m1:
      return small_float(static_cast<uint32_t>(element), 2, 1, 1);
    case Codes::kE4m3:
      return small_float(static_cast<uint32_t>(element), 4, 3, 7);
    case Codes::kInteger:
      break;
  }
  return static_cast<float>(element);
}

/// The code less its zero point. `stored` counts the elements of a sparse plane that were met.
float code_at(const SourceWeight& w, uint64_t row, uint64_t k, uint64_t group, uint64_t& stored) {
  uint64_t element = w.codes == Codes::kInteger ? uint64_t{1} << (w.code_plane.bits - 1) : 0;
  if (w.bitmask == nullptr) {
    element = get_element(w.code_plane, row, k, w.code_bytes);
  } else if (is_set(w, row, k)) {
    const HeldPlane line{w.code_plane.encoding, w.code_plane.bits, 1, stored + 1};
    element = get_element(line, 0, stored++, w.code_bytes);
  }
  if (w.codes != Codes::kInteger) return code_value(w, element);
  const uint64_t zero =
      w.zero_point_bytes == nullptr
          ? uint64_t{1} << (w.code_plane.bits - 1)
          : get_element(w.zero_point_plane, row / w.group_rows, group, w.zero_point_bytes);
  return static_cast<float>(static_cast<int64_t>(element) - static_cast<int64_t>(zero));
}

float scale_at(const SourceWeight& w, uint64_t row, uint64_t group) {
  if (w.scale_plane.columns == 0) return 1.0f;
  const auto bytes = static_cast<int>(w.scale_plane.bits / 8);
  uint8_t raw[8] = {};
  const uint64_t element = get_element(w.scale_plane, row / w.group_rows, group, w.scale_bytes);
  for (int i = 0; i < bytes; ++i) raw[i] = static_cast<uint8_t>(element >> (8 * i));
  return number_at(raw, 0, w.scale_dtype);
}

}  // namespace

float number_at(const uint8_t* bytes, uint64_t index, const std::string& dtype) {
  if (dtype == "F32") return float_of_bits(little_endian(bytes + 4 * index, 4));
  if (dtype == "BF16") return float_of_bits(little_endian(bytes + 2 * index, 2) << 16);
  if (dtype == "F16") return small_float(little_endian(bytes + 2 * index, 2), 5, 10, 15);
  if (dtype == "F8_E4M3") return small_float(bytes[index], 4, 3, 7);
  return static_cast<float>(std::ldexp(1.0, bytes[index] - 127));
}

std::vector<float> source_values(const SourceWeight& w) {
  std::vector<float> values;
  uint64_t stored = 0;
  for (uint64_t row = 0; row < w.code_plane.rows; ++row)
    for (uint64_t k = 0; k < w.code_plane.columns; ++k) {
      uint64_t group = k / w.group_size;
      if (w.group_index != nullptr) group = little_endian(w.group_index + 4 * k, 4);
      const float code = code_at(w, row, k, group, stored), scale = scale_at(w, row, group);
      float value = 0;
      switch (w.order) {
        case Order::kProduct:
          value = code * scale * w.global;
          break;
        case Order::kGlobalTimesScale:
          value = code * (scale * w.global) + 0.0f;
          break;
        case Order::kScaleOverGlobal:
          value = code * (scale / w.global);
          break;
      }
      values.push_back(value);
    }
  return values;
}

}  // namespace imp::reference
