#include "kernels/cpu/gemm.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <string>

#include "kernels/cpu/tiles.h"

namespace imp::kernels {
namespace {

using SlotColumns = std::array<uint32_t, kReaderColumns>;

SlotColumns columns_of(const ReaderInfo& reader) {
  SlotColumns columns;
  for (uint32_t slot = 0; slot < kReaderColumns; ++slot)
    columns[slot] = reader.column_of_slot(slot);
  return columns;
}

Status check_span(const char* component, uint64_t have, uint64_t want) {
  if (have >= want) return {};
  return shape_error(std::string(component) + " has " + std::to_string(have) +
                     " bytes, the shape asks for " + std::to_string(want));
}

Status check_spans(const PackedWeight& weight) {
  IMP_ASSIGN(const ComponentBytes want, component_bytes(view_of(weight)));
  IMP_TRY(check_span("codes", weight.codes.size(), want.codes));
  IMP_TRY(check_span("block_scale", weight.block_scale.size(), want.block_scale));
  IMP_TRY(check_span("group_min", weight.group_min.size(), want.group_min));
  IMP_TRY(check_span("super_scale", weight.super_scale.size(), want.super_scale));
  IMP_TRY(check_span("super_min", weight.super_min.size(), want.super_min));
  IMP_TRY(check_span("lut", weight.lut.size(), want.lut));
  IMP_TRY(check_span("bitmask", weight.bitmask.size(), want.bitmask));
  IMP_TRY(check_span("row_offsets", weight.row_offsets.size(), want.row_offsets));
  if (!weight.group_index.empty())
    IMP_TRY(check_span("group_index", weight.group_index.size(), want.group_index));
  if (weight.zero_point.empty()) return {};
  return check_span("zero_point", weight.zero_point.size(), want.zero_point);
}

/// Calls visit(k0, columns, tile) for the tiles of one row of tiles, ascending.
template <class Visit>
Status for_each_tile(const PackedWeight& weight, const ReaderInfo& reader, uint64_t n0,
                     Visit visit) {
  IMP_TRY(check_spans(weight));
  const WeightView view = view_of(weight);
  WeightTile tile;
  for (uint64_t k0 = 0; k0 < weight.k; k0 += kReaderColumns) {
    read_tile(reader.index, view, n0 / kTileRows, k0 / kReaderColumns, tile);
    visit(k0, std::min<uint64_t>(kReaderColumns, weight.k - k0), tile);
  }
  return {};
}

}  // namespace

bool cpu_gemm_supports(uint16_t layout, uint16_t scheme, uint16_t encoding) {
  return has_reader(layout, scheme, encoding);
}

float accumulator_unit(uint16_t layout, uint16_t scheme) {
  const ReaderInfo* reader = find_reader(layout, scheme);
  return reader != nullptr ? reader->unit : 1.0f;
}

Status cpu_gemm_identity(const PackedWeight& weight, uint64_t n0, uint64_t rows, float* out) {
  const ReaderInfo* reader = find_reader(weight.layout, weight.scheme);
  assert(reader != nullptr && n0 % kTileRows == 0 && n0 < weight.n && rows <= kTileRows);
  // One activation of a row is 1, the rest 0: the accumulator is that weight and sums of zeros.
  const SlotColumns slots = columns_of(*reader);
  return for_each_tile(weight, *reader, n0,
                       [&](uint64_t k0, uint64_t columns, const WeightTile& tile) {
                         for (uint64_t r = 0; r < rows; ++r) {
                           float* row = out + r * weight.k + k0;
                           for (uint32_t slot = 0; slot < kReaderColumns; ++slot)
                             if (slots[slot] < columns) row[slots[slot]] = tile.value[r][slot];
                         }
                       });
}

Status cpu_gemm_accumulate(const PackedWeight& weight, uint64_t n0, uint64_t rows, const float* x,
                           uint64_t m, float* acc) {
  const ReaderInfo* reader = find_reader(weight.layout, weight.scheme);
  assert(reader != nullptr && n0 % kTileRows == 0 && n0 < weight.n && rows <= kTileRows);
  const SlotColumns slots = columns_of(*reader);
  std::fill(acc, acc + m * rows, 0.0f);
  return for_each_tile(weight, *reader, n0,
                       [&](uint64_t k0, uint64_t columns, const WeightTile& tile) {
                         for (uint64_t i = 0; i < m; ++i)
                           for (uint64_t r = 0; r < rows; ++r) {
                             float sum = acc[i * rows + r];
                             for (uint32_t slot = 0; slot < kReaderColumns; ++slot)
                               if (slots[slot] < columns)
                                 sum += x[i * weight.k + k0 + slots[slot]] * tile.value[r][slot];
                             acc[i * rows + r] = sum;
                           }
                       });
}

float cpu_gemm_epilogue(float acc, float multiplier, float unit, const float* bias) {
  const float factor = multiplier * unit;
  const float scaled = acc * factor;
  return bias != nullptr ? scaled + *bias : scaled;
}

}  // namespace imp::kernels
