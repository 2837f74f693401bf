// A tile of 64 rows x 64 columns of weights as the lanes of a GEMM kernel hold it, and the
// functions that read one from packed bytes. Written from the fragment orders of the PTX
// instructions and the layouts' specification (kernels/layouts/README.md), never from a layout
// header: what the packer got wrong must come out wrong here.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "kernels/cpu/gemm.h"
#include "src/base/checked.h"

namespace imp::kernels {

inline constexpr uint32_t kTileColumns = 64;

/// slot -> column of the tile, in the order in which an accumulator meets the products: MMA step,
/// lane of the quad, slot of the lane.
using SlotColumns = std::array<uint8_t, kTileColumns>;

/// value[r][slot]. Places that no lane holds stay NaN.
struct WeightTile {
  std::array<std::array<float, kTileColumns>, kTileRows> value;
};

/// Bytes that the components of a weight must have.
struct ComponentBytes {
  uint64_t codes = 0;
  uint64_t block_scale = 0;
  uint64_t zero_point = 0;  ///< where there are any
  uint64_t group_min = 0;
  uint64_t super_scale = 0;
  uint64_t super_min = 0;
};

/// Encodings of plain codes, as a set of bits.
constexpr uint32_t encoding_bit(uint16_t encoding) { return 1u << encoding; }

/// One way of storing weights. Spans were checked against `sizes` before `read` is called.
struct WeightReader {
  uint16_t layout;
  uint16_t scheme;
  Dtype dtype;               ///< that PackedWeight::dtype must be; kU8 for quantised schemes
  float unit;                ///< accumulator_unit()
  const SlotColumns* slots;  ///< order inside a tile
  /// REQUIRES: n and k far enough from 2^64 to be rounded up. Errors: those of cpu_gemm_identity.
  Result<ComponentBytes> (*sizes)(const PackedWeight& weight);
  /// Rows at or past n and columns at or past k are the layout's padding, or zero where it has
  /// none.
  void (*read)(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile,
               WeightTile& tile);
  uint32_t encodings = encoding_bit(0);  ///< of the codes
};

inline Error shape_error(std::string message) {
  Error error;
  error.kind = ErrorKind::kBadShape;
  error.message = std::move(message);
  return error;
}

inline Error too_many_bytes(const PackedWeight& weight) {
  return shape_error("shape [" + std::to_string(weight.n) + ", " + std::to_string(weight.k) +
                     "] has more bytes than 64 bits can count");
}

/// The product of the factors. Errors: too_many_bytes.
inline Result<uint64_t> bytes_of(const PackedWeight& weight,
                                 std::initializer_list<uint64_t> factors) {
  std::optional<uint64_t> bytes = 1;
  for (const uint64_t factor : factors)
    if (bytes) bytes = checked_mul(*bytes, factor);
  if (!bytes) return too_many_bytes(weight);
  return *bytes;
}

/// Lanes of mma.sync m16n8k16 with W as the B operand over blocks of 64 x 64 in which lane 4g + c
/// owns k = 16c .. 16c+15 of rows 8j + g: step t takes 4t .. 4t+3 of each lane.
constexpr SlotColumns mma64_slots() {
  SlotColumns columns{};
  for (uint32_t t = 0; t < 4; ++t)
    for (uint32_t c = 0; c < 4; ++c)
      for (uint32_t v = 0; v < 4; ++v)
        columns[16 * t + 4 * c + v] = static_cast<uint8_t>(16 * c + 4 * t + v);
  return columns;
}
inline constexpr SlotColumns kMma64Slots = mma64_slots();

/// Lanes of mma.sync m16n8k64 with 4-bit codes, W as the B operand: lane c has k = 8c .. 8c+7 and
/// 32 + 8c .. 32 + 8c+7.
constexpr SlotColumns native_fp4_slots() {
  SlotColumns columns{};
  for (uint32_t c = 0; c < 4; ++c)
    for (uint32_t v = 0; v < 16; ++v)
      columns[16 * c + v] = static_cast<uint8_t>(8 * c + v % 8 + 32 * (v / 8));
  return columns;
}
inline constexpr SlotColumns kNativeFp4Slots = native_fp4_slots();

extern const WeightReader kPlainF32;
extern const WeightReader kPlainF16;
extern const WeightReader kPlainBf16;
extern const WeightReader kPlainNvfp4;
extern const WeightReader kPlainNvfp4G32;
extern const WeightReader kPlainMxfp4;
extern const WeightReader kPlainMxfp8;
extern const WeightReader kPlainFp8;
extern const WeightReader kPlainInt4;
extern const WeightReader kPlainInt8;
extern const WeightReader kMma64Nvfp4;
extern const WeightReader kMma64Nvfp4G32;
extern const WeightReader kMma64Mxfp4;
extern const WeightReader kMma64Fp8;
extern const WeightReader kMma64Int4;
extern const WeightReader kMma64Int8;
extern const WeightReader kNativeNvfp4;
extern const WeightReader kNativeMxfp4;
extern const WeightReader kNativeMxfp8;
/// Codes of GGUF's block types in mma64 and in plain.
extern const std::array<WeightReader, 16> kGgmlReaders;

}  // namespace imp::kernels
