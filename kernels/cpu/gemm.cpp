#include "kernels/cpu/gemm.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <string>

#include "kernels/cpu/weight_tile.h"
#include "src/base/checked.h"

namespace imp::kernels {
namespace {

// Scheme numbers of operand records: F32 1, F16 2, BF16 3, NVFP4 16. Layouts: plain 1, mma64 2,
// native 3.
constexpr const WeightReader* kReaders[] = {&kPlainF32,   &kPlainF16,   &kPlainBf16,
                                            &kPlainNvfp4, &kMma64Nvfp4, &kNativeNvfp4};

const WeightReader* find_reader(uint16_t layout, uint16_t scheme) {
  for (const WeightReader* reader : kReaders)
    if (reader->layout == layout && reader->scheme == scheme) return reader;
  return nullptr;
}

Error make_error(ErrorKind kind, std::string message) {
  Error error;
  error.kind = kind;
  error.message = std::move(message);
  return error;
}

Status check_span(const char* component, uint64_t have, uint64_t want) {
  if (have >= want) return {};
  return make_error(ErrorKind::kBadShape, std::string(component) + " has " + std::to_string(have) +
                                              " bytes, the shape asks for " + std::to_string(want));
}

Status check_spans(const PackedWeight& weight, const WeightReader& reader) {
  if (reader.dtype != Dtype::kU8 && weight.dtype != reader.dtype)
    return make_error(ErrorKind::kBadRecord,
                      "codes of scheme " + std::to_string(weight.scheme) + " have dtype " +
                          std::string(dtype_name(weight.dtype)) + ", expected " +
                          std::string(dtype_name(reader.dtype)));
  uint64_t code_bytes = 0, scale_bytes = 0;
  if (!reader.sizes(weight, code_bytes, scale_bytes)) {
    return make_error(ErrorKind::kBadShape, "shape [" + std::to_string(weight.n) + ", " +
                                                std::to_string(weight.k) +
                                                "] has more bytes than 64 bits can count");
  }
  IMP_TRY(check_span("codes", weight.codes.size(), code_bytes));
  return check_span("block_scale", weight.block_scale.size(), scale_bytes);
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

bool cpu_gemm_supports(uint16_t layout, uint16_t scheme) {
  return find_reader(layout, scheme) != nullptr;
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
