// The maps behind the names of engine_orders.h.
#pragma once

#include <cstdint>

#include "kernels/layouts/engine_orders.h"
#include "kernels/layouts/hd.h"
#include "kernels/layouts/machete.h"
#include "kernels/layouts/marlin.h"
#include "kernels/layouts/max_sm8x.h"

namespace imp::layouts {

/// Calls use(FragmentTiles<..>{}) with the tiles of `order`.
template <class Use>
constexpr auto with_tiles(TileOrder order, const Use& use) {
  switch (order) {
    case TileOrder::kMarlin8:
      return use(marlin::Codes8{});
    case TileOrder::kMaxSm8x:
      return use(max_sm8x::Codes{});
    case TileOrder::kMachete4:
      return use(machete::Codes4{});
    case TileOrder::kMachete8:
      return use(machete::Codes8{});
    case TileOrder::kMarlin4:
      break;
  }
  return use(marlin::Codes4{});
}

constexpr bool check_tile_shape(TileOrder order) {
  const TileShape named = tile_shape(order);
  return with_tiles(order, [&](auto tiles) {
    using Tiles = decltype(tiles);
    return named.rows == Tiles::kTileN && named.columns == Tiles::kTileK &&
           named.bits == Tiles::kBits && named.k_major == (Tiles::kWalk == TileWalk::kAlongN);
  });
}
static_assert(check_tile_shape(TileOrder::kMarlin4) && check_tile_shape(TileOrder::kMarlin8));
static_assert(check_tile_shape(TileOrder::kMaxSm8x));
static_assert(check_tile_shape(TileOrder::kMachete4) && check_tile_shape(TileOrder::kMachete8));

/// N has an order of its own inside each of these many channels.
inline constexpr uint32_t kOrderedChannels = 64;

/// Element (of kZero4: nibble) of the 64 that channel n of 64 has.
IMP_HD constexpr uint32_t channel_of_src(GroupOrder order, uint32_t n) {
  switch (order) {
    case GroupOrder::kGroup:
      return marlin::group_of_src(n);
    case GroupOrder::kSingle:
      return marlin::single_of_src(n);
    case GroupOrder::kBytes:
    case GroupOrder::kZero8:
      return marlin::bytes_of_src(n);
    case GroupOrder::kZero4:
      return marlin::zero4_of_src(n);
    case GroupOrder::kNatural:
      break;
  }
  return n;
}
/// The inverse.
IMP_HD constexpr uint32_t src_of_channel(GroupOrder order, uint32_t at) {
  switch (order) {
    case GroupOrder::kGroup:
      return marlin::src_of_group(at);
    case GroupOrder::kSingle:
      return marlin::src_of_single(at);
    case GroupOrder::kBytes:
    case GroupOrder::kZero8:
      return marlin::src_of_bytes(at);
    case GroupOrder::kZero4:
      return marlin::src_of_zero4(at);
    case GroupOrder::kNatural:
      break;
  }
  return at;
}

}  // namespace imp::layouts
