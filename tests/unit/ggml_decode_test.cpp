// decode_blocks against ggml's own values (recorded digests), and against formulas written element
// by element for many more blocks; the scales that are refused; byte order.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "src/base/checked.h"
#include "src/base/digest.h"
#include "src/base/text.h"
#include "src/quant/ggml_blocks.h"
#include "src/quant/ggml_grids.h"
#include "tests/reference/ggml_values.h"
#include "tests/unit/ggml_cases.h"

namespace imp::quant {
namespace {

using testing::block_types;
using testing::random_blocks;

std::string file_bytes(const std::string& name) {
  std::ifstream in(std::string(IMP_TEST_DATA) + "/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string sha256_hex(Bytes bytes) {
  Sha256Stream stream;
  stream.update(bytes);
  const Sha256 digest = stream.finish();
  return hex(digest.data(), digest.size());
}

struct StoredTensor {
  std::string name;
  GgmlType type = GgmlType::kF32;
  std::vector<std::byte> bytes;
  nlohmann::json expected;
};

/// Tensors of a fixture. Its data section ends the file, tensors in the order of the expectations,
/// each padded to 32 bytes; raw_sha256 says that the right bytes were found.
std::vector<StoredTensor> stored_tensors(const std::string& fixture) {
  const std::string file = file_bytes(fixture + ".gguf");
  const auto expected =
      nlohmann::ordered_json::parse(file_bytes(fixture + ".expected.json")).at("tensors");
  std::vector<StoredTensor> tensors;
  uint64_t total = 0;
  for (const auto& [name, of] : expected.items()) {
    const GgmlTypeInfo& info = *find_ggml_type(of.at("type_id").get<uint32_t>());
    uint64_t elements = 1;
    for (const uint64_t d : of.at("shape")) elements *= d;
    tensors.push_back({name, info.type, {}, of});
    tensors.back().bytes.resize(elements / info.block_elems * info.block_bytes);
    total += round_up(tensors.back().bytes.size(), 32);
  }
  uint64_t at = file.size() - total;
  for (StoredTensor& t : tensors) {
    std::memcpy(t.bytes.data(), file.data() + at, t.bytes.size());
    at += round_up(t.bytes.size(), 32);
    EXPECT_EQ(sha256_hex(t.bytes), t.expected.at("raw_sha256")) << t.name;
  }
  return tensors;
}

std::vector<float> decoded(GgmlType type, Bytes blocks) {
  const GgmlTypeInfo& info = ggml_type_info(type);
  std::vector<float> values(blocks.size() / info.block_bytes * info.block_elems);
  decode_blocks(type, blocks, values);
  return values;
}

TEST(GgmlDecode, RandomBlocksOfEveryTypeGiveGgmlsValues) {
  const auto tensors = stored_tensors("gguf-fuzzblocks");
  ASSERT_EQ(tensors.size(), 28u);
  for (const StoredTensor& t : tensors) {
    const std::vector<float> values = decoded(t.type, t.bytes);
    EXPECT_EQ(sha256_hex(std::as_bytes(std::span(values))), t.expected.at("sha256")) << t.name;
    const Status status = check_block_scales(t.type, t.bytes);
    EXPECT_TRUE(status.ok()) << t.name << ": " << (status.ok() ? "" : status.error().message);
  }
}

TEST(GgmlDecode, ScalesThatMakeNoWeightAreRefusedAndDecodeAsGgmlDecodesThem) {
  const auto tensors = stored_tensors("gguf-badscales");
  ASSERT_EQ(tensors.size(), 4u);
  for (const StoredTensor& t : tensors) {
    const std::vector<float> values = decoded(t.type, t.bytes);
    const auto unusual =
        std::count_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
    EXPECT_EQ(unusual, t.expected.value("nonfinite", 0)) << t.name;
    // The bits of a NaN are the machine's; the tensor of half scales has some.
    if (t.type != GgmlType::kQ4_0) {
      EXPECT_EQ(sha256_hex(std::as_bytes(std::span(values))), t.expected.at("sha256")) << t.name;
    }
    const Status status = check_block_scales(t.type, t.bytes);
    ASSERT_FALSE(status.ok()) << t.name;
    EXPECT_EQ(status.error().kind, ErrorKind::kBadScale) << t.name;
    EXPECT_NE(status.error().message.find("block 0 "), std::string::npos) << t.name;
  }
}

/// Coordinates as ggml's tables have them.
int lattice_point(uint32_t type_id, uint32_t index, uint32_t i) {
  switch (type_id) {
    case 16:
      return kIq2Coordinates[kIq2XxsGrid.at(index) >> (2 * i) & 3];
    case 17:
      return kIq2Coordinates[kIq2XsGrid.at(index) >> (2 * i) & 3];
    case 22:
      return kIq2Coordinates[kIq2SGrid.at(index) >> (2 * i) & 3];
    case 18:
      return kIq3XxsCoordinates[kIq3XxsGrid.at(index) >> (4 * i) & 15];
    case 21:
      return kIq3SCoordinates[kIq3SGrid.at(index) >> (4 * i) & 15];
    default:
      return static_cast<int>(kIq1Grid.at(index) >> (2 * i) & 3) - 1;
  }
}

TEST(GgmlDecode, EveryElementIsWhereTheFormulaHasIt) {
  std::mt19937 random(11);
  for (const GgmlTypeInfo& info : block_types()) {
    const uint64_t count = 300;
    const auto blocks = random_blocks(info, count, random);
    ASSERT_TRUE(check_block_scales(info.type, blocks).ok()) << info.name;
    const std::vector<float> values = decoded(info.type, blocks);
    for (uint64_t i = 0; i < values.size(); ++i) {
      const auto* block =
          reinterpret_cast<const uint8_t*>(blocks.data()) + i / info.block_elems * info.block_bytes;
      const auto e = static_cast<uint32_t>(i % info.block_elems);
      const auto wanted = static_cast<float>(
          reference::ggml_value(static_cast<uint32_t>(info.type), block, e, lattice_point));
      ASSERT_EQ(std::bit_cast<uint32_t>(values[i]), std::bit_cast<uint32_t>(wanted))
          << info.name << " block " << i / info.block_elems << " element " << e << ": " << values[i]
          << " for " << wanted;
    }
  }
}

/// Digests of the tables expanded to bytes, made from the Python package gguf 0.19.0.
TEST(GgmlDecode, LatticesAreThoseOfGgml) {
  struct Lattice {
    uint32_t type_id, points, coordinates;
    const char* sha256;
  };
  const Lattice lattices[] = {
      {16, 256, 8, "05826b5d3e472a3a78f196be62ac78acf81df0f909626e12ab9fa2a5d490dd54"},
      {17, 512, 8, "06e47aaca60b4dc1d9b5a3f34540437058a6b142b4d7a59d5ded769b4d1bf1de"},
      {22, 1024, 8, "e1aa1473412b0552c2174c30ef22ab4073f6a181b85a17056e8249bd2932fd88"},
      {18, 256, 4, "46e35f5a997efdee6c99ce57854c8a0d4f0ff8ca57e5e8a60c0793ea580acf5d"},
      {21, 512, 4, "bd1af4945a1717c65610b0284e4628b9a1ba3b306fae3a06f6e5f597356e349f"},
      {19, 2048, 8, "07540ffc1aeaf6ad4d97e96b0fcc765aae39671d4ae4a27bbd0e796fde167c6a"},
  };
  for (const Lattice& lattice : lattices) {
    std::vector<int8_t> expanded;
    for (uint32_t p = 0; p < lattice.points; ++p)
      for (uint32_t i = 0; i < lattice.coordinates; ++i)
        expanded.push_back(static_cast<int8_t>(lattice_point(lattice.type_id, p, i)));
    EXPECT_EQ(sha256_hex(std::as_bytes(std::span(expanded))), lattice.sha256) << lattice.type_id;
  }
}

TEST(GgmlDecode, ZeroKeepsGgmlsSign) {
  // Code 8 of e2m1, then -0.5 under a scale of zero.
  std::vector<uint8_t> nvfp4(36);
  nvfp4[0] = 0x38;
  nvfp4[4] = 0x08;
  nvfp4[12] = 0x09;
  const auto values = decoded(GgmlType::kNvfp4, std::as_bytes(std::span(nvfp4)));
  EXPECT_EQ(std::bit_cast<uint32_t>(values[0]), 0u);
  EXPECT_EQ(std::bit_cast<uint32_t>(values[16]), 0x80000000u);
  std::vector<uint8_t> mxfp4(17);
  mxfp4[1] = 0x98;
  const auto smallest = decoded(GgmlType::kMxfp4, std::as_bytes(std::span(mxfp4)));
  EXPECT_EQ(std::bit_cast<uint32_t>(smallest[0]), 0u);
  EXPECT_EQ(smallest[16], -0x1p-128f) << "a subnormal float";
}

struct BadScale {
  const char* what;
  GgmlType type;
  uint32_t at;  ///< byte of the block
  std::vector<uint8_t> bytes;
};

TEST(GgmlDecode, OneBadScaleIsFoundInItsBlock) {
  const std::vector<BadScale> cases = {
      {"Q4_0 +Inf", GgmlType::kQ4_0, 0, {0x00, 0x7C}},
      {"Q4_1 min NaN", GgmlType::kQ4_1, 2, {0x01, 0x7C}},
      {"Q5_1 min -Inf", GgmlType::kQ5_1, 2, {0x00, 0xFC}},
      {"Q2_K super min", GgmlType::kQ2_K, 82, {0x00, 0x7C}},
      {"Q3_K super scale", GgmlType::kQ3_K, 108, {0xFF, 0xFF}},
      {"Q4_K super min", GgmlType::kQ4_K, 2, {0x00, 0x7C}},
      {"Q6_K super scale", GgmlType::kQ6_K, 208, {0x00, 0x7C}},
      {"IQ1_M", GgmlType::kIq1M, 52, {0x00, 0xC0, 0x00, 0x70}},
      {"IQ1_S", GgmlType::kIq1S, 0, {0x00, 0x7C}},
      {"TQ1_0", GgmlType::kTq1_0, 52, {0x00, 0x7C}},
      {"TQ2_0", GgmlType::kTq2_0, 64, {0x00, 0x7C}},
      {"Q1_0", GgmlType::kQ1_0, 0, {0x00, 0x7C}},
      {"MXFP4 reaching infinity", GgmlType::kMxfp4, 0, {0xFD}},
      {"NVFP4 NaN", GgmlType::kNvfp4, 3, {0x7F}},
      {"NVFP4 negative zero", GgmlType::kNvfp4, 1, {0x80}},
      {"F32 NaN", GgmlType::kF32, 0, {0, 0, 0xC0, 0x7F}},
      {"F16 Inf", GgmlType::kF16, 0, {0x00, 0x7C}},
      {"BF16 -Inf", GgmlType::kBf16, 0, {0x80, 0xFF}},
      {"F64 Inf", GgmlType::kF64, 0, {0, 0, 0, 0, 0, 0, 0xF0, 0x7F}},
  };
  for (const BadScale& c : cases) {
    const GgmlTypeInfo& info = ggml_type_info(c.type);
    std::vector<std::byte> blocks(5 * info.block_bytes);
    ASSERT_TRUE(check_block_scales(c.type, blocks).ok()) << c.what;
    for (size_t i = 0; i < c.bytes.size(); ++i)
      blocks[3 * info.block_bytes + c.at + i] = static_cast<std::byte>(c.bytes[i]);
    const Status status = check_block_scales(c.type, blocks);
    ASSERT_FALSE(status.ok()) << c.what;
    EXPECT_EQ(status.error().kind, ErrorKind::kBadScale) << c.what;
    const std::string place = info.block_elems > 1 ? "block 3 has an " : "element 3 has an ";
    EXPECT_NE(status.error().message.find(place), std::string::npos) << status.error().message;
  }
}

std::vector<std::byte> bytes_of_hex(const std::string& hex) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

TEST(GgmlDecode, BigEndianBlocksTurnIntoTheirLittleEndianTwins) {
  const auto file = nlohmann::json::parse(file_bytes("gguf-bigendian-blocks.json"));
  for (const auto& tensor : file.at("tensors")) {
    const GgmlType type = find_ggml_type(tensor.at("type_id").get<uint32_t>())->type;
    auto bytes = bytes_of_hex(tensor.at("big_endian"));
    swap_block_fields(type, bytes);
    EXPECT_EQ(bytes, bytes_of_hex(tensor.at("little_endian"))) << tensor.at("name");
  }
}

TEST(GgmlDecode, SwappingTwiceChangesNothing) {
  std::mt19937 random(12);
  for (const GgmlTypeInfo& info : ggml_types()) {
    std::vector<std::byte> blocks(7 * info.block_bytes);
    for (std::byte& b : blocks) b = static_cast<std::byte>(random());
    auto swapped = blocks;
    swap_block_fields(info.type, swapped);
    const bool bytes_only = info.type == GgmlType::kI8 || info.type == GgmlType::kMxfp4 ||
                            info.type == GgmlType::kNvfp4;
    EXPECT_EQ(swapped == blocks, bytes_only) << info.name;
    swap_block_fields(info.type, swapped);
    EXPECT_EQ(swapped, blocks) << info.name;
  }
}

/// Fields as the blocks are declared, type by type: each of these words is one number.
TEST(GgmlDecode, SwappingTurnsExactlyTheFieldsWiderThanAByte) {
  struct Field {
    GgmlType type;
    uint32_t at, width, count;
  };
  const Field fields[] = {
      {GgmlType::kQ5_0, 2, 4, 1},   {GgmlType::kQ5_1, 4, 4, 1},    {GgmlType::kIq2Xxs, 2, 4, 16},
      {GgmlType::kIq2Xs, 2, 2, 32}, {GgmlType::kIq3Xxs, 66, 4, 8}, {GgmlType::kIq1S, 34, 2, 8},
      {GgmlType::kIq1M, 48, 2, 4},  {GgmlType::kIq4Xs, 2, 2, 1},   {GgmlType::kF64, 0, 8, 1},
      {GgmlType::kI32, 0, 4, 1},
  };
  for (const GgmlTypeInfo& info : block_types()) {
    std::vector<std::byte> block(info.block_bytes);
    for (size_t i = 0; i < block.size(); ++i) block[i] = static_cast<std::byte>(i);
    auto wanted = block;
    const auto turn = [&](uint32_t at, uint32_t width) {
      for (uint32_t i = 0; i < width; ++i) wanted[at + i] = block[at + width - 1 - i];
    };
    if (info.type != GgmlType::kIq1M)
      for (const uint32_t at : testing::half_places(info.type)) turn(at, 2);
    for (const Field& f : fields)
      if (f.type == info.type)
        for (uint32_t i = 0; i < f.count; ++i) turn(f.at + i * f.width, f.width);
    swap_block_fields(info.type, block);
    EXPECT_EQ(block, wanted) << info.name;
  }
}

}  // namespace
}  // namespace imp::quant
