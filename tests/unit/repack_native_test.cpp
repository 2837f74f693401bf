// native: rows with a pitch, and scales in 128x4 tiles; both paths, both ways.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "tests/unit/layout_planes.h"

namespace imp::test {
namespace {

using repack::Path;

reference::ByteMatrix random_bytes(size_t rows, size_t columns, uint32_t below, uint32_t seed) {
  Random random(seed);
  reference::ByteMatrix matrix{rows, columns, {}};
  for (size_t i = 0; i < rows * columns; ++i)
    matrix.at.push_back(static_cast<uint8_t>(random() % below));
  return matrix;
}

std::vector<std::byte> pack_scales(const reference::ByteMatrix& scales, Path path) {
  std::vector<std::byte> out(layouts::sf128x4::size_bytes(scales.rows, scales.columns), kUnwritten);
  repack::sf128x4_pack(to_bytes(scales.at), scales.rows, scales.columns, path, out);
  return out;
}

std::vector<std::byte> pack_rows(const reference::ByteMatrix& codes, Path path) {
  std::vector<std::byte> out(codes.rows * layouts::native_rows::pitch_bytes(codes.columns),
                             kUnwritten);
  repack::native_rows_pack(to_bytes(reference::canonical_nibbles(codes)), codes.rows, codes.columns,
                           path, out);
  return out;
}

TEST(Sf128x4, PacksAndUnpacksRaggedShapes) {
  const std::pair<size_t, size_t> shapes[] = {{1, 1},   {1, 4},   {32, 4},  {33, 3}, {100, 5},
                                              {128, 4}, {129, 6}, {300, 9}, {64, 13}};
  for (const auto& [rows, groups] : shapes) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(groups));
    const auto scales = random_bytes(rows, groups, 256, static_cast<uint32_t>(rows + groups));
    for (const Path path : kPaths) {
      SCOPED_TRACE(path_name(path));
      const std::vector<std::byte> packed = pack_scales(scales, path);
      EXPECT_TRUE(packed == to_bytes(reference::sf128x4(scales)));
      std::vector<std::byte> back(rows * groups, kUnwritten);
      ASSERT_TRUE(repack::sf128x4_unpack(packed, rows, groups, path, back).ok());
      EXPECT_TRUE(back == to_bytes(scales.at));
    }
  }
}

TEST(Sf128x4, UnpackRefusesPaddingThatIsNotZero) {
  const auto scales = random_bytes(100, 5, 127, 1);
  const std::vector<std::byte> good = pack_scales(scales, Path::kMap);
  const std::pair<size_t, const char*> damages[] = {
      {512 + 1, "padding at row 0, group 5 is not zero"},                 // tile 1, group 4 + 1
      {(100 - 96) * 16 + 12, "padding at row 100, group 0 is not zero"},  // row 100 = 96 + 4
      {512 + 31 * 16 + 15, "padding at row 127, group 7 is not zero"}};
  for (const Path path : kPaths)
    for (const auto& [byte, message] : damages) {
      SCOPED_TRACE(std::string(path_name(path)) + ": " + message);
      std::vector<std::byte> out(500);
      std::vector<std::byte> bad = good;
      ASSERT_TRUE(repack::sf128x4_unpack(bad, 100, 5, path, out).ok());
      bad[byte] ^= std::byte{0x10};
      const Status status = repack::sf128x4_unpack(bad, 100, 5, path, out);
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().kind, ErrorKind::kInverseMismatch);
      EXPECT_EQ(status.error().message, message);
    }
}

TEST(NativeRows, PacksAndUnpacksRaggedShapes) {
  const std::pair<size_t, size_t> shapes[] = {{1, 16}, {3, 32}, {5, 48},
                                              {7, 80}, {2, 33}, {64, 400}};
  for (const auto& [rows, k] : shapes) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(k));
    const auto codes = random_bytes(rows, k, 16, static_cast<uint32_t>(rows * k));
    for (const Path path : kPaths) {
      SCOPED_TRACE(path_name(path));
      const std::vector<std::byte> packed = pack_rows(codes, path);
      EXPECT_TRUE(packed == to_bytes(reference::native_rows(codes)));
      std::vector<std::byte> back(rows * ((k + 1) / 2), kUnwritten);
      ASSERT_TRUE(repack::native_rows_unpack(packed, rows, k, path, back).ok());
      EXPECT_TRUE(back == to_bytes(reference::canonical_nibbles(codes)));
    }
  }
}

TEST(NativeRows, UnpackRefusesPaddingThatIsNotZero) {
  const auto codes = random_bytes(3, 48, 16, 2);  // 24 bytes a row, pitch 32
  const std::vector<std::byte> good = pack_rows(codes, Path::kMap);
  for (const Path path : kPaths) {
    SCOPED_TRACE(path_name(path));
    std::vector<std::byte> out(3 * 24);
    ASSERT_TRUE(repack::native_rows_unpack(good, 3, 48, path, out).ok());
    std::vector<std::byte> bad = good;
    bad[2 * 32 + 24] ^= std::byte{0x40};
    const Status status = repack::native_rows_unpack(bad, 3, 48, path, out);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kInverseMismatch);
    EXPECT_EQ(status.error().message, "padding at row 2, byte 24 is not zero");
  }
}

}  // namespace
}  // namespace imp::test
