#include "kernels/cpu/tiles.h"

#include "kernels/readers/bits.h"
#include "kernels/readers/list.h"

namespace imp::kernels {
namespace {

struct PutInTile {
  WeightTile* tile;
  void operator()(uint32_t row, uint32_t slot, float value) const {
    tile->value[row][slot] = value;
  }
};

template <class R>
void read_lanes(const WeightView& weight, uint64_t row_tile, uint64_t column_tile,
                WeightTile& tile) {
  for (uint32_t lane = 0; lane < kReaderLanes; ++lane)
    R::read_lane(weight, row_tile, column_tile, lane, PutInTile{&tile});
}

using ReadLanes = void (*)(const WeightView&, uint64_t, uint64_t, WeightTile&);

template <class... R>
constexpr std::array<ReadLanes, sizeof...(R)> functions_of(readers::ReaderList<R...>) {
  return {read_lanes<R>...};
}

const uint8_t* pointer_of(Bytes span) {
  return span.empty() ? nullptr : reinterpret_cast<const uint8_t*>(span.data());
}

}  // namespace

WeightView view_of(const PackedWeight& weight) {
  WeightView view;
  view.layout = weight.layout;
  view.scheme = weight.scheme;
  view.dialect = weight.encoding;
  view.dtype = weight.dtype;
  view.scale_dtype = weight.scale_dtype;
  view.n = weight.n;
  view.k = weight.k;
  view.padded_n = weight.padded_n;
  view.padded_k = weight.padded_k;
  view.group_size = weight.group_size;
  view.group_rows = weight.group_rows;
  view.codes = pointer_of(weight.codes);
  view.block_scale = pointer_of(weight.block_scale);
  view.zero_point = pointer_of(weight.zero_point);
  view.group_min = pointer_of(weight.group_min);
  view.super_scale = pointer_of(weight.super_scale);
  view.super_min = pointer_of(weight.super_min);
  view.lut = pointer_of(weight.lut);
  view.bitmask = pointer_of(weight.bitmask);
  view.row_offsets = pointer_of(weight.row_offsets);
  view.group_index = pointer_of(weight.group_index);
  return view;
}

void read_tile(uint32_t index, const WeightView& weight, uint64_t row_tile, uint64_t column_tile,
               WeightTile& tile) {
  static constexpr auto kFunctions = functions_of(readers::AllReaders{});
  for (auto& row : tile.value) row.fill(quiet_nan());
  kFunctions[index](weight, row_tile, column_tile, tile);
}

}  // namespace imp::kernels
