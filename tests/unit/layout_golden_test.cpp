// Golden digests of packed buffers (SHA-256). Inputs: reference/golden_inputs.h. The digests were
// made by generators that share no code with this repository. And one block in full, made by
// scripts/make_mma64_example.py.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/digest.h"
#include "src/base/text.h"
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

}  // namespace
}  // namespace imp::test
