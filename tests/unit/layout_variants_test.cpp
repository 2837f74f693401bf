// The layouts beside NVFP4: golden pieces made by scripts/make_layout_variant_examples.py from the
// specification alone, and paint: every bit of the source found in its one place.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/bit_paint.h"
#include "tests/unit/layout_variants.h"

namespace imp::test {
namespace {

using reference::ByteMatrix;
using reference::WordMatrix;

/// Bytes of a dump with an offset before each line of 16.
std::vector<std::byte> golden(const std::string& name) {
  std::ifstream in(std::string(IMP_GOLDEN) + "/" + name);
  EXPECT_TRUE(in) << name;
  std::vector<std::byte> bytes;
  for (std::string line; std::getline(in, line);) {
    std::istringstream rest(line.substr(line.find(' ')));
    for (unsigned byte; rest >> std::hex >> byte;) bytes.push_back(static_cast<std::byte>(byte));
  }
  return bytes;
}

WordMatrix filled(size_t rows, size_t columns,
                  const std::function<uint32_t(uint32_t, uint32_t)>& element) {
  WordMatrix matrix{rows, columns, {}};
  for (uint32_t row = 0; row < rows; ++row)
    for (uint32_t column = 0; column < columns; ++column) matrix.at.push_back(element(row, column));
  return matrix;
}

uint32_t code4(uint32_t n, uint32_t k) { return (5 * n + 3 * k + k / 16) % 16; }

TEST(VariantGolden, PlanesBothPathsAndReference) {
  const struct {
    const char* file;
    PlaneLayout layout;
    WordMatrix elements;
  } cases[] = {
      {"mma64_int4_v0_block.hex", mma64_codes(4), filled(64, 64, code4)},
      {"mma64_bytes_v0_block.hex", mma64_codes(8),
       filled(64, 64, [](uint32_t n, uint32_t k) { return (7 * n + 3 * k + k / 16) % 256; })},
      {"mma64_plane16_v0.hex", mma64_plane(16),
       filled(70, 3, [](uint32_t n, uint32_t group) { return 3 * n + group + 1; })},
      {"mma64_plane8_v0.hex", mma64_plane(8),
       filled(70, 3, [](uint32_t n, uint32_t group) { return (7 * n + 5 * group + 1) % 256; })},
      {"mma64_plane4_v0.hex", mma64_plane(4),
       filled(70, 3, [](uint32_t n, uint32_t group) { return (5 * n + 3 * group) % 16; })},
      {"native_mxfp8_v0_rows.hex", native_bytes(),
       filled(3, 33, [](uint32_t n, uint32_t k) { return 64 * n + k; })},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.file);
    const std::vector<std::byte> want = golden(c.file);
    EXPECT_FALSE(want.empty());
    EXPECT_TRUE(to_bytes(c.layout.reference(c.elements)) == want);
    for (const repack::Path path : kPaths)
      EXPECT_TRUE(pack(c.layout, c.elements, path) == want) << path_name(path);
  }
}

TEST(VariantGolden, Mxfp4BlockBothPathsAndReference) {
  const std::vector<std::byte> want = golden("mma64_mxfp4_v0_block.hex");
  ASSERT_EQ(want.size(), 2176u);
  const Mxfp4Matrix matrix{
      narrow(filled(64, 64, code4)),
      narrow(filled(64, 2, [](uint32_t n, uint32_t h) { return (37 * (2 * n + h) + 1) % 255; }))};
  EXPECT_TRUE(to_bytes(reference::mma64_mxfp4(matrix.codes, matrix.scales)) == want);
  for (const repack::Path path : kPaths)
    EXPECT_TRUE(pack_mxfp4(matrix, path) == want) << path_name(path);
}

TEST(VariantPaint, PlanesHoldEveryBitInItsPlace) {
  constexpr size_t kRows = 100, kColumns = 90;
  for (const PlaneLayout& layout : plane_layouts()) {
    SCOPED_TRACE(layout.name);
    const size_t bits = kRows * kColumns * layout.bits;
    const auto by_reference = permutation(bits, [&](uint32_t pass) {
      return to_bytes(layout.reference(painted(layout.bits, kRows, kColumns, pass)));
    });
    expect_every_bit_once(by_reference, bits);
    for (const repack::Path path : kPaths)
      EXPECT_TRUE(permutation(bits,
                              [&](uint32_t pass) {
                                return pack(layout, painted(layout.bits, kRows, kColumns, pass),
                                            path);
                              }) == by_reference)
          << path_name(path);
  }
}

TEST(VariantPaint, Mxfp4HoldsEveryBitInItsPlace) {
  constexpr size_t kRows = 100, kColumns = 96, kGroups = kColumns / 32;
  constexpr size_t kCodeBits = 4 * kRows * kColumns, kBits = kCodeBits + 8 * kRows * kGroups;
  const auto matrix = [&](uint32_t pass) {
    return Mxfp4Matrix{narrow(painted(4, kRows, kColumns, pass)),
                       narrow(painted(8, kRows, kGroups, pass, kCodeBits))};
  };
  const auto by_reference = permutation(kBits, [&](uint32_t pass) {
    const Mxfp4Matrix m = matrix(pass);
    return to_bytes(reference::mma64_mxfp4(m.codes, m.scales));
  });
  expect_every_bit_once(by_reference, kBits);
  for (const repack::Path path : kPaths)
    EXPECT_TRUE(permutation(kBits, [&](uint32_t pass) { return pack_mxfp4(matrix(pass), path); }) ==
                by_reference)
        << path_name(path);
}

/// Bits by hand, code (n, k) = (77, 67) of 90 columns: block (1, 1) of 2 tiles a row; n%64 = 13:
/// j = 1, g = 5; k%64 = 3: c = 0, i = e = 3: register 1, upper half; lane 20.
TEST(VariantPaint, BitsByHand) {
  constexpr size_t kRows = 100, kColumns = 90;
  const auto numbers = [&](const PlaneLayout& layout) {
    return permutation(kRows * kColumns * layout.bits, [&](uint32_t pass) {
      return pack(layout, painted(layout.bits, kRows, kColumns, pass), repack::Path::kWord);
    });
  };
  const auto number_of = [](uint32_t bits, size_t row, size_t column, uint32_t bit) {
    return static_cast<uint32_t>(bits * (row * kColumns + column) + bit + 1);
  };
  EXPECT_EQ(numbers(mma64_codes(4)).at(8 * (3 * 2048 + 20 * 16 + 8) + 16 + 4 + 2),
            number_of(4, 77, 67, 2));
  EXPECT_EQ(numbers(mma64_codes(8)).at(8 * (3 * 4096 + 512 + 20 * 16 + 3) + 7),
            number_of(8, 77, 67, 7));
  // Group 67 of 90 in the second tile: element 5 * 8 + 1.
  EXPECT_EQ(numbers(mma64_plane(16)).at(16 * ((90 + 67) * 64 + 41) + 15),
            number_of(16, 77, 67, 15));
}

}  // namespace
}  // namespace imp::test
