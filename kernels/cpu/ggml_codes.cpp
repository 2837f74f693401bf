// GGUF's codes in mma64 (blocks of codes, planes of groups in lane order beside them) and in plain
// (rows).
#include "kernels/cpu/ggml_codes.h"

#include "kernels/cpu/mma64_lanes.h"
#include "kernels/cpu/plain_rows.h"
#include "src/base/checked.h"

namespace imp::kernels {
namespace {

uint64_t groups_of(const PackedWeight& weight) { return div_up(weight.k, weight.group_size); }
uint64_t supers_of(const PackedWeight& weight) { return div_up(weight.k, kSuperColumns); }

template <class S>
void read_mma64(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile,
                WeightTile& tile) {
  using Lanes = std::conditional_t<S::kBytes, ByteLanes, NibbleLanes>;
  const uint64_t column_tiles = div_up(weight.k, kTileColumns);
  const std::byte* block =
      weight.codes.data() + (row_tile * column_tiles + column_tile) * Lanes::kBlockBytes;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const uint32_t g = lane / 4, c = lane % 4;
    const uint64_t k = column_tile * kTileColumns + kLaneCodes * c;
    // Past K there is no scale to load; the kernel's activations are zeros there.
    const bool inside = k < weight.k;
    for (uint32_t j = 0; j < 8; ++j) {
      GroupTerms terms;
      if (inside)
        terms = group_terms<S>(
            weight, lane_element(row_tile, j, g, k / weight.group_size, groups_of(weight)),
            lane_element(row_tile, j, g, k / kSuperColumns, supers_of(weight)));
      const LaneCodes codes = Lanes::load(block, lane, j);
      for (uint32_t i = 0; i < kLaneCodes; ++i)
        tile.value[8 * j + g][slot_of_lane_code(c, i)] = ggml_weight<S>(weight, codes[i], terms);
    }
  }
}

template <class S>
void read_plain(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile,
                WeightTile& tile) {
  const uint64_t pitch = S::kBytes ? weight.k : div_up(weight.k, 2);
  fill_tile(weight, row_tile, column_tile, tile, [&](uint64_t n, uint64_t k) {
    const auto byte = std::to_integer<uint32_t>(weight.codes[n * pitch + (S::kBytes ? k : k / 2)]);
    const uint32_t code = S::kBytes ? byte : byte >> (4 * (k % 2)) & 0xF;
    return ggml_weight<S>(weight, code,
                          group_terms<S>(weight, n * groups_of(weight) + k / weight.group_size,
                                         n * supers_of(weight) + k / kSuperColumns));
  });
}

Status check_groups(const PackedWeight& weight, bool super) {
  if (weight.group_rows <= 1 && weight.group_size != 0 && weight.group_size % kLaneCodes == 0 &&
      (!super || kSuperColumns % weight.group_size == 0))
    return {};
  return shape_error("block scales span " + std::to_string(weight.group_rows) + " rows and " +
                     std::to_string(weight.group_size) +
                     " columns, expected one row and a multiple of 16 columns" +
                     (super ? " that divides 256" : ""));
}

/// Bytes of the planes beside the codes, of `rows` rows.
template <class S>
Result<ComponentBytes> plane_sizes(const PackedWeight& weight, uint64_t rows) {
  IMP_TRY(check_groups(weight, S::kSuper));
  if (S::kLut && weight.lut.size() < 16) return shape_error("lut has less than 16 bytes");
  ComponentBytes want;
  IMP_ASSIGN(want.block_scale, bytes_of(weight, {rows, groups_of(weight), S::kScaleBytes}));
  if (S::kMin) want.group_min = want.block_scale;
  if (!S::kSuper) return want;
  IMP_ASSIGN(want.super_scale, bytes_of(weight, {rows, supers_of(weight), 2}));
  if (S::kMin) want.super_min = want.super_scale;
  return want;
}

template <class S>
Result<ComponentBytes> mma64_sizes(const PackedWeight& weight) {
  const uint64_t row_tiles = div_up(weight.n, kTileRows);
  IMP_ASSIGN(ComponentBytes want, plane_sizes<S>(weight, row_tiles * kTileRows));
  IMP_ASSIGN(want.codes,
             bytes_of(weight, {row_tiles, div_up(weight.k, kTileColumns),
                               S::kBytes ? ByteLanes::kBlockBytes : NibbleLanes::kBlockBytes}));
  return want;
}

template <class S>
Result<ComponentBytes> plain_sizes(const PackedWeight& weight) {
  IMP_ASSIGN(ComponentBytes want, plane_sizes<S>(weight, weight.n));
  IMP_ASSIGN(want.codes, bytes_of(weight, {weight.n, S::kBytes ? weight.k : div_up(weight.k, 2)}));
  return want;
}

template <class S>
constexpr WeightReader mma64_reader() {
  return {2, S::kScheme, Dtype::kU8, 1.0f, &kMma64Slots, mma64_sizes<S>, read_mma64<S>};
}
template <class S>
constexpr WeightReader plain_reader() {
  return {1, S::kScheme, Dtype::kU8, 1.0f, &kNaturalSlots, plain_sizes<S>, read_plain<S>};
}

template <class... S>
constexpr std::array<WeightReader, 2 * sizeof...(S)> readers_of() {
  return {mma64_reader<S>()..., plain_reader<S>()...};
}

}  // namespace

const std::array<WeightReader, 16> kGgmlReaders =
    readers_of<GgmlScheme<48>, GgmlScheme<49>, GgmlScheme<50>, GgmlScheme<52>, GgmlScheme<53>,
               GgmlScheme<54>, GgmlScheme<55>, GgmlScheme<56>>();

}  // namespace imp::kernels
