#include "src/quant/transcode.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "src/base/little_endian.h"

namespace imp::quant {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"nvfp4",    "nvfp4-ct", "mxfp4",
                                                    "mxfp4-ct", "int8",     "fp8"};
constexpr float kLargestInt8 = 127.0f;
constexpr float kLargestE4m3 = 448.0f;

bool is_nvfp4(TranscodeTarget target) {
  return target == TranscodeTarget::kNvfp4ModelOpt ||
         target == TranscodeTarget::kNvfp4CompressedTensors;
}

bool is_mxfp4(TranscodeTarget target) {
  return target == TranscodeTarget::kMxfp4ModelOpt ||
         target == TranscodeTarget::kMxfp4CompressedTensors;
}

float amax_of(std::span<const float> x) {
  float amax = 0;
  for (const float value : x) amax = std::max(amax, std::fabs(value));
  return amax;
}

/// A scale under which `amax` is `top`. Zeros stay zeros under any; what divides to nothing takes
/// the smallest float, under which it is less than `top` all the same.
float scale_for(float amax, float top) {
  if (amax == 0) return 1.0f;
  return std::max(amax / top, std::numeric_limits<float>::denorm_min());
}

Nvfp4Group nvfp4_group(const TranscodeFormat& format, std::span<const float, 16> x) {
  return format.target == TranscodeTarget::kNvfp4ModelOpt
             ? nvfp4_quantize_modelopt(x, format.global)
             : nvfp4_quantize_compressed_tensors(x, format.global, format.dtype);
}

Mxfp4Group mxfp4_group(const TranscodeFormat& format, std::span<const float, 32> x) {
  return format.target == TranscodeTarget::kMxfp4ModelOpt
             ? mxfp4_quantize_modelopt(x)
             : mxfp4_quantize_compressed_tensors(x, format.dtype);
}

template <class Group>
void store_group(const Group& group, uint64_t index, MutableBytes codes, MutableBytes scales) {
  std::memcpy(codes.data() + index * group.codes.size(), group.codes.data(), group.codes.size());
  scales[index] = static_cast<std::byte>(group.scale);
}

uint8_t int8_code(float quotient) {
  const float q = std::clamp(std::nearbyint(quotient), -kLargestInt8, kLargestInt8);
  return static_cast<uint8_t>(static_cast<int>(q) + 128);
}

/// int8 and fp8.
void scaled_group(const TranscodeFormat& format, std::span<const float> x, std::byte* codes,
                  std::byte* scale_at) {
  const bool is_int8 = format.target == TranscodeTarget::kInt8;
  const float scale = scale_for(amax_of(x), is_int8 ? kLargestInt8 : kLargestE4m3);
  store_le(scale_at, scale);
  for (uint64_t i = 0; i < x.size(); ++i)
    codes[i] =
        static_cast<std::byte>(is_int8 ? int8_code(x[i] / scale) : e4m3_from_float(x[i] / scale));
}

}  // namespace

std::string_view transcode_name(TranscodeTarget target) {
  return kNames[static_cast<size_t>(target)];
}

std::optional<TranscodeTarget> transcode_from_name(std::string_view name) {
  const auto* found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<TranscodeTarget>(found - kNames.begin());
}

std::span<const std::string_view> transcode_names() { return kNames; }

uint64_t TranscodeFormat::code_row_bytes() const {
  return is_nvfp4(target) || is_mxfp4(target) ? columns / 2 : columns;
}

uint64_t TranscodeFormat::scale_row_bytes() const {
  return columns / group_size * (scale_dtype() == Dtype::kF32 ? 4 : 1);
}

Dtype TranscodeFormat::scale_dtype() const {
  return is_nvfp4(target) ? Dtype::kF8E4M3 : is_mxfp4(target) ? Dtype::kF8E8M0 : Dtype::kF32;
}

Result<TranscodeFormat> transcode_format(TranscodeTarget target, ModelFloat dtype, uint64_t columns,
                                         uint64_t group_size) {
  if (is_nvfp4(target)) group_size = kNvfp4Group;
  if (is_mxfp4(target)) group_size = 32;
  if (group_size == 0) group_size = columns;
  if (group_size == 0 || columns % group_size != 0)
    return Error{ErrorKind::kUnsupportedScheme,
                 "rows of " + std::to_string(columns) + " columns cannot be transcoded to " +
                     std::string(transcode_name(target)) + ", whose groups have " +
                     std::to_string(group_size),
                 {},
                 {}};
  return TranscodeFormat{target, dtype, columns, group_size, 1.0f};
}

float transcode_global(TranscodeTarget target, float amax, ModelFloat dtype) {
  if (target == TranscodeTarget::kNvfp4ModelOpt) return scale_for(amax, 6.0f * kLargestE4m3);
  if (target == TranscodeTarget::kNvfp4CompressedTensors)
    return nvfp4_global_compressed_tensors(amax, dtype);
  return 1.0f;
}

Convention transcode_convention(TranscodeTarget target) {
  return target == TranscodeTarget::kNvfp4CompressedTensors ? Convention::kDivisor
                                                            : Convention::kMultiplier;
}

Result<float> largest_magnitude(std::span<const float> values) {
  float amax = 0;
  for (uint64_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i]))
      return Error{ErrorKind::kBadScale,
                   "value " + std::to_string(i) + " is " +
                       (std::isnan(values[i]) ? "NaN" : "infinite") + ": no scale holds it",
                   {},
                   {}};
    amax = std::max(amax, std::fabs(values[i]));
  }
  return amax;
}

void transcode_row(const TranscodeFormat& format, std::span<const float> row, MutableBytes codes,
                   MutableBytes scales) {
  for (uint64_t g = 0; g < format.columns / format.group_size; ++g) {
    const auto x = row.subspan(g * format.group_size, format.group_size);
    if (is_nvfp4(format.target))
      store_group(nvfp4_group(format, x.first<16>()), g, codes, scales);
    else if (is_mxfp4(format.target))
      store_group(mxfp4_group(format, x.first<32>()), g, codes, scales);
    else
      scaled_group(format, x, codes.data() + g * format.group_size, scales.data() + 4 * g);
  }
}

}  // namespace imp::quant
