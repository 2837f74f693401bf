// Golden digests of packed buffers (SHA-256). Inputs: reference/golden_inputs.h. The digests were
// made by generators that share no code with this repository. And one block in full, made by
// scripts/make_mma64_example.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/digest.h"
#include "src/base/text.h"
#include "tests/unit/engine_planes.h"
#include "tests/unit/layout_planes.h"

namespace imp::test {
namespace {

const char* const kCanonicalNibbles =
    "e16e5b914fc5492fef5587a26fbc45b97f29e2c484ef613dcd633fda77b3af7d";
const char* const kSf128x4 = "11f2f9d12fdc37c3fede5bfcdb2ceb50dade4744dd96785ddbe3d9fcc30ed0cb";
const char* const kSf128x4Pad100x5 =
    "90b6452f837fa97de2e76bf690c54ec79b1536679d92b888ab34d9d2c7b38a17";
const char* const kMma64Nibbles =
    "041d8eeee97939a722330369b282fa82ee16d86cfc92edf8214e3188c8d03267";
const char* const kMma64 = "e0a048539f5c9db332eb9202817148d07c83b80189f53304539694ea45e10ef2";
const char* const kMma64Pad100x80 =
    "aaee716d5397b6517804100f52f7d3b45f60a213732155eec4645e21b1f63b73";

template <class Byte>
std::string sha256(const std::vector<Byte>& data) {
  Sha256Stream stream;
  stream.update(std::as_bytes(std::span(data)));
  const Sha256 digest = stream.finish();
  return hex(digest.data(), digest.size());
}

Nvfp4Matrix padded_corner() {
  return {reference::corner(reference::golden_codes(), 100, 80),
          reference::corner(reference::golden_scales(), 100, 5)};
}

TEST(LayoutGolden, Reference) {
  const Nvfp4Matrix full = golden_matrix(), part = padded_corner();
  EXPECT_EQ(sha256(reference::canonical_nibbles(full.codes)), kCanonicalNibbles);
  EXPECT_EQ(sha256(reference::mma64_nvfp4_nibbles(full.codes, full.scales)), kMma64Nibbles);
  EXPECT_EQ(sha256(reference::mma64_nvfp4(full.codes, full.scales)), kMma64);
  EXPECT_EQ(sha256(reference::mma64_nvfp4(part.codes, part.scales)), kMma64Pad100x80);
  EXPECT_EQ(sha256(reference::sf128x4(full.scales)), kSf128x4);
  EXPECT_EQ(sha256(reference::sf128x4(part.scales)), kSf128x4Pad100x5);
}

TEST(LayoutGolden, Mma64BothPaths) {
  for (const repack::Path path : kPaths) {
    SCOPED_TRACE(path_name(path));
    EXPECT_EQ(sha256(pack_mma64(Planes(golden_matrix()), path)), kMma64);
    EXPECT_EQ(sha256(pack_mma64(Planes(padded_corner()), path)), kMma64Pad100x80);
  }
}

/// Bytes of a dump with an offset before each line of 16.
std::vector<uint8_t> dumped_bytes(const std::string& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in) << path;
  std::vector<uint8_t> bytes;
  for (std::string line; std::getline(in, line);) {
    std::istringstream rest(line.substr(line.find(' ')));
    for (unsigned byte; rest >> std::hex >> byte;) bytes.push_back(static_cast<uint8_t>(byte));
  }
  return bytes;
}

/// The matrix that make_mma64_example.py packs: every legal scale byte twice.
Nvfp4Matrix example_block() {
  Nvfp4Matrix matrix{{64, 64, {}}, {64, 4, {}}};
  for (uint32_t n = 0; n < 64; ++n)
    for (uint32_t k = 0; k < 64; ++k)
      matrix.codes.at.push_back(static_cast<uint8_t>((5 * n + 3 * k + k / 16) % 16));
  for (uint32_t i = 0; i < 256; ++i)
    matrix.scales.at.push_back(static_cast<uint8_t>(i % 128 == 0x7F ? 0x80 : i % 128));
  return matrix;
}

TEST(LayoutGolden, Mma64BlockWithEveryScaleByte) {
  const std::vector<uint8_t> golden = dumped_bytes(IMP_GOLDEN "/mma64_nvfp4_v1_block.hex");
  ASSERT_EQ(golden.size(), 2304u);
  const Nvfp4Matrix matrix = example_block();
  EXPECT_EQ(reference::mma64_nvfp4(matrix.codes, matrix.scales), golden);
  for (const repack::Path path : kPaths)
    EXPECT_TRUE(pack_mma64(Planes(matrix), path) == to_bytes(golden)) << path_name(path);
}

TEST(LayoutGolden, Sf128x4BothPaths) {
  const Planes full(golden_matrix()), part(padded_corner());
  for (const repack::Path path : kPaths) {
    SCOPED_TRACE(path_name(path));
    std::vector<std::byte> out(layouts::sf128x4::size_bytes(256, 16), kUnwritten);
    repack::sf128x4_pack(full.scales, 256, 16, path, out);
    EXPECT_EQ(sha256(out), kSf128x4);
    out.assign(layouts::sf128x4::size_bytes(100, 5), kUnwritten);
    repack::sf128x4_pack(part.scales, 100, 5, path, out);
    EXPECT_EQ(sha256(out), kSf128x4Pad100x5);
  }
}

/// K = 256 fills its pitch, so native rows are the canonical bytes.
TEST(LayoutGolden, NativeRowsOfAFullPitchAreCanonical) {
  const Planes full(golden_matrix());
  for (const repack::Path path : kPaths) {
    std::vector<std::byte> out(256 * layouts::native_rows::pitch_bytes(256), kUnwritten);
    repack::native_rows_pack(full.codes, 256, 256, path, out);
    EXPECT_EQ(sha256(out), kCanonicalNibbles) << path_name(path);
  }
}

reference::WordMatrix widened(const reference::ByteMatrix& matrix) {
  return {matrix.rows, matrix.columns, {matrix.at.begin(), matrix.at.end()}};
}
/// Every scale through one of the value functions.
template <class Value>
reference::WordMatrix golden_scales_as(const Value& value) {
  reference::WordMatrix scales = widened(reference::golden_scales());
  for (uint32_t& scale : scales.at) scale = value(static_cast<uint8_t>(scale));
  return scales;
}

TEST(LayoutGolden, EngineCodesReferenceAndBothPaths) {
  using repack::TileOrder;
  const reference::WordMatrix codes = widened(reference::golden_codes());
  const reference::WordMatrix octets = widened(reference::golden_octets());
  const struct {
    TileOrder order;
    const char* digest;
  } cases[] = {
      {TileOrder::kMarlin4, "e49e11a3053978d99bd0653be0c1efaa348d83fdc6e47840b930321391157784"},
      {TileOrder::kMarlin8, "b4a4fcfd3aa87142076667a09b77d32261a12880aafc7f0ebdeea38788568ace"},
      {TileOrder::kMachete4, "ba1e51f0ffeeda08221810d672ce475980c5cf12b4f6466dcde79a8394e7613e"},
      {TileOrder::kMachete8, "92aa9f43dcd426d489c1e16f7697538f88f658ce1dc1ff328a432871d247d551"},
  };
  for (const auto& c : cases) {
    const EnginePlane plane = engine_codes(c.order);
    SCOPED_TRACE(plane.name);
    const reference::WordMatrix& matrix = plane.bits == 4 ? codes : octets;
    EXPECT_EQ(sha256(plane.reference(matrix)), c.digest);
    for (const repack::Path path : kPaths)
      EXPECT_EQ(sha256(pack(plane, matrix, {256, 256, 256, 256}, path)), c.digest)
          << path_name(path);
  }
}

TEST(LayoutGolden, EngineGroupsReferenceAndBothPaths) {
  using repack::GroupOrder;
  const std::vector<uint8_t> scales = reference::golden_scales().at;
  const double factor = reference::marlin_factor(scales);
  const float rescale = repack::marlin_rescale(*std::max_element(scales.begin(), scales.end()));
  const auto by_reference =
      golden_scales_as([&](uint8_t scale) { return reference::marlin_scale_byte(scale, factor); });
  EXPECT_TRUE(golden_scales_as([&](uint8_t scale) {
                return repack::marlin_scale(scale, rescale);
              }).at == by_reference.at);
  const struct {
    EnginePlane plane;
    reference::WordMatrix matrix;
    const char* digest;
  } cases[] = {
      {engine_groups(GroupOrder::kBytes, 8), by_reference,
       "dabf0b62ef8a630fd3a9cd32ed3892fc50b49a99bf23799556f5f64e0070e92a"},
      {engine_groups(GroupOrder::kBytes, 8), widened(reference::golden_e8m0_scales()),
       "dd5759dd1bfe1efa64a4bb737eecd6d3b17fad02cb36f60cfadc81de964e0fe1"},
      {engine_groups(GroupOrder::kZero4, 4), widened(reference::golden_zero_points()),
       "435406e6b15fcdbdcab49c60c8c5401fbde73f18c75707b29fa87d980394326a"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(sha256(c.plane.reference(c.matrix)), c.digest);
    for (const repack::Path path : kPaths)
      EXPECT_EQ(sha256(pack(c.plane, c.matrix, box_of(c.plane, 256, c.matrix.columns), path)),
                c.digest)
          << path_name(path);
  }
}

template <class Byte>
std::vector<Byte> joined(std::vector<Byte> first, const std::vector<Byte>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

TEST(LayoutGolden, MaxSm8xBufferReferenceAndBothPaths) {
  constexpr float kGlobal = 0.0123f;
  const char* const digest = "8f3adab4dfde5b29e5bc4f653b0754c881274d3ca73ab91076a08545c717e34f";
  const reference::WordMatrix codes = widened(reference::golden_codes());
  const EnginePlane code_plane = engine_codes(repack::TileOrder::kMaxSm8x);
  const EnginePlane scale_plane = engine_groups(repack::GroupOrder::kGroup, 16);
  const auto wanted_scales =
      golden_scales_as([](uint8_t scale) { return reference::max_scale_bits(scale, kGlobal); });
  EXPECT_EQ(sha256(joined(code_plane.reference(codes), scale_plane.reference(wanted_scales))),
            digest);
  const auto scales =
      golden_scales_as([](uint8_t scale) { return repack::max_scale(scale, kGlobal); });
  for (const repack::Path path : kPaths)
    EXPECT_EQ(sha256(joined(pack(code_plane, codes, {256, 256, 256, 256}, path),
                            pack(scale_plane, scales, {256, 16, 256, 16}, path))),
              digest)
        << path_name(path);
}

}  // namespace
}  // namespace imp::test
