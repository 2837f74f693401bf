// Codes and planes of groups of other engines' layouts under one face, for tests that hold for all
// of them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "src/repack/engine_tiles.h"
#include "tests/reference/engine_layouts.h"
#include "tests/unit/layout_variants.h"

namespace imp::test {

struct EnginePlane {
  const char* name;
  uint32_t bits;
  uint64_t unit_rows;  ///< what padding is a multiple of
  uint64_t unit_columns;
  const char* column;  ///< in messages
  /// Of a padded matrix.
  std::function<reference::Buffer(const reference::WordMatrix&)> reference;
  std::function<repack::Runs(uint64_t padded_rows, uint64_t padded_columns)> runs;
  std::function<void(Bytes, const repack::PaddedBox&, repack::Path, MutableBytes)> pack;
  std::function<Status(Bytes, const repack::PaddedBox&, repack::Path, MutableBytes)> unpack;
};

inline EnginePlane engine_codes(repack::TileOrder order) {
  using namespace std::placeholders;
  using repack::TileOrder;
  const bool machete = order == TileOrder::kMachete4 || order == TileOrder::kMachete8;
  const bool octets = order == TileOrder::kMarlin8 || order == TileOrder::kMachete8;
  const char* const names[] = {"marlin w4", "marlin w8", "max_sm8x", "machete4", "machete8"};
  reference::Buffer (*const references[])(const reference::WordMatrix&) = {
      reference::marlin_w4a16, reference::marlin_w8a16, reference::max_sm8x_codes,
      reference::machete4, reference::machete8};
  const auto i = static_cast<size_t>(order);
  return {names[i],
          octets ? 8u : 4u,
          machete ? 128u : 64u,
          machete ? 64u : 16u,
          "column",
          references[i],
          std::bind(repack::tile_runs, order, _1, _2),
          std::bind(repack::tiles_pack, order, _1, _2, _3, _4),
          std::bind(repack::tiles_unpack, order, _1, _2, _3, _4)};
}

inline EnginePlane engine_groups(repack::GroupOrder order, uint32_t bits) {
  using namespace std::placeholders;
  using reference::Channels;
  const struct {
    const char* name;
    Channels channels;
  } orders[] = {
      {"natural groups", Channels::kNatural},      {"group order", Channels::kGroup},
      {"single order", Channels::kSingle},         {"byte order", Channels::kBytes},
      {"zero points of 4 bits", Channels::kZero4}, {"zero points of 8 bits", Channels::kZero8}};
  const auto& found = orders[static_cast<size_t>(order)];
  return {found.name,
          bits,
          64,
          1,
          "group",
          std::bind(reference::group_plane, found.channels, bits, _1),
          std::bind(repack::group_runs, order, bits, _1, _2),
          std::bind(repack::groups_pack, order, bits, _1, _2, _3, _4),
          std::bind(repack::groups_unpack, order, bits, _1, _2, _3, _4)};
}

inline std::vector<EnginePlane> engine_planes() {
  using repack::GroupOrder;
  using repack::TileOrder;
  std::vector<EnginePlane> planes;
  for (const TileOrder order : {TileOrder::kMarlin4, TileOrder::kMarlin8, TileOrder::kMaxSm8x,
                                TileOrder::kMachete4, TileOrder::kMachete8})
    planes.push_back(engine_codes(order));
  for (const GroupOrder order : {GroupOrder::kNatural, GroupOrder::kGroup, GroupOrder::kSingle})
    planes.push_back(engine_groups(order, 16));
  planes.push_back(engine_groups(GroupOrder::kBytes, 8));
  planes.push_back(engine_groups(GroupOrder::kZero4, 4));
  planes.push_back(engine_groups(GroupOrder::kZero8, 8));
  return planes;
}

/// Padded by the least, plus `more` units each way.
inline repack::PaddedBox box_of(const EnginePlane& plane, uint64_t rows, uint64_t columns,
                                uint64_t more = 0) {
  const auto up = [&](uint64_t value, uint64_t unit) {
    return ((value + unit - 1) / unit + more) * unit;
  };
  return {rows, columns, up(rows, plane.unit_rows), up(columns, plane.unit_columns)};
}

inline std::vector<std::byte> expected_bytes(const EnginePlane& plane,
                                             const reference::WordMatrix& elements,
                                             const repack::PaddedBox& box) {
  return to_bytes(
      plane.reference(reference::padded(elements, box.padded_rows, box.padded_columns)));
}

inline std::vector<std::byte> pack(const EnginePlane& plane, const reference::WordMatrix& elements,
                                   const repack::PaddedBox& box, repack::Path path) {
  const repack::Runs runs = plane.runs(box.padded_rows, box.padded_columns);
  std::vector<std::byte> out(runs.count * runs.bytes, kUnwritten);
  plane.pack(canonical(plane.bits, elements), box, path, out);
  return out;
}

}  // namespace imp::test
