// mma64 integers and fp8 as an mma.sync kernel reads them: blocks of 64 x 64 codes alone, scales
// and zero points beside them.
//
// Lanes and their codes: mma64_lanes.h. Scales and zero points in lane order: the eight of a lane
// and group, j = 0..7, lie at element (row tile * groups + group) * 64 + 8g.
#include "kernels/cpu/bits.h"
#include "kernels/cpu/block_scales.h"
#include "kernels/cpu/mma64_lanes.h"

namespace imp::kernels {
namespace {

constexpr uint64_t kGroupUnit = 32;  ///< groups are multiples of it, or whole rows

struct Int4 : NibbleLanes {
  static float value(uint32_t code, uint32_t zero) {
    return static_cast<float>(static_cast<int32_t>(code) - static_cast<int32_t>(zero));
  }
  static constexpr uint32_t kZero = 8;
};

struct Int8 : ByteLanes {
  static float value(uint32_t code, uint32_t zero) { return Int4::value(code, zero); }
  static constexpr uint32_t kZero = 128;
};

struct Fp8 : ByteLanes {
  static float value(uint32_t code, uint32_t) { return e4m3_bits_to_float(code); }
  static constexpr uint32_t kZero = 0;
};

/// What one lane multiplies the codes of one row by, and what it takes from them first.
struct GroupFacts {
  float scale;
  uint32_t zero;
};

/// Row 8j + g of a row tile, the group of column k. REQUIRES: k < K.
GroupFacts facts_of(const PackedWeight& weight, uint64_t row_tile, uint32_t j, uint32_t g,
                    uint64_t k, uint32_t symmetric_zero) {
  GroupFacts facts{1.0f, symmetric_zero};
  if (!has_block_scales(weight)) return facts;
  const uint64_t group = k / weight.group_size, groups = groups_along_k(weight);
  if (is_grid(weight)) {
    const uint64_t n = row_tile * kTileRows + 8 * j + g;
    if (n >= weight.n) return {0.0f, symmetric_zero};
    facts.scale = block_scale(weight, n / weight.group_rows * groups + group);
    return facts;
  }
  const uint64_t element = lane_element(row_tile, j, g, group, groups);
  facts.scale = block_scale(weight, element);
  if (!weight.zero_point.empty())
    facts.zero = std::to_integer<uint32_t>(weight.zero_point[element]);
  return facts;
}

template <class Codes>
void read(const PackedWeight& weight, uint64_t row_tile, uint64_t column_tile, WeightTile& tile) {
  const uint64_t column_tiles = div_up(weight.k, kTileColumns);
  const std::byte* block =
      weight.codes.data() + (row_tile * column_tiles + column_tile) * Codes::kBlockBytes;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const uint32_t g = lane / 4, c = lane % 4;
    const uint64_t k = column_tile * kTileColumns + kLaneCodes * c;
    for (uint32_t j = 0; j < 8; ++j) {
      auto& row = tile.value[8 * j + g];
      // Past K there is no scale to load; the kernel's activations are zeros there.
      const bool inside = k < weight.k;
      const GroupFacts facts = inside ? facts_of(weight, row_tile, j, g, k, Codes::kZero)
                                      : GroupFacts{0.0f, Codes::kZero};
      const LaneCodes codes = Codes::load(block, lane, j);
      for (uint32_t i = 0; i < kLaneCodes; ++i)
        row[slot_of_lane_code(c, i)] =
            inside ? Codes::value(codes[i], facts.zero) * facts.scale : 0.0f;
    }
  }
}

Status check_groups(const PackedWeight& weight) {
  if (!has_block_scales(weight)) return {};
  const std::string groups = "block scales span " + std::to_string(weight.group_rows) +
                             " rows and " + std::to_string(weight.group_size) + " columns";
  if (is_grid(weight)) {
    if (weight.group_rows % kTileRows != 0 || weight.group_size % kTileColumns != 0)
      return shape_error(groups + ", expected multiples of 64");
    if (!weight.zero_point.empty())
      return shape_error(groups + ", but zero points need scales of one row");
  } else if (weight.group_size < weight.k && weight.group_size % kGroupUnit != 0) {
    return shape_error(groups + ", expected one row and a multiple of 32 columns or all of them");
  }
  return check_scale_dtype(weight);
}

template <class Codes>
Result<ComponentBytes> sizes(const PackedWeight& weight) {
  IMP_TRY(check_groups(weight));
  const uint64_t row_tiles = div_up(weight.n, kTileRows), groups = groups_along_k(weight);
  const uint64_t rows =
      is_grid(weight) ? div_up(weight.n, weight.group_rows) : row_tiles * kTileRows;
  ComponentBytes want;
  IMP_ASSIGN(want.codes,
             bytes_of(weight, {row_tiles, div_up(weight.k, kTileColumns), Codes::kBlockBytes}));
  IMP_ASSIGN(want.block_scale, bytes_of(weight, {rows, groups, scale_bytes(weight.scale_dtype)}));
  IMP_ASSIGN(want.zero_point, bytes_of(weight, {rows, groups}));
  return want;
}

}  // namespace

const WeightReader kMma64Int4 = {2, 36, Dtype::kU8, 1.0f, &kMma64Slots, sizes<Int4>, read<Int4>};
const WeightReader kMma64Int8 = {2, 40, Dtype::kU8, 1.0f, &kMma64Slots, sizes<Int8>, read<Int8>};
const WeightReader kMma64Fp8 = {2, 20, Dtype::kU8, 1.0f, &kMma64Slots, sizes<Fp8>, read<Fp8>};

}  // namespace imp::kernels
