// plain: unquantised values, and float codes whose scheme fixes scales and groups.
#include "kernels/cpu/bits.h"
#include "kernels/cpu/plain_rows.h"
#include "src/base/little_endian.h"

namespace imp::kernels {
namespace {

template <class Stored, float (*kToFloat)(Stored)>
void read_floats(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile,
                 WeightTile& tile) {
  fill_tile(weight, row_tile, column_tile, tile, [&](uint64_t n, uint64_t k) {
    const std::byte* at = weight.codes.data() + (n * weight.k + k) * sizeof(Stored);
    return kToFloat(load_le<Stored>(at));
  });
}

template <class Stored>
Result<ComponentBytes> float_sizes(const PackedWeight& weight) {
  ComponentBytes want;
  IMP_ASSIGN(want.codes, bytes_of(weight, {weight.n, weight.k, sizeof(Stored)}));
  return want;
}

float from_f32(uint32_t bits) { return std::bit_cast<float>(bits); }
float from_f16(uint16_t bits) { return f16_bits_to_float(bits); }
float from_bf16(uint16_t bits) { return bf16_low(bits); }

/// Codes of kBits, two a byte if 4 (even k in the low nibble), and a byte of scale per kGroup.
template <uint32_t kBits, float (*kCode)(uint32_t), uint64_t kGroup, float (*kScale)(uint32_t)>
void read_grouped(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile,
                  WeightTile& tile) {
  constexpr uint64_t kCodesOfByte = 8 / kBits;
  const uint64_t pitch = div_up(weight.k, kCodesOfByte), groups = div_up(weight.k, kGroup);
  fill_tile(weight, row_tile, column_tile, tile, [&](uint64_t n, uint64_t k) {
    const uint32_t byte = std::to_integer<uint32_t>(weight.codes[n * pitch + k / kCodesOfByte]);
    const uint32_t scale = std::to_integer<uint32_t>(weight.block_scale[n * groups + k / kGroup]);
    return kCode(byte >> (kBits * (k % kCodesOfByte)) & ((1u << kBits) - 1)) * kScale(scale);
  });
}

template <uint32_t kBits, uint64_t kGroup>
Result<ComponentBytes> grouped_sizes(const PackedWeight& weight) {
  ComponentBytes want;
  IMP_ASSIGN(want.codes, bytes_of(weight, {weight.n, div_up(weight.k, 8 / kBits)}));
  IMP_ASSIGN(want.block_scale, bytes_of(weight, {weight.n, div_up(weight.k, kGroup)}));
  return want;
}

template <class Stored, float (*kToFloat)(Stored)>
constexpr WeightReader float_reader(uint16_t scheme, Dtype dtype) {
  return {
      1, scheme, dtype, 1.0f, &kNaturalSlots, float_sizes<Stored>, read_floats<Stored, kToFloat>};
}

template <uint32_t kBits, float (*kCode)(uint32_t), uint64_t kGroup, float (*kScale)(uint32_t)>
constexpr WeightReader grouped_reader(uint16_t scheme) {
  return {1,
          scheme,
          Dtype::kU8,
          1.0f,
          &kNaturalSlots,
          grouped_sizes<kBits, kGroup>,
          read_grouped<kBits, kCode, kGroup, kScale>};
}

}  // namespace

const WeightReader kPlainF32 = float_reader<uint32_t, from_f32>(1, Dtype::kF32);
const WeightReader kPlainF16 = float_reader<uint16_t, from_f16>(2, Dtype::kF16);
const WeightReader kPlainBf16 = float_reader<uint16_t, from_bf16>(3, Dtype::kBF16);
const WeightReader kPlainNvfp4 = grouped_reader<4, e2m1_bits_to_float, 16, ue4m3_bits_to_float>(16);
const WeightReader kPlainNvfp4G32 =
    grouped_reader<4, e2m1_bits_to_float, 32, ue4m3_bits_to_float>(17);
const WeightReader kPlainMxfp4 = grouped_reader<4, e2m1_bits_to_float, 32, e8m0_bits_to_float>(18);
const WeightReader kPlainMxfp8 = grouped_reader<8, e4m3_bits_to_float, 32, e8m0_bits_to_float>(19);

}  // namespace imp::kernels
