#include "src/inspect/scale_audit.h"

#include <algorithm>
#include <cmath>

#include "src/quant/e4m3.h"

namespace imp::inspect {

using nlohmann::ordered_json;

void BlockScaleHistogram::add(Bytes e4m3) {
  for (const std::byte scale : e4m3) ++counts_[std::to_integer<uint8_t>(scale)];
}

void BlockScaleHistogram::add(const BlockScaleHistogram& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

bool BlockScaleHistogram::remove_zeros(uint64_t count) {
  if (counts_[0] < count) return false;
  counts_[0] -= count;
  return true;
}

BlockScaleStats BlockScaleHistogram::stats() const {
  BlockScaleStats s;
  double sum = 0;
  uint64_t numbers = 0;
  for (uint32_t code = 0; code < counts_.size(); ++code) {
    const uint64_t n = counts_[code];
    if (n == 0) continue;
    s.count += n;
    const auto byte = static_cast<uint8_t>(code);
    if (quant::e4m3_is_nan(byte)) {
      s.nan += n;
      continue;
    }
    const double value = quant::e4m3_to_float(byte);
    if (value == 0) (std::signbit(value) ? s.negative_zero : s.zero) += n;
    if (value < 0) s.negative += n;
    if (value != 0 && (code & 0x78) == 0) s.subnormal += n;
    s.min = numbers == 0 ? value : std::min(s.min, value);
    s.max = numbers == 0 ? value : std::max(s.max, value);
    sum += value * static_cast<double>(n);
    numbers += n;
  }
  if (numbers != 0) s.mean = sum / static_cast<double>(numbers);
  return s;
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
  if (s.count > s.nan) {
    json["min"] = s.min;
    json["max"] = s.max;
    json["mean"] = s.mean;
  }
  json["zero"] = s.zero;
  json["negative_zero"] = s.negative_zero;
  json["subnormal"] = s.subnormal;
  json["nan"] = s.nan;
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
