// What each thread of the CUDA repack computes, run here one thread after the other: the index-map
// functors against src/repack, the packing of bytes into words against the bytes.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "kernels/repack/four_bytes.h"
#include "kernels/repack/map.h"
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

}  // namespace
}  // namespace imp::test
