// src/quant/encoding.h against the packers' own vectors and against tests/reference, bit by bit.
#include "src/quant/encoding.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "tests/reference/encodings.h"

namespace imp::quant {
namespace {

using Plane = std::vector<uint8_t>;

Bytes view(const Plane& plane) { return std::as_bytes(std::span(plane)); }
MutableBytes view(Plane& plane) { return std::as_writable_bytes(std::span(plane)); }

reference::HeldPlane held(const PlaneCoding& p) {
  return {static_cast<uint16_t>(p.encoding), p.bits, p.rows, p.columns};
}

/// Elements as the canonical plane that encoding.h describes.
Plane canonical_of(const PlaneCoding& plane, const std::vector<uint64_t>& elements) {
  const uint64_t stored = plane.bits == 4 ? 4 : (plane.bits + 7) / 8 * 8;
  const uint64_t pitch = (plane.columns * stored + 7) / 8;
  Plane out(plane.rows * pitch);
  for (uint64_t row = 0; row < plane.rows; ++row)
    for (uint64_t column = 0; column < plane.columns; ++column)
      for (uint64_t b = 0; b < plane.bits; ++b) {
        const uint64_t at = row * pitch * 8 + column * stored + b;
        const uint64_t bit = elements[row * plane.columns + column] >> b & 1;
        out[at / 8] = static_cast<uint8_t>(out[at / 8] | bit << (at % 8));
      }
  return out;
}

Plane source_of(const PlaneCoding& plane, const std::vector<uint64_t>& elements) {
  Plane out(reference::held_bytes(held(plane)));
  for (uint64_t row = 0; row < plane.rows; ++row)
    for (uint64_t column = 0; column < plane.columns; ++column)
      reference::put_element(held(plane), row, column, elements[row * plane.columns + column], out);
  return out;
}

void expect_both_ways(const PlaneCoding& plane, const Plane& source, const Plane& canonical) {
  ASSERT_EQ(source_bytes(plane), source.size());
  ASSERT_EQ(canonical_bytes(plane), canonical.size());
  Plane forth(canonical.size(), 0xA5), back(source.size(), 0xA5);
  const Status status = to_canonical(plane, view(source), view(forth));
  ASSERT_TRUE(status.ok()) << status.error().message;
  EXPECT_EQ(forth, canonical);
  from_canonical(plane, view(canonical), view(back));
  EXPECT_EQ(back, source);
}

std::string text_of(const PlaneCoding& plane) {
  return "encoding " + std::to_string(static_cast<int>(plane.encoding)) + ", " +
         std::to_string(plane.bits) + " bits, [" + std::to_string(plane.rows) + ", " +
         std::to_string(plane.columns) + "]";
}

struct Case {
  Encoding encoding;
  std::vector<uint32_t> bits;
};

const std::vector<uint32_t> kIntegerBits = {2, 3, 4, 5, 6, 7, 8};
const Case kCases[] = {{Encoding::kRows, {4, 8, 16, 32, 64}},
                       {Encoding::kSignedBytes, kIntegerBits},
                       {Encoding::kWords, kIntegerBits},
                       {Encoding::kPaddedWords, kIntegerBits},
                       {Encoding::kWordsAlongN, kIntegerBits},
                       {Encoding::kPaddedWordsAlongN, kIntegerBits},
                       {Encoding::kNibblesAlongN, {4}},
                       {Encoding::kInFirst, {4, 8, 16, 32, 64}},
                       {Encoding::kRowsInterleaved, {4, 8, 16, 32}},
                       {Encoding::kInFirstInterleaved, {4, 8, 16, 32}}};

std::vector<uint64_t> random_elements(const PlaneCoding& plane, std::mt19937_64& random) {
  std::vector<uint64_t> elements(plane.rows * plane.columns);
  for (uint64_t& e : elements) e = random() >> (64 - plane.bits);
  return elements;
}

TEST(Encoding, RandomPlanesAgreeWithTheReferenceBothWays) {
  std::mt19937_64 random(5);
  for (const Case& c : kCases)
    for (const uint32_t bits : c.bits)
      for (int i = 0; i < 12; ++i) {
        // Both sides of the edge of a transposition tile.
        const PlaneCoding plane{c.encoding, bits, 1 + random() % 150, 1 + random() % 150};
        SCOPED_TRACE(text_of(plane));
        const auto elements = random_elements(plane, random);
        expect_both_ways(plane, source_of(plane, elements), canonical_of(plane, elements));
      }
}

TEST(Encoding, APlaneCutAtItsRowsGivesTheSamePieces) {
  std::mt19937_64 random(6);
  for (const Case& c : kCases)
    for (const uint32_t bits : c.bits) {
      const PlaneCoding whole{c.encoding, bits, 3 * 32 + 5, 37};
      const uint64_t cut = cut_rows(whole);
      if (cut == 0) continue;
      SCOPED_TRACE(text_of(whole));
      const auto elements = random_elements(whole, random);
      const Plane source = source_of(whole, elements), canonical = canonical_of(whole, elements);
      uint64_t at = 0, canonical_at = 0;
      for (uint64_t row = 0; row < whole.rows; row += 2 * cut) {
        PlaneCoding piece = whole;
        piece.rows = std::min(2 * cut, whole.rows - row);
        Plane out(canonical_bytes(piece));
        ASSERT_TRUE(
            to_canonical(piece, view(source).subspan(at, source_bytes(piece)), view(out)).ok());
        EXPECT_TRUE(std::equal(out.begin(), out.end(),
                               canonical.begin() + static_cast<std::ptrdiff_t>(canonical_at)));
        at += source_bytes(piece);
        canonical_at += canonical_bytes(piece);
      }
      EXPECT_EQ(at, source.size());
    }
}

TEST(Encoding, StackedOrdersAndBitmasksAreWhole) {
  for (const Encoding e : {Encoding::kInFirst, Encoding::kRowsInterleaved,
                           Encoding::kInFirstInterleaved, Encoding::kBitmask24, Encoding::kBitmask})
    EXPECT_EQ(cut_rows({e, 8, 64, 64}), 0u);
  EXPECT_FALSE(has_canonical(Encoding::kBitmask24));
  EXPECT_FALSE(has_canonical(Encoding::kBitmask));
  EXPECT_TRUE(has_canonical(Encoding::kInFirstInterleaved));
}

TEST(Encoding, SizesOfHugePlanesSaturate) {
  const uint64_t huge = uint64_t{1} << 62;
  EXPECT_EQ(canonical_bytes({Encoding::kRows, 32, huge, huge}), ~uint64_t{0});
  EXPECT_EQ(source_bytes({Encoding::kWords, 5, 3, ~uint64_t{0}}), ~uint64_t{0});
  EXPECT_EQ(source_bytes({Encoding::kWordsAlongN, 4, huge, 1 << 10}), ~uint64_t{0});
}

/// Planes [40, 11] of 3 bits: an odd width, with unused bits in each padded word.
struct Damage {
  PlaneCoding plane;
  uint64_t byte;
  uint8_t value;
  ErrorKind kind;
};

TEST(Encoding, BitsThatWouldBeLostAreRefused) {
  const Damage damages[] = {
      {{Encoding::kWords, 3, 40, 11}, 8 * 2 + 4, 0x02, ErrorKind::kUnsupportedScheme},  // bit 33
      {{Encoding::kPaddedWords, 3, 40, 11}, 3, 0x40, ErrorKind::kUnsupportedScheme},    // bit 30
      {{Encoding::kWords, 4, 40, 11}, 8 * 3 + 5, 0x10, ErrorKind::kUnsupportedScheme},
      {{Encoding::kWords, 8, 40, 11}, 11, 0x01, ErrorKind::kUnsupportedScheme},
      {{Encoding::kWordsAlongN, 3, 40, 11}, 3 * 44 + 3, 0x01, ErrorKind::kUnsupportedScheme},
      {{Encoding::kPaddedWordsAlongN, 3, 40, 11}, 3, 0x40, ErrorKind::kUnsupportedScheme},
      {{Encoding::kNibblesAlongN, 4, 39, 11}, 19 * 11, 0x10, ErrorKind::kUnsupportedScheme},
      {{Encoding::kSignedBytes, 3, 40, 11}, 25, 0x04, ErrorKind::kBadShape},
      {{Encoding::kSignedBytes, 4, 40, 11}, 25, 0xF7, ErrorKind::kBadShape}};
  for (const Damage& damage : damages) {
    SCOPED_TRACE(text_of(damage.plane));
    Plane source(source_bytes(damage.plane)), out(canonical_bytes(damage.plane));
    ASSERT_TRUE(to_canonical(damage.plane, view(source), view(out)).ok());
    source[damage.byte] = damage.value;
    const Status status = to_canonical(damage.plane, view(source), view(out));
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, damage.kind);
  }
}

TEST(Encoding, TheMessageNamesTheElement) {
  const PlaneCoding plane{Encoding::kSignedBytes, 4, 3, 5};
  Plane source(15), out(9);
  source[7] = 8;
  EXPECT_EQ(to_canonical(plane, view(source), view(out)).error().message,
            "element 8 at row 1, column 2 needs more than 4 bits");
}

/// Every vector of 2 to 8 bits of compressed-tensors' own packer.
void check_vectors(const char* file, Encoding along_k, Encoding along_n) {
  std::ifstream in(std::string(IMP_TEST_DATA) + "/" + file);
  const auto json = nlohmann::json::parse(in);
  size_t checked = 0;
  for (const auto& vector : json.at("vectors")) {
    const uint32_t bits = vector.at("bits");
    if (bits == 1) continue;  // no scheme has it
    const PlaneCoding plane{vector.at("packed_dim") == 1 ? along_k : along_n, bits,
                            vector.at("shape")[0], vector.at("shape")[1]};
    SCOPED_TRACE(text_of(plane));
    std::vector<uint64_t> elements;
    for (const auto& row : vector.at("q"))
      for (const int q : row) elements.push_back(static_cast<uint64_t>(q + (1 << (bits - 1))));
    Plane source;
    for (const auto& row : vector.at("packed_u32"))
      for (const std::string word : row) {
        const auto value = static_cast<uint32_t>(std::stoul(word, nullptr, 16));
        for (int b = 0; b < 4; ++b) source.push_back(static_cast<uint8_t>(value >> (8 * b)));
      }
    expect_both_ways(plane, source, canonical_of(plane, elements));
    ++checked;
  }
  EXPECT_EQ(checked, 112u);
}

TEST(Encoding, VectorsOfTheDensePacker) {
  check_vectors("ct-pack-vectors.json", Encoding::kWords, Encoding::kWordsAlongN);
}

TEST(Encoding, VectorsOfThePaddedPacker) {
  check_vectors("ct-pack-vectors-v012.json", Encoding::kPaddedWords, Encoding::kPaddedWordsAlongN);
}

}  // namespace
}  // namespace imp::quant
