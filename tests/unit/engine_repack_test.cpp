// Other engines' layouts: both paths, both ways, against the reference; slabs of rows make up the
// whole; damage is named.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "src/repack/fragment_words.h"
#include "tests/unit/bit_paint.h"
#include "tests/unit/engine_planes.h"

namespace imp::test {
namespace {

using reference::WordMatrix;
using repack::PaddedBox;
using repack::Path;
using repack::Runs;
using repack::TileOrder;

std::string shape_name(const PaddedBox& box) {
  return std::to_string(box.rows) + " x " + std::to_string(box.columns) + " in " +
         std::to_string(box.padded_rows) + " x " + std::to_string(box.padded_columns);
}

void expect_round_trip(const EnginePlane& plane, const PaddedBox& box, uint32_t seed) {
  SCOPED_TRACE(std::string(plane.name) + ", " + shape_name(box));
  const WordMatrix elements = random_elements(plane.bits, box.rows, box.columns, seed);
  const std::vector<std::byte> source = canonical(plane.bits, elements);
  const std::vector<std::byte> expected = expected_bytes(plane, elements, box);
  for (const Path path : kPaths) {
    SCOPED_TRACE(path_name(path));
    const std::vector<std::byte> packed = pack(plane, elements, box, path);
    EXPECT_TRUE(packed == expected);
    std::vector<std::byte> back(source.size(), kUnwritten);
    const Status status = plane.unpack(packed, box, path, back);
    ASSERT_TRUE(status.ok()) << status.error().to_line();
    EXPECT_TRUE(back == source);
  }
}

TEST(EnginePlanes, RaggedShapesRoundTrip) {
  const std::pair<uint64_t, uint64_t> shapes[] = {
      {1, 1}, {1, 64}, {64, 64}, {63, 65}, {65, 63}, {128, 80}, {70, 33}, {128, 600}, {200, 512}};
  for (const EnginePlane& plane : engine_planes())
    for (const auto& [rows, columns] : shapes)
      expect_round_trip(plane, box_of(plane, rows, columns),
                        static_cast<uint32_t>(1000 * rows + columns));
}

TEST(EnginePlanes, RandomShapesRoundTrip) {
  Random random(4242);
  for (const EnginePlane& plane : engine_planes())
    for (int i = 0; i < 12; ++i) {
      const uint64_t rows = 1 + random() % 300, columns = 1 + random() % 300;
      expect_round_trip(plane, box_of(plane, rows, columns, random() % 3), random());
    }
}

TEST(EnginePlanes, HoldEveryBitInItsPlace) {
  constexpr size_t kRows = 100, kColumns = 90;
  for (const EnginePlane& plane : engine_planes()) {
    SCOPED_TRACE(plane.name);
    const PaddedBox box = box_of(plane, kRows, kColumns);
    const size_t bits = kRows * kColumns * plane.bits;
    const auto painted_pass = [&](uint32_t pass) {
      return painted(plane.bits, kRows, kColumns, pass);
    };
    const auto by_reference = permutation(
        bits, [&](uint32_t pass) { return expected_bytes(plane, painted_pass(pass), box); });
    expect_every_bit_once(by_reference, bits);
    for (const Path path : kPaths)
      EXPECT_TRUE(permutation(bits,
                              [&](uint32_t pass) {
                                return pack(plane, painted_pass(pass), box, path);
                              }) == by_reference)
          << path_name(path);
  }
}

/// Rows row0 to row1 of the matrix, packed alone, put into the whole as engine_tiles.h says.
void put_slab(const EnginePlane& plane, const WordMatrix& elements, const PaddedBox& box,
              uint64_t row0, uint64_t padded_row1, Path path, std::vector<std::byte>& whole) {
  const uint64_t row1 = std::min(padded_row1, box.rows), rows = row1 - std::min(row0, row1);
  WordMatrix slab{rows, box.columns, {}};
  for (uint64_t row = row0; row < row0 + rows; ++row)
    for (uint64_t column = 0; column < box.columns; ++column)
      slab.at.push_back(elements(row, column));
  const PaddedBox slab_box{rows, box.columns, padded_row1 - row0, box.padded_columns};
  const std::vector<std::byte> packed = pack(plane, slab, slab_box, path);
  const auto bytes_of = [&](uint64_t padded_rows) {
    return plane.runs(padded_rows, box.padded_columns).bytes;
  };
  const Runs runs = plane.runs(slab_box.padded_rows, box.padded_columns);
  for (uint64_t i = 0; i < runs.count; ++i)
    std::copy_n(packed.begin() + static_cast<std::ptrdiff_t>(i * runs.bytes), runs.bytes,
                whole.begin() +
                    static_cast<std::ptrdiff_t>(i * bytes_of(box.padded_rows) + bytes_of(row0)));
}

TEST(EnginePlanes, SlabsOfRowsAreRunsOfTheWhole) {
  constexpr uint64_t kRows = 300, kColumns = 100;
  for (const EnginePlane& plane : engine_planes())
    for (const Path path : kPaths) {
      SCOPED_TRACE(std::string(plane.name) + ", " + path_name(path));
      const PaddedBox box = box_of(plane, kRows, kColumns, 1);
      const WordMatrix elements = random_elements(plane.bits, kRows, kColumns, 77);
      std::vector<std::byte> whole(expected_bytes(plane, elements, box).size(), kUnwritten);
      for (uint64_t row0 = 0; row0 < box.padded_rows; row0 += 2 * plane.unit_rows)
        put_slab(plane, elements, box, row0, std::min(row0 + 2 * plane.unit_rows, box.padded_rows),
                 path, whole);
      EXPECT_TRUE(whole == expected_bytes(plane, elements, box));
    }
}

TEST(EnginePlanes, RunsByHand) {
  const auto expect_runs = [](const Runs& runs, uint64_t count, uint64_t bytes) {
    EXPECT_EQ(runs.count, count);
    EXPECT_EQ(runs.bytes, bytes);
  };
  expect_runs(repack::tile_runs(TileOrder::kMarlin4, 128, 256), 16, 1024);
  expect_runs(repack::tile_runs(TileOrder::kMarlin8, 128, 256), 16, 2048);
  expect_runs(repack::tile_runs(TileOrder::kMaxSm8x, 128, 256), 1, 16384);
  expect_runs(repack::tile_runs(TileOrder::kMachete4, 256, 256), 4, 8192);
  expect_runs(repack::tile_runs(TileOrder::kMachete8, 256, 256), 4, 16384);
  expect_runs(repack::group_runs(repack::GroupOrder::kGroup, 16, 128, 5), 5, 256);
  expect_runs(repack::group_runs(repack::GroupOrder::kZero4, 4, 128, 5), 5, 64);
  EXPECT_EQ(repack::tile_rows(TileOrder::kMarlin4), 64u);
  EXPECT_EQ(repack::tile_rows(TileOrder::kMachete8), 128u);
}

/// With an odd number of elements of 4 bits a row ends with half a byte; it is no code.
TEST(EnginePlanes, HalfABytePastARowIsNotPacked) {
  for (const EnginePlane& plane : engine_planes()) {
    if (plane.bits != 4) continue;
    const WordMatrix elements = random_elements(4, 2, 33, 8);
    const PaddedBox box = box_of(plane, 2, 33);
    std::vector<std::byte> source = canonical(4, elements);
    source[16] |= std::byte{0xF0};
    for (const Path path : kPaths) {
      SCOPED_TRACE(std::string(plane.name) + ", " + path_name(path));
      std::vector<std::byte> out(expected_bytes(plane, elements, box).size(), kUnwritten);
      plane.pack(source, box, path, out);
      EXPECT_TRUE(out == expected_bytes(plane, elements, box));
    }
  }
}

/// Each padding element of a 70 x 33 matrix, in turn of some steps, damaged alone. Its place is
/// found with the reference, from a matrix that has only that element.
TEST(EnginePlanes, UnpackNamesTheDamagedPadding) {
  constexpr uint64_t kRows = 70, kColumns = 33;
  for (const EnginePlane& plane : engine_planes()) {
    const PaddedBox box = box_of(plane, kRows, kColumns, 1);
    const WordMatrix elements = random_elements(plane.bits, kRows, kColumns, 5);
    const std::vector<std::byte> good = expected_bytes(plane, elements, box);
    for (const auto& [row, column] : std::vector<std::pair<uint64_t, uint64_t>>{
             {3, 33}, {70, 0}, {box.padded_rows - 1, box.padded_columns - 1}, {69, 33}, {80, 20}}) {
      WordMatrix spot = reference::padded({0, 0, {}}, box.padded_rows, box.padded_columns);
      spot.at.at(row * box.padded_columns + column) = 1u << (plane.bits - 1);
      const std::vector<std::byte> damage = to_bytes(plane.reference(spot));
      std::vector<std::byte> bad = good;
      for (size_t i = 0; i < bad.size(); ++i) bad[i] ^= damage[i];
      const std::string message = "padding at row " + std::to_string(row) + ", " + plane.column +
                                  " " + std::to_string(column) + " is not zero";
      for (const Path path : kPaths) {
        SCOPED_TRACE(std::string(plane.name) + ", " + path_name(path) + ": " + message);
        std::vector<std::byte> out(canonical(plane.bits, elements).size());
        ASSERT_TRUE(plane.unpack(good, box, path, out).ok());
        const Status status = plane.unpack(bad, box, path, out);
        ASSERT_FALSE(status.ok());
        EXPECT_EQ(status.error().kind, ErrorKind::kInverseMismatch);
        EXPECT_EQ(status.error().message, message);
      }
    }
  }
}

/// Machete's 4-bit word is Marlin's with nibbles 1 and 2, and 5 and 6, exchanged: of 128 n x 64 k,
/// thread T, step t has Marlin's tile (2t + n/64), lane T%32, j = T/32 % 4.
TEST(EngineCodes, MacheteWordsAreMarlinWords) {
  const WordMatrix codes = random_elements(4, 128, 64, 9);
  const auto words = [&](TileOrder order) {
    const std::vector<std::byte> bytes =
        pack(engine_codes(order), codes, {128, 64, 128, 64}, Path::kWord);
    std::vector<uint32_t> out(bytes.size() / 4);
    std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
  };
  const std::vector<uint32_t> marlin = words(TileOrder::kMarlin4);
  const std::vector<uint32_t> machete = words(TileOrder::kMachete4);
  for (uint32_t thread = 0; thread < 256; ++thread)
    for (uint32_t step = 0; step < 4; ++step) {
      const uint32_t word =
          marlin.at((2 * step + thread / 128) * 128 + thread % 32 * 4 + thread / 32 % 4);
      const uint32_t exchanged =
          (word & 0xF00FF00Fu) | (word & 0x00F000F0u) << 4 | (word & 0x0F000F00u) >> 4;
      EXPECT_EQ(machete.at(4 * thread + step), exchanged) << thread << ", " << step;
    }
}

/// An AWQ checkpoint's word of row k holds columns 8w + 0 2 4 6 1 3 5 7. Undoing that order and
/// packing gives each lane nibble p and p + 4 of one n with k even and odd.
TEST(EngineCodes, AwqWordsThroughCanonicalCodes) {
  constexpr uint32_t kN = 64, kK = 16, kColumn[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  Random random(31);
  std::vector<uint32_t> awq(kK * kN / 8);
  for (uint32_t& word : awq) word = random();
  WordMatrix codes{kN, kK, std::vector<uint32_t>(kN * kK)};
  for (uint32_t k = 0; k < kK; ++k)
    for (uint32_t i = 0; i < kN; ++i)
      codes.at.at((i / 8 * 8 + kColumn[i % 8]) * kK + k) =
          awq.at(k * (kN / 8) + i / 8) >> (4 * (i % 8)) & 15;
  const std::vector<std::byte> packed =
      pack(engine_codes(TileOrder::kMarlin4), codes, {kN, kK, kN, kK}, Path::kWord);
  // Lane 4g + c, j, v1, v2: from the AWQ words alone.
  const auto awq_code = [&](uint32_t n, uint32_t k) {
    constexpr uint32_t kNibble[8] = {0, 4, 1, 5, 2, 6, 3, 7};
    return awq.at(k * (kN / 8) + n / 8) >> (4 * kNibble[n % 8]) & 15;
  };
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t j = 0; j < 4; ++j) {
      uint32_t want = 0, got = 0;
      for (uint32_t v1 = 0; v1 < 2; ++v1)
        for (uint32_t v2 = 0; v2 < 2; ++v2) {
          const uint32_t n = 16 * j + 8 * v1 + lane / 4, k = 8 * v2 + 2 * (lane % 4);
          want |= awq_code(n, k) << 4 * (2 * v1 + v2) | awq_code(n, k + 1) << 4 * (2 * v1 + v2 + 4);
        }
      std::memcpy(&got, &packed.at(16 * lane + 4 * j), 4);
      EXPECT_EQ(got, want) << lane << ", " << j;
    }
}

/// Strips of three tiles with a pitch and a stride of their own.
TEST(FragmentMoves, Avx2MovesAsPortable) {
  for (const TileOrder order : {TileOrder::kMarlin4, TileOrder::kMarlin8, TileOrder::kMaxSm8x,
                                TileOrder::kMachete4, TileOrder::kMachete8}) {
    const repack::FragmentMoves* const avx2 = repack::avx2_fragment_moves(order);
    if (avx2 == nullptr) GTEST_SKIP() << "no AVX2";
    const EnginePlane plane = engine_codes(order);
    SCOPED_TRACE(plane.name);
    const uint64_t row_bytes = plane.unit_columns * plane.bits / 8;
    const uint64_t tile_bytes = plane.unit_rows * row_bytes;
    const uint64_t pitch = 3 * row_bytes + 5, stride = tile_bytes + 48;
    Random random(11);
    std::vector<std::byte> rows(plane.unit_rows * pitch), packed[2], back[2];
    for (std::byte& b : rows) b = static_cast<std::byte>(random());
    const repack::FragmentMoves* const moves[] = {avx2, &repack::portable_fragment_moves(order)};
    for (size_t i = 0; i < 2; ++i) {
      packed[i].assign(3 * stride, kUnwritten);
      moves[i]->pack({rows.data(), pitch}, 3, packed[i].data(), stride);
      back[i].assign(rows.size(), kUnwritten);
      moves[i]->unpack(packed[0].data(), stride, 3, {back[i].data(), pitch});
    }
    EXPECT_TRUE(packed[0] == packed[1]);
    EXPECT_TRUE(back[0] == back[1]);
    for (uint64_t n = 0; n < plane.unit_rows; ++n)
      EXPECT_TRUE(
          std::equal(&rows[n * pitch], &rows[n * pitch] + 3 * row_bytes, &back[0][n * pitch]));
  }
}

}  // namespace
}  // namespace imp::test
