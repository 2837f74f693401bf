// plain integers and fp8: codes as the source holds them, block scales row by row.
//
// Integers are read as signed numbers. Encodings of a form's codes, and what its zero points are
// then: kRows 0 (offset binary of b bits, 4 bits two a byte), zero points likewise; kSignedBytes 1,
// zero points likewise; kWords 2 (offset binary from the lowest bit of 32-bit words along K), zero
// points so along N.
#include "kernels/cpu/bits.h"
#include "kernels/cpu/block_scales.h"
#include "kernels/cpu/plain_rows.h"
#include "src/base/little_endian.h"

namespace imp::kernels {
namespace {

constexpr uint16_t kRows = 0, kSignedBytes = 1, kWords = 2;
constexpr uint32_t kWordBits = 32;

int32_t signed_of(uint32_t offset_binary, uint32_t bits) {
  return static_cast<int32_t>(offset_binary & ((1u << bits) - 1)) - (1 << (bits - 1));
}

/// Element (row, column) of rows of `columns` elements.
int32_t row_element(Bytes plane, uint16_t encoding, uint32_t bits, uint64_t columns, uint64_t row,
                    uint64_t column) {
  if (encoding == kSignedBytes)
    return static_cast<int8_t>(std::to_integer<uint8_t>(plane[row * columns + column]));
  if (encoding == kWords) {
    const uint64_t words = div_up(columns * bits, kWordBits), bit = column * bits;
    const std::byte* at = plane.data() + 4 * (row * words + bit / kWordBits);
    return signed_of(load_le<uint32_t>(at) >> (bit % kWordBits), bits);
  }
  const uint64_t of_byte = 8 / bits, pitch = div_up(columns, of_byte);
  const uint32_t byte = std::to_integer<uint32_t>(plane[row * pitch + column / of_byte]);
  return signed_of(byte >> (bits * (column % of_byte)), bits);
}

uint64_t row_bytes(uint16_t encoding, uint32_t bits, uint64_t columns) {
  if (encoding == kSignedBytes) return columns;
  if (encoding == kWords) return 4 * div_up(columns, kWordBits / bits);
  return div_up(columns, 8 / bits);
}

uint64_t rows_of_scale(const PackedWeight& weight) {
  return weight.group_rows == 0 ? 1 : weight.group_rows;
}

int32_t zero_point(const PackedWeight& weight, uint32_t bits, uint64_t row, uint64_t group) {
  if (weight.zero_point.empty()) return 0;
  const uint64_t groups = groups_along_k(weight);
  if (weight.encoding != kWords)
    return row_element(weight.zero_point, weight.encoding, bits, groups, row, group);
  const uint64_t bit = row * bits;
  const std::byte* at = weight.zero_point.data() + 4 * (bit / kWordBits * groups + group);
  return signed_of(load_le<uint32_t>(at) >> (bit % kWordBits), bits);
}

template <uint32_t kBits>
void read_integers(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile,
                   WeightTile& tile) {
  fill_tile(weight, row_tile, column_tile, tile, [&](uint64_t n, uint64_t k) {
    const int32_t code = row_element(weight.codes, weight.encoding, kBits, weight.k, n, k);
    if (!has_block_scales(weight)) return static_cast<float>(code);
    const uint64_t row = n / rows_of_scale(weight), group = k / weight.group_size;
    return static_cast<float>(code - zero_point(weight, kBits, row, group)) *
           block_scale(weight, row * groups_along_k(weight) + group);
  });
}

void read_fp8(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile,
              WeightTile& tile) {
  fill_tile(weight, row_tile, column_tile, tile, [&](uint64_t n, uint64_t k) {
    const uint32_t byte = std::to_integer<uint32_t>(weight.codes[n * weight.k + k]);
    if (!has_block_scales(weight)) return e4m3_bits_to_float(byte);
    const uint64_t row = n / rows_of_scale(weight), group = k / weight.group_size;
    return e4m3_bits_to_float(byte) * block_scale(weight, row * groups_along_k(weight) + group);
  });
}

template <uint32_t kBits>
Result<ComponentBytes> sizes(const PackedWeight& weight) {
  IMP_TRY(check_scale_dtype(weight));
  const uint64_t rows = div_up(weight.n, rows_of_scale(weight)), groups = groups_along_k(weight);
  ComponentBytes want;
  if (weight.k > UINT64_MAX / kWordBits) return too_many_bytes(weight);
  IMP_ASSIGN(want.codes, bytes_of(weight, {weight.n, row_bytes(weight.encoding, kBits, weight.k)}));
  IMP_ASSIGN(want.block_scale, bytes_of(weight, {rows, groups, scale_bytes(weight.scale_dtype)}));
  if (weight.encoding == kWords) {
    IMP_ASSIGN(want.zero_point, bytes_of(weight, {div_up(rows, kWordBits / kBits), groups, 4}));
  } else {
    IMP_ASSIGN(want.zero_point,
               bytes_of(weight, {rows, row_bytes(weight.encoding, kBits, groups)}));
  }
  return want;
}

constexpr uint32_t kIntegerEncodings =
    encoding_bit(kRows) | encoding_bit(kSignedBytes) | encoding_bit(kWords);

}  // namespace

const WeightReader kPlainFp8 = {1, 20, Dtype::kU8, 1.0f, &kNaturalSlots, sizes<8>, read_fp8};
const WeightReader kPlainInt4 = {
    1, 36, Dtype::kU8, 1.0f, &kNaturalSlots, sizes<4>, read_integers<4>, kIntegerEncodings};
const WeightReader kPlainInt8 = {
    1, 40, Dtype::kU8, 1.0f, &kNaturalSlots, sizes<8>, read_integers<8>, kIntegerEncodings};

}  // namespace imp::kernels
