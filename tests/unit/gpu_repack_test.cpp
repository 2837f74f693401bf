// The CUDA repack on a card: both paths of every layout give the bytes of src/repack and of
// tests/reference, the inverse gives the planes back, and damage is found where it is. What a
// layout's `plain` moves is a copy and has no kernel.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "kernels/repack/repack.h"
#include "tests/unit/gpu.h"
#include "tests/unit/layout_planes.h"
#include "tests/unit/on_device.h"

namespace imp::test {
namespace {

using repack::Path;

class GpuRepack : public testing::GpuTest {};

struct Packed {
  Vector bytes;
  uint64_t lost_count = 0;
  std::vector<repack::LostGroup> lost;  ///< in order, those that had room
};

Packed pack(const Planes& planes, RepackPath path, uint64_t capacity) {
  const OnDevice codes(planes.codes), scales(planes.scales), count(number_bytes(0));
  const OnDevice blocks =
      OnDevice::unwritten(kernels::mma64_nvfp4_packed_bytes(planes.rows, planes.k));
  const OnDevice list = OnDevice::unwritten(capacity * sizeof(kernels::LostGroup));
  expect_ok(kernels::pack_mma64_nvfp4(
      {codes.data(), scales.data(), planes.rows, planes.k}, path, blocks.data(),
      {list.as<kernels::LostGroup>(), capacity, count.as<uint64_t>()}, nullptr));
  Packed out{blocks.bytes(), count.number(), {}};
  const Vector records = list.bytes();
  std::vector<kernels::LostGroup> found(std::min(out.lost_count, capacity));
  if (!found.empty())
    std::memcpy(found.data(), records.data(), found.size() * sizeof(kernels::LostGroup));
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.index_and_sign < b.index_and_sign; });
  for (const kernels::LostGroup& group : found) {
    repack::LostGroup record{
        group.index_and_sign / 2, static_cast<uint8_t>(group.index_and_sign % 2 * 0x80), {}};
    std::memcpy(record.codes.data(), &group.codes, sizeof group.codes);
    out.lost.push_back(record);
  }
  return out;
}

struct Unpacked {
  Vector codes;
  Vector scales;
  uint64_t first_wrong = 0;
};

Unpacked unpack(const Vector& packed, uint64_t rows, uint64_t k, RepackPath path) {
  const OnDevice blocks(packed), wrong(number_bytes(kernels::kNothingWrong));
  const OnDevice codes = OnDevice::unwritten(rows * (k / 2));
  const OnDevice scales = OnDevice::unwritten(rows * (k / 16));
  expect_ok(kernels::unpack_mma64_nvfp4(blocks.data(), rows, k, path, codes.data(), scales.data(),
                                        wrong.as<uint64_t>(), nullptr));
  return {codes.bytes(), scales.bytes(), wrong.number()};
}

void expect_mma64(const Planes& planes, const Vector& expected,
                  const std::vector<repack::LostGroup>& expected_lost) {
  Vector codes(planes.codes.size()), scales(planes.scales.size());
  ASSERT_TRUE(
      repack::mma64_nvfp4_unpack(expected, planes.rows, planes.k, Path::kWord, codes, scales).ok());
  for (const RepackPath path : kDevicePaths) {
    SCOPED_TRACE(name_of(path));
    const Packed packed = pack(planes, path, planes.scales.size());
    EXPECT_TRUE(packed.bytes == expected);
    EXPECT_EQ(packed.lost_count, expected_lost.size());
    EXPECT_TRUE(packed.lost == expected_lost);
    const Unpacked back = unpack(expected, planes.rows, planes.k, path);
    EXPECT_TRUE(back.codes == codes);
    EXPECT_TRUE(back.scales == scales);
    EXPECT_EQ(back.first_wrong, kernels::kNothingWrong);
  }
}

TEST_F(GpuRepack, Mma64EqualsTheReference) {
  const std::pair<size_t, size_t> shapes[] = {{1, 16},   {1, 64},   {63, 16},   {64, 64},
                                              {65, 64},  {100, 80}, {130, 48},  {64, 512},
                                              {71, 528}, {64, 576}, {200, 1040}};
  for (const auto& [rows, k] : shapes) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(k));
    const Nvfp4Matrix matrix = random_matrix(rows, k, static_cast<uint32_t>(1000 * rows + k));
    const Planes planes(matrix);
    std::vector<repack::LostGroup> lost;
    pack_mma64(planes, Path::kMap, lost);
    expect_mma64(planes, to_bytes(reference::mma64_nvfp4(matrix.codes, matrix.scales)), lost);
  }
}

TEST_F(GpuRepack, Mma64EqualsTheCpuAtRandomShapes) {
  Random random(31337);
  for (int i = 0; i < 12; ++i) {
    const size_t rows = 1 + random() % 700, k = 16 * (1 + random() % 150);
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(k));
    const Planes planes(random_matrix(rows, k, random()));
    std::vector<repack::LostGroup> lost;
    const Vector expected = pack_mma64(planes, Path::kWord, lost);
    expect_mma64(planes, expected, lost);
  }
}

TEST_F(GpuRepack, Mma64HoldsEveryScaleUnderEveryCode) {
  // Row s has scale byte s (0x00 .. 0x7E, then 0x80) in all its groups; codes run through 0..15 in
  // each.
  Nvfp4Matrix matrix{{128, 64, {}}, {128, 4, {}}};
  for (size_t row = 0; row < 128; ++row) {
    for (size_t k = 0; k < 64; ++k)
      matrix.codes.at.push_back(static_cast<uint8_t>((k + 5 * row) % 16));
    matrix.scales.at.insert(matrix.scales.at.end(), 4, static_cast<uint8_t>(row < 127 ? row : 128));
  }
  const Planes planes(matrix);
  std::vector<repack::LostGroup> lost;
  pack_mma64(planes, Path::kMap, lost);
  ASSERT_EQ(lost.size(), 8u);
  expect_mma64(planes, to_bytes(reference::mma64_nvfp4(matrix.codes, matrix.scales)), lost);
}

TEST_F(GpuRepack, LostGroupsPastTheCapacityAreCountedAndNotStored) {
  Nvfp4Matrix matrix{{96, 80, {}}, {96, 5, {}}};
  matrix.codes.at.assign(96 * 80, 8);
  matrix.scales.at.assign(96 * 5, 0x00);
  const Planes planes(matrix);
  std::vector<repack::LostGroup> all;
  const Vector expected = pack_mma64(planes, Path::kWord, all);
  ASSERT_EQ(all.size(), 96u * 5);
  for (const RepackPath path : kDevicePaths)
    for (const uint64_t capacity : {uint64_t{0}, uint64_t{7}, uint64_t{96 * 5}}) {
      SCOPED_TRACE(std::string(name_of(path)) + ", capacity " + std::to_string(capacity));
      const Packed packed = pack(planes, path, capacity);  // the list's guard is checked there
      EXPECT_TRUE(packed.bytes == expected);
      EXPECT_EQ(packed.lost_count, all.size());
      EXPECT_EQ(packed.lost.size(), capacity);
      for (const repack::LostGroup& group : packed.lost)
        EXPECT_TRUE(group == all.at(group.group_index));
    }
}

TEST_F(GpuRepack, Mma64InverseFindsOneDamagedPlace) {
  Nvfp4Matrix matrix{{70, 48, {}}, {70, 3, {}}};
  matrix.codes.at.assign(70 * 48, 1);
  matrix.scales.at.assign(70 * 3, 0x38);
  const Vector good = pack_mma64(Planes(matrix), Path::kMap);
  // The bytes are derived in repack_mma64_test.cpp; places count 4 groups a row.
  const struct {
    const char* what;
    size_t byte;
    uint8_t damage;
    uint64_t place;
  } cases[] = {{"code in the padding of K", 15 * 16, 0x01, 3 * 4 + 3},
               {"scale in the padding of K", 2048 + 15 * 8, 0x78, 3 * 4 + 3},
               {"code in the padding of N", 2304 + 29 * 16 + 8, 0x80, 79 * 4 + 1},
               {"scale in the padding of N", 2304 + 2048 + 29 * 8 + 1, 0x01, 79 * 4 + 1},
               {"scale that is no encoding", 2048 + 6 * 8 + 1, 0x4F, 9 * 4 + 2},
               {"scale above the largest", 2048 + 6 * 8 + 1, 0xC7, 9 * 4 + 2},
               {"scale zero over live codes", 2048 + 6 * 8 + 1, 0x78, 9 * 4 + 2}};
  for (const RepackPath path : kDevicePaths) {
    EXPECT_EQ(unpack(good, 70, 48, path).first_wrong, kernels::kNothingWrong);
    for (const auto& damage : cases) {
      SCOPED_TRACE(std::string(name_of(path)) + ": " + damage.what);
      Vector bad = good;
      bad[damage.byte] ^= std::byte{damage.damage};
      EXPECT_EQ(unpack(bad, 70, 48, path).first_wrong, damage.place);
    }
    Vector two = good;  // the smallest place is named
    two[15 * 16] ^= std::byte{0x01};
    two[2048 + 6 * 8 + 1] ^= std::byte{0x4F};
    EXPECT_EQ(unpack(two, 70, 48, path).first_wrong, 3u * 4 + 3);
  }
}

Vector device_native_rows(const Planes& planes, RepackPath path) {
  const OnDevice codes(planes.codes);
  const OnDevice out =
      OnDevice::unwritten(planes.rows * layouts::native_rows::pitch_bytes(planes.k));
  expect_ok(
      kernels::pack_native_rows(codes.data(), planes.rows, planes.k, path, out.data(), nullptr));
  return out.bytes();
}

std::pair<Vector, uint64_t> device_native_codes(const Vector& packed, uint64_t rows, uint64_t k,
                                                RepackPath path) {
  const OnDevice in(packed), wrong(number_bytes(kernels::kNothingWrong));
  const OnDevice out = OnDevice::unwritten(rows * (k / 2));
  expect_ok(kernels::unpack_native_rows(in.data(), rows, k, path, out.data(), wrong.as<uint64_t>(),
                                        nullptr));
  return {out.bytes(), wrong.number()};
}

TEST_F(GpuRepack, NativeRowsEqualTheReference) {
  const std::pair<size_t, size_t> shapes[] = {{1, 16},   {3, 32},    {5, 48},    {17, 80},
                                              {64, 400}, {33, 2064}, {130, 4096}};
  for (const auto& [rows, k] : shapes) {
    const Nvfp4Matrix matrix = random_matrix(rows, k, static_cast<uint32_t>(rows + k));
    const Planes planes(matrix);
    const Vector expected = to_bytes(reference::native_rows(matrix.codes));
    for (const RepackPath path : kDevicePaths) {
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(k) + " " + name_of(path));
      EXPECT_TRUE(device_native_rows(planes, path) == expected);
      const auto [codes, wrong] = device_native_codes(expected, rows, k, path);
      EXPECT_TRUE(codes == planes.codes);
      EXPECT_EQ(wrong, kernels::kNothingWrong);
    }
  }
}

TEST_F(GpuRepack, NativeRowsOfMoreRowsThanAGridHasBlocks) {
  // 16 rows a block of threads, 65535 blocks in y: the last rows are a second turn.
  const uint64_t rows = 65535 * 16 + 21;
  Planes planes(random_matrix(1, 16, 1));
  planes.rows = rows;
  planes.codes.resize(8 * rows);
  Random random(5);
  for (std::byte& byte : planes.codes) byte = static_cast<std::byte>(random() % 256);
  Vector expected(16 * rows);
  repack::native_rows_pack(planes.codes, rows, 16, Path::kWord, expected);
  EXPECT_TRUE(device_native_rows(planes, RepackPath::kWord) == expected);
  EXPECT_TRUE(device_native_codes(expected, rows, 16, RepackPath::kWord).first == planes.codes);
}

TEST_F(GpuRepack, NativeRowsInverseFindsPaddingThatIsNotZero) {
  const Planes planes(random_matrix(3, 48, 2));  // 24 bytes a row, pitch 32
  for (const RepackPath path : kDevicePaths) {
    Vector packed = device_native_rows(planes, path);
    packed[2 * 32 + 29] ^= std::byte{0x40};
    EXPECT_EQ(device_native_codes(packed, 3, 48, path).second, 2u * 32 + 29) << name_of(path);
    packed[1 * 32 + 24] ^= std::byte{0x01};
    EXPECT_EQ(device_native_codes(packed, 3, 48, path).second, 1u * 32 + 24) << name_of(path);
  }
}

Vector device_sf128x4(const Vector& scales, uint64_t rows, uint64_t groups, RepackPath path) {
  const OnDevice in(scales);
  const OnDevice out = OnDevice::unwritten(layouts::sf128x4::size_bytes(rows, groups));
  expect_ok(kernels::pack_sf128x4(in.data(), rows, groups, path, out.data(), nullptr));
  return out.bytes();
}

std::pair<Vector, uint64_t> device_scales(const Vector& packed, uint64_t rows, uint64_t groups,
                                          RepackPath path) {
  const OnDevice in(packed), wrong(number_bytes(kernels::kNothingWrong));
  const OnDevice out = OnDevice::unwritten(rows * groups);
  expect_ok(kernels::unpack_sf128x4(in.data(), rows, groups, path, out.data(), wrong.as<uint64_t>(),
                                    nullptr));
  return {out.bytes(), wrong.number()};
}

TEST_F(GpuRepack, Sf128x4EqualsTheReference) {
  const std::pair<size_t, size_t> shapes[] = {{1, 1},   {1, 4},    {33, 3},   {100, 5},
                                              {128, 4}, {129, 6},  {300, 65}, {257, 256},
                                              {64, 13}, {200, 127}};
  for (const auto& [rows, groups] : shapes) {
    Random random(static_cast<uint32_t>(rows * groups));
    reference::ByteMatrix matrix{rows, groups, {}};
    for (size_t i = 0; i < rows * groups; ++i)
      matrix.at.push_back(static_cast<uint8_t>(random() % 256));
    const Vector scales = to_bytes(matrix.at);
    const Vector expected = to_bytes(reference::sf128x4(matrix));
    for (const RepackPath path : kDevicePaths) {
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(groups) + " " + name_of(path));
      EXPECT_TRUE(device_sf128x4(scales, rows, groups, path) == expected);
      const auto [back, wrong] = device_scales(expected, rows, groups, path);
      EXPECT_TRUE(back == scales);
      EXPECT_EQ(wrong, kernels::kNothingWrong);
    }
  }
}

TEST_F(GpuRepack, Sf128x4InverseFindsPaddingThatIsNotZero) {
  const Vector scales = Planes(random_matrix(100, 80, 4)).scales;  // 5 groups
  for (const RepackPath path : kDevicePaths) {
    const Vector good = device_sf128x4(scales, 100, 5, path);
    for (const size_t byte :
         {size_t{512 + 1}, size_t{(100 - 96) * 16 + 12}, size_t{512 + 31 * 16 + 15}}) {
      Vector bad = good;
      bad[byte] ^= std::byte{0x10};
      EXPECT_EQ(device_scales(bad, 100, 5, path).second, byte) << name_of(path);
    }
  }
}

TEST_F(GpuRepack, LargeMatricesEqualTheCpu) {
  // 36 MiB of planes, ragged both ways.
  const uint64_t rows = 8191, k = 8208;
  Nvfp4Matrix seed = random_matrix(64, k, 99);
  Planes planes(seed);
  planes.rows = rows;
  planes.codes.resize(rows * (k / 2));
  planes.scales.resize(rows * (k / 16));
  Random random(100);
  for (std::byte& byte : planes.codes) byte = static_cast<std::byte>(random() >> 24);
  for (std::byte& byte : planes.scales) byte = static_cast<std::byte>(random() % 127);
  std::vector<repack::LostGroup> lost;
  const Vector expected = pack_mma64(planes, Path::kWord, lost);
  expect_mma64(planes, expected, lost);
}

TEST_F(GpuRepack, RefusesShapesAndPointersThatDoNotFit) {
  const OnDevice memory = OnDevice::unwritten(4096);
  const kernels::LostGroups lost{memory.as<kernels::LostGroup>(), 1, memory.as<uint64_t>()};
  std::byte* at = memory.data();
  const auto pack_codes = [&](std::byte* codes, uint64_t k) {
    return kernels::pack_mma64_nvfp4({codes, at, 0, k}, RepackPath::kWord, at, lost, nullptr);
  };
  EXPECT_TRUE(pack_codes(at, 16).ok());
  for (const uint64_t k : {uint64_t{0}, uint64_t{8}, uint64_t{40}}) {
    const Status status = pack_codes(at, k);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kBadShape);
    EXPECT_NE(status.error().message.find("K is " + std::to_string(k)), std::string::npos);
  }
  const Status unaligned = kernels::pack_native_rows(at + 8, 1, 16, RepackPath::kWord, at, nullptr);
  ASSERT_FALSE(unaligned.ok());
  EXPECT_EQ(unaligned.error().kind, ErrorKind::kBadShape);
  EXPECT_NE(unaligned.error().message.find("codes"), std::string::npos);
  EXPECT_EQ(memory.bytes(), Vector(4096, kUnwritten));
}

}  // namespace
}  // namespace imp::test
