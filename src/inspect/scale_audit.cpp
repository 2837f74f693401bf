#include "src/inspect/scale_audit.h"

#include <algorithm>
#include <cmath>

#include "src/base/little_endian.h"
#include "src/quant/bf16.h"
#include "src/quant/e4m3.h"
#include "src/quant/e8m0.h"
#include "src/quant/f16.h"

namespace imp::inspect {

using nlohmann::ordered_json;

namespace {

void widen(BlockScaleStats& stats, bool first, double low, double high) {
  stats.min = first ? low : std::min(stats.min, low);
  stats.max = first ? high : std::max(stats.max, high);
}

/// `n` scales of one value; returns true if it counts for minimum, maximum and mean and is not +0.
bool count_value(BlockScaleStats& stats, double value, bool subnormal, uint64_t n) {
  stats.count += n;
  stats.nan += std::isnan(value) ? n : 0;
  stats.infinite += std::isinf(value) ? n : 0;
  if (!std::isfinite(value)) return false;
  const bool sign = std::signbit(value);
  stats.zero += value == 0 && !sign ? n : 0;
  stats.negative_zero += value == 0 && sign ? n : 0;
  stats.negative += value < 0 ? n : 0;
  stats.subnormal += subnormal ? n : 0;
  return value != 0 || sign;
}

double float_at(const std::byte* at, Dtype dtype, bool& subnormal) {
  if (dtype == Dtype::kF32) {
    const auto value = load_le<float>(at);
    subnormal = std::fpclassify(value) == FP_SUBNORMAL;
    return value;
  }
  const auto bits = load_le<uint16_t>(at);
  const uint32_t exponent = dtype == Dtype::kBF16 ? 0x7F80u : 0x7C00u;
  subnormal = (bits & exponent) == 0 && (bits & 0x7FFFu) != 0;
  return dtype == Dtype::kBF16 ? quant::bf16_to_float(bits) : quant::f16_to_float(bits);
}

}  // namespace

bool is_scale_dtype(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF8E4M3:
    case Dtype::kF8E8M0:
    case Dtype::kU8:
    case Dtype::kF16:
    case Dtype::kBF16:
    case Dtype::kF32:
      return true;
    default:
      return false;
  }
}

void BlockScaleTally::add(Bytes scales, Dtype dtype) {
  if (dtype_bits(dtype) == 8) {
    ByteCounts& counts = bytes_of(dtype);
    for (const std::byte scale : scales) ++counts[std::to_integer<uint8_t>(scale)];
    return;
  }
  const size_t size = dtype_bits(dtype) / 8;
  for (size_t at = 0; at + size <= scales.size(); at += size) {
    bool subnormal = false;
    const double value = float_at(&scales[at], dtype, subnormal);
    if (!count_value(floats_.stats, value, subnormal, 1)) continue;
    widen(floats_.stats, floats_.others == 0, value, value);
    floats_.sum += value;
    ++floats_.others;
  }
}

void BlockScaleTally::add(const BlockScaleTally& other) {
  for (size_t i = 0; i < e4m3_.size(); ++i) e4m3_[i] += other.e4m3_[i];
  for (size_t i = 0; i < e8m0_.size(); ++i) e8m0_[i] += other.e8m0_[i];
  const BlockScaleStats& theirs = other.floats_.stats;
  BlockScaleStats& mine = floats_.stats;
  if (other.floats_.others != 0) widen(mine, floats_.others == 0, theirs.min, theirs.max);
  mine.count += theirs.count;
  mine.zero += theirs.zero;
  mine.negative_zero += theirs.negative_zero;
  mine.subnormal += theirs.subnormal;
  mine.nan += theirs.nan;
  mine.infinite += theirs.infinite;
  mine.negative += theirs.negative;
  floats_.sum += other.floats_.sum;
  floats_.others += other.floats_.others;
}

bool BlockScaleTally::remove_zeros(uint64_t count, Dtype dtype) {
  uint64_t& zeros = dtype_bits(dtype) == 8 ? bytes_of(dtype)[0] : floats_.stats.zero;
  if (zeros < count) return false;
  zeros -= count;
  if (dtype_bits(dtype) != 8) floats_.stats.count -= count;
  return true;
}

BlockScaleStats BlockScaleTally::stats() const {
  BlockScaleStats stats = floats_.stats;
  double sum = floats_.sum;
  uint64_t finite = floats_.others;
  const auto add_zero = [&](uint64_t n) {
    if (n != 0) widen(stats, finite == 0, 0, 0);
    finite += n;
  };
  add_zero(floats_.stats.zero);
  const auto add_bytes = [&](double value, bool subnormal, uint64_t n) {
    if (n == 0) return;
    if (!count_value(stats, value, subnormal, n)) return value == 0 ? add_zero(n) : void();
    widen(stats, finite == 0, value, value);
    sum += value * static_cast<double>(n);
    finite += n;
  };
  for (uint32_t code = 0; code < 256; ++code) {
    const auto byte = static_cast<uint8_t>(code);
    const bool subnormal = (code & 0x78) == 0 && (code & 0x7F) != 0;
    add_bytes(quant::e4m3_to_float(byte), subnormal, e4m3_[code]);
    add_bytes(quant::e8m0_to_float(byte), false, e8m0_[code]);
  }
  if (finite != 0) stats.mean = sum / static_cast<double>(finite);
  return stats;
}

void ScalarStats::add(float value) {
  ++count;
  if (!std::isfinite(value)) {
    ++non_finite;
    return;
  }
  zero += value == 0;
  negative += value < 0;
  subnormal += std::fpclassify(value) == FP_SUBNORMAL;
  min = min ? std::min(*min, value) : value;
  max = max ? std::max(*max, value) : value;
}

void ScalarStats::add(const ScalarStats& other) {
  count += other.count;
  absent += other.absent;
  zero += other.zero;
  subnormal += other.subnormal;
  non_finite += other.non_finite;
  negative += other.negative;
  if (other.min) min = min ? std::min(*min, *other.min) : other.min;
  if (other.max) max = max ? std::max(*max, *other.max) : other.max;
}

ordered_json to_json(const BlockScaleStats& s) {
  ordered_json json{{"count", s.count}};
  if (s.count > s.nan + s.infinite) {
    json["min"] = s.min;
    json["max"] = s.max;
    json["mean"] = s.mean;
  }
  json["zero"] = s.zero;
  json["negative_zero"] = s.negative_zero;
  json["subnormal"] = s.subnormal;
  json["nan"] = s.nan;
  json["infinite"] = s.infinite;
  json["negative"] = s.negative;
  return json;
}

ordered_json to_json(const ScalarStats& s) {
  ordered_json json{{"count", s.count}, {"absent", s.absent}};
  if (s.min) json["min"] = *s.min;
  if (s.max) json["max"] = *s.max;
  json["zero"] = s.zero;
  json["subnormal"] = s.subnormal;
  json["non_finite"] = s.non_finite;
  json["negative"] = s.negative;
  return json;
}

ordered_json to_json(const ScaleRow& row) {
  ordered_json json{{"name", row.name}};
  if (row.blocks)
    json["block_scales"] = to_json(*row.blocks);
  else
    json["block_scales_not_read"] = row.why_no_blocks;
  json["global_scales"] = to_json(row.globals);
  json["input_scales"] = to_json(row.inputs);
  return json;
}

}  // namespace imp::inspect
