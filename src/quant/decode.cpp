#include "src/quant/decode.h"

#include <algorithm>
#include <array>
#include <string>

#include "src/base/checked.h"
#include "src/base/little_endian.h"
#include "src/quant/bf16.h"
#include "src/quant/e2m1.h"
#include "src/quant/e4m3.h"
#include "src/quant/e8m0.h"
#include "src/quant/f16.h"

namespace imp::quant {
namespace {

/// Value of every code, zero point not yet taken off.
using CodeValues = std::array<double, 256>;

double code_value(const WeightFormat& format, uint8_t code) {
  switch (format.kind) {
    case CodeKind::kE2m1:
      return e2m1_to_float(code);
    case CodeKind::kE4m3:
      return e4m3_to_float(code);
    case CodeKind::kLut:
      return format.lut[code & 0xF];
    default:
      return code;
  }
}

CodeValues code_values(const WeightFormat& format) {
  CodeValues values{};
  for (uint32_t code = 0; code < values.size(); ++code)
    values[code] = code_value(format, static_cast<uint8_t>(code));
  return values;
}

uint8_t element(const uint8_t* row, uint64_t i, uint32_t bits) {
  return bits == 4 ? nvfp4_code(row, i) : row[i];
}

uint64_t pitch_of(uint64_t count, uint32_t bits) {
  return bits == 4 ? div_up(count, 2) : count * div_up(bits, 8);
}

/// Element of a plane of scales or mins under super scales.
double load_integer(Bytes plane, uint64_t index, Dtype dtype) {
  const auto byte = static_cast<uint8_t>(plane[index]);
  return dtype == Dtype::kI8 ? static_cast<int8_t>(byte) : byte;
}

/// Scale, zero point and min of each group of one row of groups.
struct GroupRow {
  std::vector<double> scale;
  std::vector<double> zero_point;
  std::vector<double> min;

  void load(const WeightFormat& format, const CanonicalRows& planes, uint64_t group_row) {
    const uint64_t groups = format.groups();
    const uint64_t count = std::max<uint64_t>(groups, 1);
    scale.assign(count, 1.0);
    // Symmetric integers are offset binary too; of floats nothing is taken off.
    const double middle =
        format.kind == CodeKind::kInteger ? static_cast<double>(1u << (format.bits - 1)) : 0.0;
    zero_point.assign(count, middle);
    if (format.super_group != 0) return load_super(format, planes, group_row);
    for (uint64_t g = 0; g < groups; ++g)
      scale[g] = load_number(planes.scales.data(), group_row * groups + g, format.scale_dtype);
    if (!planes.mins.empty()) {
      min.resize(groups);
      for (uint64_t g = 0; g < groups; ++g)
        min[g] = load_number(planes.mins.data(), group_row * groups + g, format.scale_dtype);
    }
    if (planes.zero_points.empty()) return;
    const auto* row = reinterpret_cast<const uint8_t*>(planes.zero_points.data()) +
                      group_row * pitch_of(count, format.bits);
    for (uint64_t g = 0; g < count; ++g) zero_point[g] = element(row, g, format.bits);
  }

 private:
  void load_super(const WeightFormat& format, const CanonicalRows& planes, uint64_t group_row) {
    const uint64_t first = group_row * format.groups();
    const uint64_t first_super = group_row * format.super_groups();
    if (!planes.mins.empty()) min.resize(scale.size());
    for (uint64_t g = 0; g < scale.size(); ++g) {
      const uint64_t super = first_super + g * format.group_size / format.super_group;
      scale[g] = load_integer(planes.scales, first + g, format.scale_dtype) *
                 load_number(planes.super_scales.data(), super, Dtype::kF16);
      if (!planes.mins.empty())
        min[g] = -load_integer(planes.mins, first + g, format.scale_dtype) *
                 load_number(planes.super_mins.data(), super, Dtype::kF16);
    }
  }
};

void decode_floats(const WeightFormat& format, const CanonicalRows& planes, GlobalScale global,
                   std::span<double> out) {
  for (uint64_t i = 0; i < out.size(); ++i)
    out[i] = load_number(planes.codes.data(), i, format.code_dtype) * global.value;
}

}  // namespace

uint64_t WeightFormat::groups() const {
  return group_size == 0 ? 0 : columns / group_size + (columns % group_size != 0 ? 1 : 0);
}

uint64_t WeightFormat::super_groups() const {
  return super_group == 0 ? 0 : columns / super_group + (columns % super_group != 0 ? 1 : 0);
}

uint64_t WeightFormat::scale_rows(uint64_t row_count) const {
  return row_count / group_rows + (row_count % group_rows != 0 ? 1 : 0);
}

double load_number(const std::byte* plane, uint64_t index, Dtype dtype) {
  switch (dtype) {
    case Dtype::kF64:
      return load_le<double>(plane + 8 * index);
    case Dtype::kF16:
      return f16_to_float(load_le<uint16_t>(plane + 2 * index));
    case Dtype::kBF16:
      return bf16_to_float(load_le<uint16_t>(plane + 2 * index));
    case Dtype::kF8E4M3:
      return e4m3_to_float(static_cast<uint8_t>(plane[index]));
    case Dtype::kU8:
    case Dtype::kF8E8M0:
      return e8m0_to_float(static_cast<uint8_t>(plane[index]));
    default:
      return load_le<float>(plane + 4 * index);
  }
}

Result<std::vector<uint32_t>> column_groups(const WeightFormat& format, Bytes group_index) {
  std::vector<uint32_t> groups;
  if (format.group_size == 0) return groups;
  groups.resize(format.columns);
  for (uint64_t k = 0; k < format.columns; ++k)
    groups[k] = static_cast<uint32_t>(k / format.group_size);
  const auto is_set = [](std::byte b) { return b != std::byte{0xFF}; };
  if (std::none_of(group_index.begin(), group_index.end(), is_set)) return groups;
  if (group_index.size() != 4 * format.columns)
    return Error{ErrorKind::kBadShape,
                 "the group index has " + std::to_string(group_index.size()) +
                     " bytes, expected 4 of each of " + std::to_string(format.columns) + " columns",
                 {},
                 {}};
  for (uint64_t k = 0; k < format.columns; ++k) {
    groups[k] = load_le<uint32_t>(group_index.data() + 4 * k);
    if (groups[k] >= format.groups())
      return Error{ErrorKind::kBadShape,
                   "the group index of column " + std::to_string(k) + " is " +
                       std::to_string(static_cast<int32_t>(groups[k])) + ", expected 0 to " +
                       std::to_string(format.groups() - 1),
                   {},
                   {}};
  }
  return groups;
}

void decode_rows(const WeightFormat& format, const CanonicalRows& planes,
                 std::span<const uint32_t> groups, GlobalScale global, std::span<double> out) {
  if (format.kind == CodeKind::kFloat) return decode_floats(format, planes, global, out);
  const CodeValues values = code_values(format);
  const uint64_t pitch = pitch_of(format.columns, format.bits);
  const bool divides = global.convention == Convention::kDivisor;
  const double by = global.value;
  GroupRow group_row;
  for (uint64_t row = 0; row < planes.rows; ++row) {
    const uint64_t at = planes.row_in_group + row;
    if (row == 0 || at % format.group_rows == 0)
      group_row.load(format, planes, at / format.group_rows);
    const auto* codes = reinterpret_cast<const uint8_t*>(planes.codes.data()) + row * pitch;
    double* to = out.data() + row * format.columns;
    for (uint64_t k = 0; k < format.columns; ++k) {
      const uint64_t g = groups.empty() ? 0 : groups[k];
      double unscaled =
          (values[element(codes, k, format.bits)] - group_row.zero_point[g]) * group_row.scale[g];
      if (!group_row.min.empty()) unscaled += group_row.min[g];
      to[k] = divides ? unscaled / by : unscaled * by;
    }
  }
}

}  // namespace imp::quant
