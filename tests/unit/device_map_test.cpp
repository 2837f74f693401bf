// What each thread of the CUDA repack computes, run here one thread after the other: the index-map
// functors against src/repack, the packing of bytes into words against the bytes.
#include <gtest/gtest.h>

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/repack/element_map.h"
#include "kernels/repack/four_bytes.h"
#include "kernels/repack/group_tiles.h"
#include "kernels/repack/map.h"
#include "kernels/repack/mxfp4_map.h"
#include "kernels/repack/repack.h"
#include "kernels/repack/vectors.h"
#include "tests/unit/engine_planes.h"
#include "tests/unit/layout_planes.h"

namespace imp::test {
namespace {

using repack::Path;

const uint8_t* u8(const std::vector<std::byte>& bytes) {
  return reinterpret_cast<const uint8_t*>(bytes.data());
}

template <class Element>
std::vector<std::byte> all_elements(const Element& element, uint64_t size) {
  std::vector<std::byte> out;
  for (uint64_t i = 0; i < size; ++i) out.push_back(std::byte{element(i)});
  return out;
}

/// Places of 0 .. places - 1 that are wrong.
template <class Wrong>
std::vector<uint64_t> all_wrong(const Wrong& wrong, uint64_t places) {
  std::vector<uint64_t> found;
  for (uint64_t i = 0; i < places; ++i)
    if (wrong(i)) found.push_back(i);
  return found;
}

const std::pair<size_t, size_t> kShapes[] = {{1, 16}, {64, 64}, {65, 80}, {130, 48}, {71, 208}};

TEST(DeviceMap, Mma64PacksAsTheCpu) {
  for (const auto& [rows, k] : kShapes) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(k));
    const Planes planes(random_matrix(rows, k, static_cast<uint32_t>(rows * k)));
    std::vector<repack::LostGroup> expected_lost;
    const std::vector<std::byte> expected = pack_mma64(planes, Path::kMap, expected_lost);
    const kernels::map::Nvfp4 in{u8(planes.codes), u8(planes.scales), rows, k};
    EXPECT_TRUE(all_elements(kernels::map::Mma64Packed{in}, expected.size()) == expected);

    std::vector<repack::LostGroup> lost;
    for (uint64_t group = 0; group < rows * (k / 16); ++group) {
      kernels::LostGroup found;
      if (!kernels::map::Mma64Lost{in}(group, found)) continue;
      lost.push_back(
          {found.index_and_sign / 2, static_cast<uint8_t>(found.index_and_sign % 2 * 0x80), {}});
      std::memcpy(lost.back().codes.data(), &found.codes, sizeof found.codes);
    }
    EXPECT_EQ(lost, expected_lost);
  }
}

TEST(DeviceMap, Mma64UnpacksAsTheCpu) {
  for (const auto& [rows, k] : kShapes) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(k));
    const Planes planes(random_matrix(rows, k, static_cast<uint32_t>(rows + k)));
    const std::vector<std::byte> packed = pack_mma64(planes, Path::kMap);
    std::vector<std::byte> codes(planes.codes.size()), scales(planes.scales.size());
    ASSERT_TRUE(repack::mma64_nvfp4_unpack(packed, rows, k, Path::kMap, codes, scales).ok());
    const kernels::map::Mma64Blocks in{u8(packed), rows, k};
    EXPECT_TRUE(all_elements(kernels::map::Mma64Codes{in}, codes.size()) == codes);
    EXPECT_TRUE(all_elements(kernels::map::Mma64Scales{in}, scales.size()) == scales);
    EXPECT_TRUE(all_wrong(kernels::map::Mma64Wrong{in}, packed.size() / 9).empty());
  }
}

TEST(DeviceMap, Mma64FindsTheWrongGroup) {
  Nvfp4Matrix matrix{{70, 48, {}}, {70, 3, {}}};
  matrix.codes.at.assign(70 * 48, 1);
  matrix.scales.at.assign(70 * 3, 0x38);
  const std::vector<std::byte> good = pack_mma64(Planes(matrix), Path::kMap);
  // Byte, damage, row, group; the places are derived in repack_mma64_test.cpp.
  const struct {
    size_t byte;
    uint8_t damage;
    uint64_t row, group;
  } cases[] = {{15 * 16, 0x01, 3, 3},
               {2304 + 29 * 16 + 8, 0x80, 79, 1},
               {2304 + 2048 + 29 * 8 + 1, 0x01, 79, 1},
               {2048 + 6 * 8 + 1, 0x4F, 9, 2},
               {2048 + 6 * 8 + 1, 0x78, 9, 2}};
  for (const auto& damage : cases) {
    std::vector<std::byte> bad = good;
    bad[damage.byte] ^= std::byte{damage.damage};
    const kernels::map::Mma64Wrong wrong{{u8(bad), 70, 48}};
    EXPECT_EQ(all_wrong(wrong, 128 * 4), std::vector<uint64_t>{4 * damage.row + damage.group});
  }
}

TEST(DeviceMap, NativeRowsAsTheCpu) {
  for (const auto& [rows, k] : kShapes) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(k));
    const Planes planes(random_matrix(rows, k, 7));
    std::vector<std::byte> expected(rows * layouts::native_rows::pitch_bytes(k));
    repack::native_rows_pack(planes.codes, rows, k, Path::kMap, expected);
    EXPECT_TRUE(all_elements(kernels::map::NativeRowsPacked{u8(planes.codes), k},
                             expected.size()) == expected);
    EXPECT_TRUE(all_elements(kernels::map::NativeRowsCodes{u8(expected), k}, planes.codes.size()) ==
                planes.codes);
    const kernels::map::NativeRowsWrong wrong{u8(expected), k};
    EXPECT_TRUE(all_wrong(wrong, expected.size()).empty());
    if (k % 32 == 0) continue;
    expected.back() = std::byte{0x40};
    EXPECT_EQ(all_wrong(wrong, expected.size()), std::vector<uint64_t>{expected.size() - 1});
  }
}

TEST(DeviceMap, Sf128x4AsTheCpu) {
  for (const auto& [rows, groups] :
       {std::pair<uint64_t, uint64_t>{1, 1}, {33, 3}, {128, 4}, {129, 6}, {300, 9}}) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(groups));
    const std::vector<std::byte> scales = Planes(random_matrix(rows, 16 * groups, 3)).scales;
    std::vector<std::byte> packed(layouts::sf128x4::size_bytes(rows, groups));
    repack::sf128x4_pack(scales, rows, groups, Path::kMap, packed);
    EXPECT_TRUE(all_elements(kernels::map::Sf128x4Packed{u8(scales), rows, groups},
                             packed.size()) == packed);
    EXPECT_TRUE(all_elements(kernels::map::Sf128x4Scales{u8(packed), groups}, scales.size()) ==
                scales);
    const kernels::map::Sf128x4Wrong wrong{u8(packed), rows, groups};
    EXPECT_TRUE(all_wrong(wrong, packed.size()).empty());
    if (rows == 128) continue;
    packed.back() = std::byte{1};
    EXPECT_EQ(all_wrong(wrong, packed.size()), std::vector<uint64_t>{packed.size() - 1});
  }
}

TEST(FourBytes, LoadsWhatLiesThereAndNothingPastThePlane) {
  for (uint64_t size = 1; size <= 17; ++size) {
    std::vector<uint8_t> plane(size);  // exact: a sanitizer sees every byte read too many
    for (uint64_t i = 0; i < size; ++i) plane[i] = static_cast<uint8_t>(0x81 + i);
    for (uint64_t offset = 0; offset < size; ++offset)
      for (uint32_t count = 0; count <= 4 && offset + count <= size; ++count) {
        uint32_t expected = 0;
        for (uint32_t i = 0; i < count; ++i) expected |= uint32_t{plane[offset + i]} << (8 * i);
        EXPECT_EQ(kernels::load_bytes({plane.data(), size}, offset, count), expected)
            << size << " " << offset << " " << count;
      }
  }
}

TEST(FourBytes, StoresTheBytesAskedForOnly) {
  for (uint64_t offset = 0; offset < 8; ++offset)
    for (uint32_t count = 0; count <= 4; ++count) {
      std::vector<uint8_t> plane(12, 0xA5), expected = plane;
      for (uint32_t i = 0; i < count; ++i) expected[offset + i] = static_cast<uint8_t>(4 - i);
      kernels::store_bytes(plane.data(), offset, count, 0x01020304);
      EXPECT_EQ(plane, expected) << offset << " " << count;
    }
}

TEST(FourBytes, CountsTheBytesInsideARow) {
  EXPECT_EQ(kernels::bytes_inside(0, 9), 4u);
  EXPECT_EQ(kernels::bytes_inside(4, 9), 4u);
  EXPECT_EQ(kernels::bytes_inside(8, 9), 1u);
  EXPECT_EQ(kernels::bytes_inside(9, 9), 0u);
  EXPECT_EQ(kernels::bytes_inside(12, 9), 0u);
}

/// Both directions of an order of elements, and each place of its padding damaged in turn.
template <class Order>
void expect_order(const Order& order, const reference::WordMatrix& elements,
                  const std::vector<std::byte>& expected) {
  using namespace kernels::map;
  const std::vector<std::byte> plane = canonical(Order::kBits, elements);
  const PackedByte<Order> packed{order, {u8(plane), elements.rows, elements.columns}};
  ASSERT_TRUE(all_elements(packed, expected.size()) == expected);
  const PlaneByte<Order> back{order, u8(expected), elements.columns};
  EXPECT_TRUE(all_elements(back, plane.size()) == plane);
  std::vector<std::byte> bad = expected;
  const WrongElement<Order> wrong{order, u8(bad), elements.rows, elements.columns};
  EXPECT_TRUE(all_wrong(wrong, wrong.places()).empty());
  for (uint64_t place = 0; place < wrong.places(); place += 97) {
    const uint64_t row = place / order.padded_columns, column = place % order.padded_columns;
    if (row < elements.rows && column < elements.columns) continue;
    const uint64_t bit = order.element(row, column) * Order::kStoredBits;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_TRUE(wrong(place)) << place;
    bad[bit / 8] = expected[bit / 8];
  }
}

const std::pair<size_t, size_t> kPlaneShapes[] = {{1, 1}, {64, 64}, {65, 33}, {130, 48}, {71, 208}};

TEST(DeviceMap, PlanesOfMma64AndNativePackAsTheReference) {
  using namespace kernels::map;
  for (const auto& [rows, columns] : kPlaneShapes) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns));
    const auto check = [&, r = rows, c = columns](const PlaneLayout& layout, const auto& order) {
      SCOPED_TRACE(layout.name);
      const auto elements = random_elements(layout.bits, r, c, static_cast<uint32_t>(r * c));
      expect_order(order, elements, to_bytes(layout.reference(elements)));
    };
    check(mma64_codes(4), Int4Order(rows, columns));
    check(mma64_codes(8), OctetOrder(rows, columns));
    check(mma64_plane(4), LanePlaneOrder<4>(rows, columns));
    check(mma64_plane(8), LanePlaneOrder<8>(rows, columns));
    check(mma64_plane(16), LanePlaneOrder<16>(rows, columns));
    check(mma64_plane(32), LanePlaneOrder<32>(rows, columns));
    check(native_bytes(), NativeBytesOrder(rows, columns));
  }
}

TEST(DeviceMap, AZeroPointOfMoreThanFourBitsIsWrong) {
  using namespace kernels::map;
  const LanePlaneOrder<4> order(3, 2);
  std::vector<std::byte> packed(64 * 2);
  const WrongElement<LanePlaneOrder<4>> wrong{order, u8(packed), 3, 2};
  packed[order.element(2, 1)] = std::byte{0x0F};
  EXPECT_TRUE(all_wrong(wrong, wrong.places()).empty());
  packed[order.element(2, 1)] = std::byte{0x10};
  EXPECT_EQ(all_wrong(wrong, wrong.places()), std::vector<uint64_t>{2 * 2 + 1});
}

TEST(DeviceMap, EnginePlanesPackAsTheReference) {
  using namespace kernels::map;
  for (const auto& [rows, columns] : kPlaneShapes) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns));
    const auto check = [&, r = rows, c = columns](const EnginePlane& plane, const auto& make) {
      SCOPED_TRACE(plane.name);
      const repack::PaddedBox box = box_of(plane, r, c, 1);
      const auto elements = random_elements(plane.bits, r, c, static_cast<uint32_t>(r + c));
      expect_order(make(box), elements, expected_bytes(plane, elements, box));
    };
    for (const auto order :
         {layouts::TileOrder::kMarlin4, layouts::TileOrder::kMarlin8, layouts::TileOrder::kMaxSm8x,
          layouts::TileOrder::kMachete4, layouts::TileOrder::kMachete8})
      layouts::with_tiles(order, [&](auto tiles) {
        check(engine_codes(order), [](const repack::PaddedBox& box) {
          return TilesOrder<decltype(tiles)>{box.padded_rows, box.padded_columns};
        });
      });
    for (const auto order :
         {layouts::GroupOrder::kNatural, layouts::GroupOrder::kGroup, layouts::GroupOrder::kSingle})
      check(engine_groups(order, 16), [&](const repack::PaddedBox& box) {
        return GroupsOrder<16>{order, box.padded_rows, box.padded_columns};
      });
    for (const auto order : {layouts::GroupOrder::kBytes, layouts::GroupOrder::kZero8})
      check(engine_groups(order, 8), [&](const repack::PaddedBox& box) {
        return GroupsOrder<8>{order, box.padded_rows, box.padded_columns};
      });
    check(engine_groups(layouts::GroupOrder::kZero4, 4), [](const repack::PaddedBox& box) {
      return GroupsOrder<4>{layouts::GroupOrder::kZero4, box.padded_rows, box.padded_columns};
    });
  }
}

TEST(DeviceMap, Mxfp4PacksAndUnpacksAsTheReference) {
  using namespace kernels::map;
  for (const auto& [rows, k] : {std::pair<size_t, size_t>{1, 32}, {64, 64}, {70, 96}, {130, 288}}) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(k));
    const Mxfp4Matrix matrix = random_mxfp4(rows, k, static_cast<uint32_t>(rows * k));
    const std::vector<std::byte> codes = to_bytes(reference::canonical_nibbles(matrix.codes));
    const std::vector<std::byte> scales = to_bytes(matrix.scales.at);
    const std::vector<std::byte> expected =
        to_bytes(reference::mma64_mxfp4(matrix.codes, matrix.scales));
    const Mxfp4 in{u8(codes), u8(scales), rows, k};
    EXPECT_TRUE(all_elements(Mxfp4Packed{in}, expected.size()) == expected);
    const Mxfp4Blocks blocks{u8(expected), rows, k};
    EXPECT_TRUE(all_elements(Mxfp4Codes{blocks}, codes.size()) == codes);
    EXPECT_TRUE(all_elements(Mxfp4Scales{blocks}, scales.size()) == scales);
    EXPECT_TRUE(all_wrong(Mxfp4Wrong{blocks}, Mxfp4Wrong{blocks}.places()).empty());
  }
}

/// Bytes derived in repack_variants_test.cpp.
TEST(DeviceMap, Mxfp4FindsTheWrongGroup) {
  const struct {
    size_t byte;
    uint8_t damage;
    uint64_t row;
    uint64_t group;
  } cases[] = {{2176 + 14 * 16, 0x40, 3, 3},
               {2176 + 2048 + (2 * 3 + 1) * 8, 0x7F, 3, 3},
               {2 * 2176 + 2048 + (2 * 7 + 1) * 8 + 1, 0x01, 79, 1}};
  const std::vector<std::byte> good = pack_mxfp4(random_mxfp4(70, 96, 6), Path::kMap);
  for (const auto& damage : cases) {
    std::vector<std::byte> bad = good;
    bad[damage.byte] ^= std::byte{damage.damage};
    const kernels::map::Mxfp4Wrong wrong{{u8(bad), 70, 96}};
    EXPECT_EQ(all_wrong(wrong, wrong.places()),
              std::vector<uint64_t>{damage.row * 4 + damage.group});
  }
}

/// What each thread of the word path computes: packed as the reference, and back.
template <class Vectors>
void expect_vectors(const Vectors& vectors, uint32_t bits, const reference::WordMatrix& elements,
                    const std::vector<std::byte>& expected) {
  const std::vector<std::byte> plane = canonical(bits, elements);
  ASSERT_EQ(16 * vectors.count(), expected.size());
  std::vector<std::byte> packed(expected.size()), back(plane.size());
  const auto bytes_of = [](std::vector<std::byte>& v) {
    return reinterpret_cast<uint8_t*>(v.data());
  };
  for (uint64_t i = 0; i < vectors.count(); ++i)
    kernels::store_vector(bytes_of(packed) + 16 * i, vectors.pack(i, u8(plane)));
  ASSERT_TRUE(packed == expected);
  for (uint64_t i = 0; i < vectors.count(); ++i)
    EXPECT_EQ(vectors.unpack(i, kernels::load_vector(u8(packed) + 16 * i), bytes_of(back)),
              kernels::kNothingWrong);
  EXPECT_TRUE(back == plane);
}

/// A packed buffer that holds one code of the padding, and the place that is found in it.
template <class Vectors>
void expect_found(const Vectors& vectors, uint64_t plane_bytes, uint64_t padded_columns,
                  uint64_t row, uint64_t column, const std::vector<std::byte>& packed) {
  std::vector<std::byte> back(plane_bytes);
  uint64_t first = kernels::kNothingWrong;
  for (uint64_t i = 0; i < vectors.count(); ++i)
    first = std::min(first, vectors.unpack(i, kernels::load_vector(u8(packed) + 16 * i),
                                           reinterpret_cast<uint8_t*>(back.data())));
  EXPECT_EQ(first, row * padded_columns + column);
}

reference::WordMatrix one_code(uint64_t rows, uint64_t columns, uint64_t row, uint64_t column) {
  reference::WordMatrix matrix = reference::padded({0, 0, {}}, rows, columns);
  matrix.at.at(row * columns + column) = 4;
  return matrix;
}

TEST(DeviceVectors, OctetsMoveAsTheReference) {
  for (const auto& [rows, k] : {std::pair<size_t, size_t>{1, 16}, {64, 64}, {70, 80}, {130, 208}}) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(k));
    const PlaneLayout layout = mma64_codes(8);
    const auto elements = random_elements(8, rows, k, static_cast<uint32_t>(rows * k));
    const kernels::OctetVectors vectors{rows, k};
    expect_vectors(vectors, 8, elements, to_bytes(layout.reference(elements)));
    const uint64_t padded_rows = (rows + 63) / 64 * 64, padded_k = (k + 63) / 64 * 64;
    for (const auto& [row, column] : {std::pair<uint64_t, uint64_t>{rows, 0}, {0, k}})
      if (row < padded_rows && column < padded_k)
        expect_found(vectors, rows * k, padded_k, row, column,
                     to_bytes(layout.reference(one_code(padded_rows, padded_k, row, column))));
  }
}

TEST(DeviceVectors, EngineTilesMoveAsTheReference) {
  for (const auto order :
       {layouts::TileOrder::kMarlin4, layouts::TileOrder::kMarlin8, layouts::TileOrder::kMaxSm8x,
        layouts::TileOrder::kMachete4, layouts::TileOrder::kMachete8})
    for (const auto& [rows, k] :
         {std::pair<size_t, size_t>{1, 2}, {128, 64}, {70, 80}, {130, 206}}) {
      const EnginePlane plane = engine_codes(order);
      SCOPED_TRACE(std::string(plane.name) + ", " + std::to_string(rows) + " x " +
                   std::to_string(k));
      const repack::PaddedBox box = box_of(plane, rows, k, 1);
      const auto elements = random_elements(plane.bits, rows, k, static_cast<uint32_t>(rows * k));
      layouts::with_tiles(order, [&](auto tiles) {
        const kernels::TileVectors<decltype(tiles)> vectors{
            {box.rows, box.columns, box.padded_rows, box.padded_columns}};
        expect_vectors(vectors, plane.bits, elements, expected_bytes(plane, elements, box));
        for (const auto& [row, column] : {std::pair<uint64_t, uint64_t>{box.rows, 0},
                                          {0, box.columns},
                                          {box.rows - 1, box.columns + 1},
                                          {box.padded_rows - 1, box.padded_columns - 1}})
          expect_found(
              vectors, canonical(plane.bits, elements).size(), box.padded_columns, row, column,
              to_bytes(
                  plane.reference(one_code(box.padded_rows, box.padded_columns, row, column))));
      });
    }
}

/// All thread blocks of a plane of groups, one thread after the other: packed as expected, and
/// back, with the first wrong place.
template <uint32_t kBytes>
std::vector<std::byte> pack_groups(const kernels::GroupPlane& plane,
                                   const std::vector<std::byte>& in, size_t size) {
  using Tile = kernels::GroupTile<kBytes>;
  std::vector<std::byte> out(size);
  for (uint64_t block = 0; block < Tile::count(plane); ++block) {
    std::vector<uint8_t> tile(Tile::kTileBytes, 0xA5);
    const Tile at = Tile::of(plane, block);
    for (uint32_t t = 0; t < kernels::kGroupThreads; ++t)
      at.load_rows(t, {u8(in), in.size()}, tile.data());
    for (uint32_t t = 0; t < kernels::kGroupThreads; ++t)
      at.store_run(t, tile.data(), reinterpret_cast<uint8_t*>(out.data()));
  }
  return out;
}

template <uint32_t kBytes>
uint64_t unpack_groups(const kernels::GroupPlane& plane, const std::vector<std::byte>& packed,
                       std::vector<std::byte>& out) {
  using Tile = kernels::GroupTile<kBytes>;
  uint64_t wrong = kernels::kNothingWrong;
  for (uint64_t block = 0; block < Tile::count(plane); ++block) {
    std::vector<uint8_t> tile(Tile::kTileBytes, 0xA5);
    const Tile at = Tile::of(plane, block);
    for (uint32_t t = 0; t < kernels::kGroupThreads; ++t)
      wrong = std::min(wrong, at.load_run(t, u8(packed), tile.data()));
    for (uint32_t t = 0; t < kernels::kGroupThreads; ++t)
      at.store_rows(t, tile.data(), reinterpret_cast<uint8_t*>(out.data()));
  }
  return wrong;
}

template <uint32_t kBytes>
void expect_groups(const kernels::GroupPlane& plane, const reference::WordMatrix& elements,
                   const std::vector<std::byte>& expected) {
  const std::vector<std::byte> source = canonical(8 * kBytes, elements);
  ASSERT_TRUE(pack_groups<kBytes>(plane, source, expected.size()) == expected);
  std::vector<std::byte> back(source.size());
  EXPECT_EQ(unpack_groups<kBytes>(plane, expected, back), kernels::kNothingWrong);
  EXPECT_TRUE(back == source);
}

TEST(DeviceGroups, TurnAsTheReference) {
  using layouts::GroupOrder;
  for (const auto& [rows, groups] :
       {std::pair<size_t, size_t>{1, 1}, {64, 64}, {70, 33}, {130, 130}, {200, 21}}) {
    const auto check = [&, r = rows, g = groups](auto bytes, GroupOrder order) {
      const EnginePlane plane = engine_groups(order, 8 * bytes());
      SCOPED_TRACE(std::string(plane.name) + ", " + std::to_string(r) + " x " + std::to_string(g));
      const repack::PaddedBox box = box_of(plane, r, g, 1);
      const auto elements = random_elements(8 * bytes(), r, g, static_cast<uint32_t>(r * g));
      const auto on_card = kernels::GroupPlane::transposed(
          order, {box.rows, box.columns, box.padded_rows, box.padded_columns});
      expect_groups<bytes()>(on_card, elements, expected_bytes(plane, elements, box));
      for (const auto& [row, group] :
           {std::pair<uint64_t, uint64_t>{0, g}, {r, 0}, {r - 1, box.padded_columns - 1}}) {
        if (row >= box.padded_rows) continue;
        std::vector<std::byte> back(r * g * bytes());
        const auto bad =
            to_bytes(plane.reference(one_code(box.padded_rows, box.padded_columns, row, group)));
        EXPECT_EQ(unpack_groups<bytes()>(on_card, bad, back), row * box.padded_columns + group);
      }
    };
    using One = std::integral_constant<uint32_t, 1>;
    using Two = std::integral_constant<uint32_t, 2>;
    check(One{}, GroupOrder::kBytes);
    check(One{}, GroupOrder::kZero8);
    check(Two{}, GroupOrder::kNatural);
    check(Two{}, GroupOrder::kGroup);
    check(Two{}, GroupOrder::kSingle);
    const auto lanes = kernels::GroupPlane::lanes(rows, groups);
    const auto lane_elements = [&](uint32_t bits) {
      return random_elements(bits, rows, groups, static_cast<uint32_t>(rows + groups));
    };
    expect_groups<1>(lanes, lane_elements(8), to_bytes(mma64_plane(8).reference(lane_elements(8))));
    expect_groups<2>(lanes, lane_elements(16),
                     to_bytes(mma64_plane(16).reference(lane_elements(16))));
    expect_groups<4>(lanes, lane_elements(32),
                     to_bytes(mma64_plane(32).reference(lane_elements(32))));
  }
}

}  // namespace
}  // namespace imp::test
