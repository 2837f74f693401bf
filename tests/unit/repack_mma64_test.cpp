// mma64 NVFP4: reference == map path == word path, back again with the exceptions, and what is
// refused.
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/layout_planes.h"

namespace imp::test {
namespace {

using repack::LostGroup;
using repack::Path;

/// Unpacked planes, with the exceptions put back.
struct Unpacked {
  std::vector<std::byte> codes;
  std::vector<std::byte> scales;
};

Status unpack(const std::vector<std::byte>& packed, uint64_t rows, uint64_t k, Path path,
              Unpacked& out) {
  out.codes.assign(rows * (k / 2), kUnwritten);
  out.scales.assign(rows * (k / 16), kUnwritten);
  return repack::mma64_nvfp4_unpack(packed, rows, k, path, out.codes, out.scales);
}

void apply(const std::vector<LostGroup>& lost, uint64_t first_row, uint64_t k, Unpacked& out) {
  for (const LostGroup& group : lost) {
    const uint64_t at = group.group_index - first_row * (k / 16);
    out.scales.at(at) = std::byte{group.scale};
    for (size_t i = 0; i < 8; ++i) out.codes.at(8 * at + i) = std::byte{group.codes[i]};
  }
}

void expect_round_trip(const Nvfp4Matrix& matrix, uint64_t first_row) {
  const Planes planes(matrix);
  const std::vector<std::byte> expected =
      to_bytes(reference::mma64_nvfp4(matrix.codes, matrix.scales));
  std::vector<LostGroup> lost_of_path[2];
  for (const Path path : kPaths) {
    SCOPED_TRACE(path_name(path));
    std::vector<LostGroup>& lost = lost_of_path[static_cast<size_t>(path)];
    const std::vector<std::byte> packed = pack_mma64(planes, path, lost, first_row);
    EXPECT_TRUE(packed == expected);
    Unpacked back;
    const Status status = unpack(packed, planes.rows, planes.k, path, back);
    ASSERT_TRUE(status.ok()) << status.error().message;
    apply(lost, first_row, planes.k, back);
    EXPECT_TRUE(back.codes == planes.codes);
    EXPECT_TRUE(back.scales == planes.scales);
  }
  EXPECT_EQ(lost_of_path[0], lost_of_path[1]);
}

TEST(Mma64, RaggedEdges) {
  const std::pair<size_t, size_t> shapes[] = {{1, 16},    {1, 64},   {63, 16},  {64, 64},
                                              {64, 80},   {65, 64},  {100, 80}, {130, 48},
                                              {64, 1088}, {71, 1104}};
  for (const auto& [rows, k] : shapes) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(k));
    expect_round_trip(random_matrix(rows, k, static_cast<uint32_t>(1000 * rows + k)), 0);
  }
}

TEST(Mma64, RandomShapes) {
  Random random(20240);
  std::set<uint8_t> scales_seen;
  for (int i = 0; i < 20; ++i) {
    const size_t rows = 1 + random() % 200, k = 16 * (1 + random() % 30);
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(k));
    const Nvfp4Matrix matrix = random_matrix(rows, k, random());
    scales_seen.insert(matrix.scales.at.begin(), matrix.scales.at.end());
    expect_round_trip(matrix, random() % 100000);
  }
  EXPECT_EQ(scales_seen.size(), 128u) << "all 127 non-negative scales and -0 must have been there";
}

TEST(Mma64, ZeroRowsAreNoBytes) {
  EXPECT_EQ(repack::mma64_nvfp4_bytes(0, 64), 0u);
  std::vector<LostGroup> lost;
  repack::mma64_nvfp4_pack({}, 0, Path::kWord, {}, lost);
  EXPECT_TRUE(lost.empty());
}

TEST(Mma64, SizeIsWholeBlocks) {
  EXPECT_EQ(repack::mma64_nvfp4_bytes(100, 80), 9216u);
  EXPECT_EQ(repack::mma64_nvfp4_bytes(64, 64), 2304u);
  EXPECT_EQ(repack::mma64_nvfp4_bytes(65, 16), 2 * 2304u);
}

/// 70 x 48, codes 1, scales 1.0: nothing special anywhere.
Nvfp4Matrix ordinary() {
  Nvfp4Matrix matrix{{70, 48, {}}, {70, 3, {}}};
  matrix.codes.at.assign(70 * 48, 1);
  matrix.scales.at.assign(70 * 3, 0x38);
  return matrix;
}

void set_group(Nvfp4Matrix& matrix, size_t row, size_t group, uint8_t scale, uint8_t code) {
  matrix.scales.at[row * 3 + group] = scale;
  for (size_t i = 0; i < 16; ++i) matrix.codes.at[row * 48 + group * 16 + i] = code;
}

TEST(Mma64, GroupsThatLoseBitsAreRecordedInOrder) {
  Nvfp4Matrix matrix = ordinary();
  set_group(matrix, 2, 0, 0x00, 0);   // loses nothing
  set_group(matrix, 2, 1, 0x80, 0);   // loses the sign of the scale
  set_group(matrix, 2, 2, 0x00, 8);   // minus zeros
  set_group(matrix, 65, 0, 0x80, 5);  // live codes
  const LostGroup expected[] = {
      {1000 * 3 + 7, 0x80, {}},
      {1000 * 3 + 8, 0x00, {0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88}},
      {1000 * 3 + 195, 0x80, {0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55}},
  };
  for (const Path path : kPaths) {
    SCOPED_TRACE(path_name(path));
    std::vector<LostGroup> lost = {{1, 2, {}}};  // what is there stays
    pack_mma64(Planes(matrix), path, lost, 1000);
    ASSERT_EQ(lost.size(), 4u);
    EXPECT_EQ(lost[0], (LostGroup{1, 2, {}}));
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(lost[i + 1], expected[i]) << i;
  }
  expect_round_trip(matrix, 1000);
}

TEST(Mma64, ZeroGroupsAreStoredAsZeros) {
  Nvfp4Matrix matrix = ordinary();
  set_group(matrix, 3, 2, 0x80, 9);
  for (const Path path : kPaths) {
    SCOPED_TRACE(path_name(path));
    const std::vector<std::byte> packed = pack_mma64(Planes(matrix), path);
    // n = 3: j = 0, g = 3; group 2: lane 14.
    for (size_t byte = 14 * 16; byte < 14 * 16 + 8; ++byte) EXPECT_EQ(packed[byte], std::byte{0});
    EXPECT_EQ(packed[2048 + 14 * 8], std::byte{0});
  }
}

TEST(LostGroup, RecordIs17LittleEndianBytes) {
  const LostGroup group{0x0102030405060708, 0x80, {1, 2, 3, 4, 5, 6, 7, 0x98}};
  std::vector<std::byte> out = {std::byte{0xEE}};
  repack::append_record(group, out);
  const std::vector<std::byte> expected =
      to_bytes({0xEE, 8, 7, 6, 5, 4, 3, 2, 1, 0x80, 1, 2, 3, 4, 5, 6, 7, 0x98});
  EXPECT_EQ(out, expected);
  EXPECT_EQ(repack::kLostGroupBytes, 17u);
  EXPECT_EQ(repack::parse_record(out.data() + 1), group);
}

struct Damage {
  const char* name;
  size_t byte;
  uint8_t xor_with;
  const char* message;
};

// 70 x 48 has two blocks: rows 0..63, and rows 64..69 with padding below; groups 0..2 and a padded
// one.
const Damage kDamages[] = {
    // n = 3, group 3 (columns 48..63): lane 15, h = 0
    {"code bit in the padding of K", 15 * 16, 0x01, "padding at row 3, group 3 is not zero"},
    {"scale in the padding of K", 2048 + 15 * 8, 0x78, "padding at row 3, group 3 is not zero"},
    // n = 64 + 15: j = 1, g = 7, group 1: lane 29, odd half of the vector
    {"code bit in the padding of N", 2304 + 29 * 16 + 8, 0x80,
     "padding at row 79, group 1 is not zero"},
    {"scale in the padding of N", 2304 + 2048 + 29 * 8 + 1, 0x01,
     "padding at row 79, group 1 is not zero"},
    // 1.0 is stored as 0x78; row 9: j = 1, g = 1, group 2: lane 6. 0x78 ^ 0x4F = 0x37, between
    // encodings.
    {"scale that is no encoding", 2048 + 6 * 8 + 1, 0x4F,
     "stored scale 55 of row 9, group 2 is the encoding of no E4M3 scale"},
    {"scale above the largest", 2048 + 6 * 8 + 1, 0xC7,
     "stored scale 191 of row 9, group 2 is the encoding of no E4M3 scale"},
    {"scale zero over live codes", 2048 + 6 * 8 + 1, 0x78,
     "scale of row 9, group 2 is zero but its codes are not"},
};

TEST(Mma64, UnpackRefusesOneDamagedPlace) {
  const std::vector<std::byte> good = pack_mma64(Planes(ordinary()), Path::kMap);
  for (const Path path : kPaths)
    for (const Damage& damage : kDamages) {
      SCOPED_TRACE(std::string(path_name(path)) + ": " + damage.name);
      Unpacked out;
      ASSERT_TRUE(unpack(good, 70, 48, path, out).ok());
      std::vector<std::byte> bad = good;
      bad[damage.byte] ^= std::byte{damage.xor_with};
      const Status status = unpack(bad, 70, 48, path, out);
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().kind, ErrorKind::kInverseMismatch);
      EXPECT_EQ(status.error().message, damage.message);
    }
}

/// In a block without padding the word path looks closer only where a scale is not normal.
TEST(Mma64, UnpackRefusesCodesUnderAZeroScaleInAWholeBlock) {
  Nvfp4Matrix matrix{{64, 64, {}}, {64, 4, {}}};
  matrix.codes.at.assign(64 * 64, 0);
  matrix.scales.at.assign(64 * 4, 0x38);
  matrix.scales.at[5 * 4 + 1] = 0;
  const std::vector<std::byte> good = pack_mma64(Planes(matrix), Path::kWord);
  for (const Path path : kPaths) {
    SCOPED_TRACE(path_name(path));
    Unpacked out;
    ASSERT_TRUE(unpack(good, 64, 64, path, out).ok());
    std::vector<std::byte> bad = good;
    bad[(4 * 5 + 1) * 16 + 7] ^= std::byte{0x10};
    const Status status = unpack(bad, 64, 64, path, out);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kInverseMismatch);
    EXPECT_EQ(status.error().message, "scale of row 5, group 1 is zero but its codes are not");
  }
}

}  // namespace
}  // namespace imp::test
