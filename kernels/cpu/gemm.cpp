#include "kernels/cpu/gemm.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <string>

#include "kernels/cpu/weight_tile.h"

namespace imp::kernels {
namespace {

// Scheme numbers of operand records: F32 1, F16 2, BF16 3, NVFP4 16, with groups of 32 17, MXFP4
// 18, MXFP8 19, FP8 20, INT4 36, INT8 40, those of GGUF's codes from 48 on. Layouts: plain 1, mma64
// 2, native 3.
constexpr const WeightReader* kReaders[] = {
    &kPlainF32,   &kPlainF16,      &kPlainBf16,   &kPlainNvfp4, &kPlainNvfp4G32,
    &kPlainMxfp4, &kPlainMxfp8,    &kPlainFp8,    &kPlainInt4,  &kPlainInt8,
    &kMma64Nvfp4, &kMma64Nvfp4G32, &kMma64Mxfp4,  &kMma64Fp8,   &kMma64Int4,
    &kMma64Int8,  &kNativeNvfp4,   &kNativeMxfp4, &kNativeMxfp8};

const WeightReader* find_reader(uint16_t layout, uint16_t scheme) {
  for (const WeightReader* reader : kReaders)
    if (reader->layout == layout && reader->scheme == scheme) return reader;
  for (const WeightReader& reader : kGgmlReaders)
    if (reader.layout == layout && reader.scheme == scheme) return &reader;
  return nullptr;
}

Status check_span(const char* component, uint64_t have, uint64_t want) {
  if (have >= want) return {};
  return shape_error(std::string(component) + " has " + std::to_string(have) +
                     " bytes, the shape asks for " + std::to_string(want));
}

Status check_spans(const PackedWeight& weight, const WeightReader& reader) {
  if (reader.dtype != Dtype::kU8 && weight.dtype != reader.dtype) {
    Error error;
    error.kind = ErrorKind::kBadRecord;
    error.message = "codes of scheme " + std::to_string(weight.scheme) + " have dtype " +
                    std::string(dtype_name(weight.dtype)) + ", expected " +
                    std::string(dtype_name(reader.dtype));
    return error;
  }
  constexpr uint64_t kLargest = UINT64_MAX - 256;  // can be rounded up to any unit of a layout
  if (weight.n > kLargest || weight.k > kLargest) return too_many_bytes(weight);
  IMP_ASSIGN(const ComponentBytes want, reader.sizes(weight));
  IMP_TRY(check_span("codes", weight.codes.size(), want.codes));
  IMP_TRY(check_span("block_scale", weight.block_scale.size(), want.block_scale));
  IMP_TRY(check_span("group_min", weight.group_min.size(), want.group_min));
  IMP_TRY(check_span("super_scale", weight.super_scale.size(), want.super_scale));
  IMP_TRY(check_span("super_min", weight.super_min.size(), want.super_min));
  if (weight.zero_point.empty()) return {};
  return check_span("zero_point", weight.zero_point.size(), want.zero_point);
}

/// Calls visit(k0, columns, tile) for the tiles of one row of tiles, ascending.
template <class Visit>
Status for_each_tile(const PackedWeight& weight, const WeightReader& reader, uint64_t n0,
                     Visit visit) {
  IMP_TRY(check_spans(weight, reader));
  WeightTile tile;
  for (uint64_t k0 = 0; k0 < weight.k; k0 += kTileColumns) {
    for (auto& row : tile.value) row.fill(std::numeric_limits<float>::quiet_NaN());
    reader.read(weight, n0 / kTileRows, k0 / kTileColumns, tile);
    visit(k0, std::min<uint64_t>(kTileColumns, weight.k - k0), tile);
  }
  return {};
}

}  // namespace

bool cpu_gemm_supports(uint16_t layout, uint16_t scheme, uint16_t encoding) {
  const WeightReader* reader = find_reader(layout, scheme);
  return reader != nullptr && encoding < 32 && (reader->encodings & encoding_bit(encoding)) != 0;
}

float accumulator_unit(uint16_t layout, uint16_t scheme) {
  const WeightReader* reader = find_reader(layout, scheme);
  return reader != nullptr ? reader->unit : 1.0f;
}

Status cpu_gemm_identity(const PackedWeight& weight, uint64_t n0, uint64_t rows, float* out) {
  const WeightReader* reader = find_reader(weight.layout, weight.scheme);
  assert(reader != nullptr && n0 % kTileRows == 0 && n0 < weight.n && rows <= kTileRows);
  // One activation of a row is 1, the rest 0: the accumulator is that weight and sums of zeros.
  const SlotColumns& slots = *reader->slots;
  return for_each_tile(weight, *reader, n0,
                       [&](uint64_t k0, uint64_t columns, const WeightTile& tile) {
                         for (uint64_t r = 0; r < rows; ++r) {
                           float* row = out + r * weight.k + k0;
                           for (uint32_t slot = 0; slot < kTileColumns; ++slot)
                             if (slots[slot] < columns) row[slots[slot]] = tile.value[r][slot];
                         }
                       });
}

Status cpu_gemm_accumulate(const PackedWeight& weight, uint64_t n0, uint64_t rows, const float* x,
                           uint64_t m, float* acc) {
  const WeightReader* reader = find_reader(weight.layout, weight.scheme);
  assert(reader != nullptr && n0 % kTileRows == 0 && n0 < weight.n && rows <= kTileRows);
  const SlotColumns& slots = *reader->slots;
  std::fill(acc, acc + m * rows, 0.0f);
  return for_each_tile(weight, *reader, n0,
                       [&](uint64_t k0, uint64_t columns, const WeightTile& tile) {
                         for (uint64_t i = 0; i < m; ++i)
                           for (uint64_t r = 0; r < rows; ++r) {
                             float sum = acc[i * rows + r];
                             for (uint32_t slot = 0; slot < kTileColumns; ++slot)
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
