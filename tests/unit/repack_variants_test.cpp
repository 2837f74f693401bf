// The layouts beside NVFP4: both paths, both ways, against the reference; damage is named.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/layout_variants.h"

namespace imp::test {
namespace {

using reference::WordMatrix;
using repack::Path;

std::string shape_name(size_t rows, size_t columns) {
  return std::to_string(rows) + " x " + std::to_string(columns);
}

void expect_round_trip(const PlaneLayout& layout, const WordMatrix& elements) {
  const std::vector<std::byte> source = canonical(layout.bits, elements);
  const std::vector<std::byte> expected = to_bytes(layout.reference(elements));
  for (const Path path : kPaths) {
    SCOPED_TRACE(path_name(path));
    const std::vector<std::byte> packed = pack(layout, elements, path);
    EXPECT_TRUE(packed == expected);
    std::vector<std::byte> back(source.size(), kUnwritten);
    ASSERT_TRUE(layout.unpack(packed, elements.rows, elements.columns, path, back).ok());
    EXPECT_TRUE(back == source);
  }
}

TEST(PlaneLayouts, RaggedShapesRoundTrip) {
  const std::pair<size_t, size_t> shapes[] = {{1, 1},   {1, 64},   {64, 64}, {63, 65},
                                              {65, 63}, {128, 80}, {70, 33}, {64, 600}};
  for (const PlaneLayout& layout : plane_layouts())
    for (const auto& [rows, columns] : shapes) {
      SCOPED_TRACE(std::string(layout.name) + ", " + shape_name(rows, columns));
      expect_round_trip(layout, random_elements(layout.bits, rows, columns,
                                                static_cast<uint32_t>(1000 * rows + columns)));
    }
}

TEST(PlaneLayouts, RandomShapesRoundTrip) {
  Random random(3636);
  for (const PlaneLayout& layout : plane_layouts())
    for (int i = 0; i < 12; ++i) {
      const size_t rows = 1 + random() % 200, columns = 1 + random() % 300;
      SCOPED_TRACE(std::string(layout.name) + ", " + shape_name(rows, columns));
      expect_round_trip(layout, random_elements(layout.bits, rows, columns, random()));
    }
}

TEST(PlaneLayouts, NothingIsNoBytes) {
  for (const PlaneLayout& layout : plane_layouts()) {
    SCOPED_TRACE(layout.name);
    EXPECT_EQ(layout.size(0, 64), 0u);
    for (const Path path : kPaths) {
      layout.pack({}, 0, 64, path, {});
      EXPECT_TRUE(layout.unpack({}, 0, 64, path, {}).ok());
    }
  }
}

/// With an odd number of elements of 4 bits a row ends with half a byte; it is no code.
TEST(PlaneLayouts, HalfABytePastARowIsNotPacked) {
  for (const PlaneLayout& layout : {mma64_codes(4), mma64_plane(4)}) {
    const WordMatrix elements = random_elements(4, 2, 33, 8);
    std::vector<std::byte> source = canonical(4, elements);
    source[16] |= std::byte{0xF0};
    for (const Path path : kPaths) {
      SCOPED_TRACE(std::string(layout.name) + ", " + path_name(path));
      std::vector<std::byte> out(layout.size(2, 33), kUnwritten);
      layout.pack(source, 2, 33, path, out);
      EXPECT_TRUE(out == to_bytes(layout.reference(elements)));
    }
  }
}

struct Damage {
  PlaneLayout layout;
  size_t byte;
  uint8_t xor_with;
  const char* message;
};

// 70 rows x 33 columns.
std::vector<Damage> damages() {
  return {
      // Block 0, n = 3, k = 33: j = 0, c = 2, i = e = 1: lane 14, nibble 4 of word 0.
      {mma64_codes(4), 14 * 16 + 2, 0x01, "padding at row 3, column 33 is not zero"},
      // Block 1, n = 15 (row 79), k = 16: j = 1, g = 7, c = 1: lane 29, odd half.
      {mma64_codes(4), 2048 + 29 * 16 + 8, 0x01, "padding at row 79, column 16 is not zero"},
      {mma64_codes(8), 3 * 64 + 33, 0x80, "padding at row 3, column 33 is not zero"},
      {mma64_codes(8), 4096 + 63 * 64 + 63, 0x01, "padding at row 127, column 63 is not zero"},
      // Row 70 = 64 + 6: element 48 of tile 1, group 32.
      {mma64_plane(4), (33 + 32) * 64 + 48, 0x01, "padding at row 70, group 32 is not zero"},
      {mma64_plane(8), (33 + 32) * 64 + 48, 0x80, "padding at row 70, group 32 is not zero"},
      {mma64_plane(16), 2 * ((33 + 32) * 64 + 48) + 1, 0x80,
       "padding at row 70, group 32 is not zero"},
      {mma64_plane(32), 4 * ((33 + 32) * 64 + 48) + 3, 0x80,
       "padding at row 70, group 32 is not zero"},
      {native_bytes(), 69 * 48 + 47, 0x10, "padding at row 69, column 47 is not zero"},
  };
}

TEST(PlaneLayouts, UnpackRefusesOneDamagedPlace) {
  for (const Damage& damage : damages()) {
    const WordMatrix elements = random_elements(damage.layout.bits, 70, 33, 5);
    const std::vector<std::byte> good = pack(damage.layout, elements, Path::kMap);
    for (const Path path : kPaths) {
      SCOPED_TRACE(std::string(damage.layout.name) + ", " + path_name(path) + ": " +
                   damage.message);
      std::vector<std::byte> out(canonical(damage.layout.bits, elements).size());
      ASSERT_TRUE(damage.layout.unpack(good, 70, 33, path, out).ok());
      std::vector<std::byte> bad = good;
      bad[damage.byte] ^= std::byte{damage.xor_with};
      const Status status = damage.layout.unpack(bad, 70, 33, path, out);
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().kind, ErrorKind::kInverseMismatch);
      EXPECT_EQ(status.error().message, damage.message);
    }
  }
}

TEST(PlaneLayouts, UnpackRefusesAZeroPointOfMoreThanFourBits) {
  const PlaneLayout layout = mma64_plane(4);
  const WordMatrix elements{70, 33, std::vector<uint32_t>(70 * 33, 8)};
  const std::vector<std::byte> good = pack(layout, elements, Path::kMap);
  for (const Path path : kPaths) {
    SCOPED_TRACE(path_name(path));
    std::vector<std::byte> out(canonical(4, elements).size());
    ASSERT_TRUE(layout.unpack(good, 70, 33, path, out).ok());
    std::vector<std::byte> bad = good;
    bad[2 * 64 + 8 * 3 + 1] ^= std::byte{0x10};  // group 2, g = 3, j = 1
    const Status status = layout.unpack(bad, 70, 33, path, out);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kInverseMismatch);
    EXPECT_EQ(status.error().message, "element 24 at row 11, group 2 has more than 4 bits");
  }
}

TEST(PlaneLayouts, SizesByHand) {
  EXPECT_EQ(repack::mma64_codes_bytes(4, 65, 64), 2 * 2048u);
  EXPECT_EQ(repack::mma64_codes_bytes(8, 64, 65), 2 * 4096u);
  EXPECT_EQ(repack::mma64_plane_bytes(4, 65, 3), 2 * 3 * 64u);
  EXPECT_EQ(repack::mma64_plane_bytes(32, 1, 1), 256u);
  EXPECT_EQ(repack::native_bytes_pitch(33), 48u);
  EXPECT_EQ(repack::mma64_mxfp4_bytes(65, 32), 2 * 2176u);
}

struct Unpacked {
  std::vector<std::byte> codes;
  std::vector<std::byte> scales;
};

Status unpack_mxfp4(Bytes packed, size_t rows, size_t k, Path path, Unpacked& out) {
  out.codes.assign(rows * (k / 2), kUnwritten);
  out.scales.assign(rows * (k / 32), kUnwritten);
  return repack::mma64_mxfp4_unpack(packed, rows, k, path, out.codes, out.scales);
}

void expect_round_trip(const Mxfp4Matrix& matrix) {
  const std::vector<std::byte> expected =
      to_bytes(reference::mma64_mxfp4(matrix.codes, matrix.scales));
  for (const Path path : kPaths) {
    SCOPED_TRACE(path_name(path));
    const std::vector<std::byte> packed = pack_mxfp4(matrix, path);
    EXPECT_TRUE(packed == expected);
    Unpacked back;
    ASSERT_TRUE(unpack_mxfp4(packed, matrix.codes.rows, matrix.codes.columns, path, back).ok());
    EXPECT_TRUE(back.codes == to_bytes(reference::canonical_nibbles(matrix.codes)));
    EXPECT_TRUE(back.scales == to_bytes(matrix.scales.at));
  }
}

TEST(Mma64Mxfp4, ShapesRoundTrip) {
  Random random(1818);
  std::vector<std::pair<size_t, size_t>> shapes = {{1, 32},  {64, 64},   {65, 96},
                                                   {63, 32}, {71, 1120}, {128, 128}};
  for (int i = 0; i < 12; ++i) shapes.push_back({1 + random() % 200, 32 * (1 + random() % 12)});
  for (const auto& [rows, k] : shapes) {
    SCOPED_TRACE(shape_name(rows, k));
    expect_round_trip(random_mxfp4(rows, k, random()));
  }
}

/// 70 x 96: two rows of tiles, two tiles a row, of which the second has one group.
TEST(Mma64Mxfp4, UnpackRefusesOneDamagedPlace) {
  const struct {
    size_t byte;
    uint8_t xor_with;
    const char* message;
  } cases[] = {
      // Tile (0, 1): n = 3, k = 32: lane 14, word 0, code 0: register 0, bits 6..8 of the half.
      {2176 + 14 * 16, 0x40, "padding at row 3, column 96 is not zero"},
      {2176 + 2048 + (2 * 3 + 1) * 8, 0x7F, "padding at row 3, group 3 is not zero"},
      // Tile (1, 0): n = 15: j = 1, g = 7.
      {2 * 2176 + 2048 + (2 * 7 + 1) * 8 + 1, 0x01, "padding at row 79, group 1 is not zero"},
      {3 * 2176 + 63 / 8 / 2 * 512 + 28 * 16 + 8, 0x40,
       "padding at row 127, column 64 is not zero"},
  };
  const std::vector<std::byte> good = pack_mxfp4(random_mxfp4(70, 96, 6), Path::kMap);
  for (const auto& damage : cases)
    for (const Path path : kPaths) {
      SCOPED_TRACE(std::string(path_name(path)) + ": " + damage.message);
      Unpacked out;
      ASSERT_TRUE(unpack_mxfp4(good, 70, 96, path, out).ok());
      std::vector<std::byte> bad = good;
      bad[damage.byte] ^= std::byte{damage.xor_with};
      const Status status = unpack_mxfp4(bad, 70, 96, path, out);
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().kind, ErrorKind::kInverseMismatch);
      EXPECT_EQ(status.error().message, damage.message);
    }
}

TEST(DoubleScales, EachStandsTwiceAndBack) {
  const std::vector<std::byte> scales = to_bytes({1, 2, 3, 0x80, 5, 6});
  std::vector<std::byte> doubled(12, kUnwritten), back(6, kUnwritten);
  repack::double_scales(scales, doubled);
  EXPECT_EQ(doubled, to_bytes({1, 1, 2, 2, 3, 3, 0x80, 0x80, 5, 5, 6, 6}));
  ASSERT_TRUE(repack::halve_scales(doubled, 3, back).ok());
  EXPECT_EQ(back, scales);
  doubled[9] = std::byte{7};
  const Status status = repack::halve_scales(doubled, 3, back);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kInverseMismatch);
  EXPECT_EQ(status.error().message,
            "row 1, group 1 has scales 5 and 7 for its halves, expected one");
}

/// NVFP4 with a scale per 32: doubled scales through the blocks of NVFP4, the exceptions put back,
/// halved again. Zero scales over live codes, in one half or both, and -0 lose nothing.
TEST(Nvfp4G32, RoundTripsThroughTheBlocksOfNvfp4) {
  Random random(1717);
  for (int i = 0; i < 12; ++i) {
    const size_t rows = 1 + random() % 150, groups = 1 + random() % 8, k = 32 * groups;
    SCOPED_TRACE(shape_name(rows, k));
    const Planes source([&] {
      Nvfp4Matrix matrix{random_matrix(rows, k, random()).codes, {rows, groups, {}}};
      for (size_t at = 0; at < rows * groups; ++at) {
        const uint32_t kind = random() % 8;
        matrix.scales.at.push_back(static_cast<uint8_t>(kind == 0   ? 0x00
                                                        : kind == 1 ? 0x80
                                                                    : random() % 127));
        // The first half of some groups is all zeros.
        if (random() % 2 == 0)
          std::fill_n(matrix.codes.at.begin() + static_cast<std::ptrdiff_t>(32 * at), 16,
                      uint8_t{0});
      }
      return matrix;
    }());
    std::vector<std::byte> doubled(2 * source.scales.size());
    repack::double_scales(source.scales, doubled);
    for (const Path path : kPaths) {
      SCOPED_TRACE(path_name(path));
      std::vector<std::byte> packed(repack::mma64_nvfp4_bytes(rows, k), kUnwritten);
      std::vector<repack::LostGroup> lost;
      repack::mma64_nvfp4_pack({source.codes, doubled, rows, k}, 0, path, packed, lost);
      Unpacked back{std::vector<std::byte>(source.codes.size()),
                    std::vector<std::byte>(source.scales.size())};
      std::vector<std::byte> scales(doubled.size());
      ASSERT_TRUE(repack::mma64_nvfp4_unpack(packed, rows, k, path, back.codes, scales).ok());
      for (const repack::LostGroup& group : lost) {
        scales.at(group.group_index) = std::byte{group.scale};
        std::memcpy(&back.codes.at(8 * group.group_index), group.codes.data(), 8);
      }
      ASSERT_TRUE(repack::halve_scales(scales, groups, back.scales).ok());
      EXPECT_TRUE(back.codes == source.codes);
      EXPECT_TRUE(back.scales == source.scales);
    }
  }
}

}  // namespace
}  // namespace imp::test
