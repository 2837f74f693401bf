// The CUDA repack of the mma64 variants, native bytes and the layouts of other engines on a card:
// the bytes of src/repack and of tests/reference, the planes back, damage found where it is.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "kernels/repack/repack_variants.h"
#include "tests/unit/engine_planes.h"
#include "tests/unit/gpu.h"
#include "tests/unit/on_device.h"

namespace imp::test {
namespace {

using kernels::EngineBox;
using reference::WordMatrix;
using repack::PaddedBox;
using repack::Path;

class GpuRepackVariants : public testing::GpuTest {};

/// A layout of elements on the card.
struct DeviceLayout {
  std::string name;
  uint32_t bits;
  std::vector<RepackPath> paths;
  std::function<Status(const void*, const PaddedBox&, RepackPath, void*)> pack;
  std::function<Status(const void*, const PaddedBox&, RepackPath, void*, uint64_t*)> unpack;
};

Vector pack(const DeviceLayout& layout, const Vector& plane, const PaddedBox& box, RepackPath path,
            size_t size) {
  const OnDevice in(plane), out = OnDevice::unwritten(size);
  expect_ok(layout.pack(in.data(), box, path, out.data()));
  return out.bytes();
}

struct Found {
  Vector plane;
  uint64_t wrong = 0;
};
Found unpack(const DeviceLayout& layout, const Vector& packed, const PaddedBox& box,
             RepackPath path, size_t size) {
  const OnDevice in(packed), wrong(number_bytes(kernels::kNothingWrong));
  const OnDevice out = OnDevice::unwritten(size);
  expect_ok(layout.unpack(in.data(), box, path, out.data(), wrong.as<uint64_t>()));
  return {out.bytes(), wrong.number()};
}

void expect_layout(const DeviceLayout& layout, const PaddedBox& box, const Vector& plane,
                   const Vector& expected) {
  for (const RepackPath path : layout.paths) {
    SCOPED_TRACE(layout.name + ", " + name_of(path) + ", " + std::to_string(box.rows) + " x " +
                 std::to_string(box.columns));
    EXPECT_TRUE(pack(layout, plane, box, path, expected.size()) == expected);
    const Found back = unpack(layout, expected, box, path, plane.size());
    EXPECT_TRUE(back.plane == plane);
    EXPECT_EQ(back.wrong, kernels::kNothingWrong);
  }
}

const std::vector<RepackPath> kBothPaths = {RepackPath::kWord, RepackPath::kMap};

DeviceLayout device_codes(uint32_t bits) {
  return {
      "mma64 codes of " + std::to_string(bits) + " bits", bits, kBothPaths,
      [bits](const void* in, const PaddedBox& box, RepackPath path, void* out) {
        return kernels::pack_mma64_codes(bits, in, box.rows, box.columns, path, out, nullptr);
      },
      [bits](const void* in, const PaddedBox& box, RepackPath path, void* out, uint64_t* wrong) {
        return kernels::unpack_mma64_codes(bits, in, box.rows, box.columns, path, out, wrong,
                                           nullptr);
      }};
}

DeviceLayout device_plane(uint32_t bits) {
  return {
      "mma64 plane of " + std::to_string(bits) + " bits", bits, kBothPaths,
      [bits](const void* in, const PaddedBox& box, RepackPath path, void* out) {
        return kernels::pack_mma64_plane(bits, in, box.rows, box.columns, path, out, nullptr);
      },
      [bits](const void* in, const PaddedBox& box, RepackPath path, void* out, uint64_t* wrong) {
        return kernels::unpack_mma64_plane(bits, in, box.rows, box.columns, path, out, wrong,
                                           nullptr);
      }};
}

DeviceLayout device_native_bytes() {
  return {"native bytes", 8, kBothPaths,
          [](const void* in, const PaddedBox& box, RepackPath path, void* out) {
            return kernels::pack_native_bytes(in, box.rows, box.columns, path, out, nullptr);
          },
          [](const void* in, const PaddedBox& box, RepackPath path, void* out, uint64_t* wrong) {
            return kernels::unpack_native_bytes(in, box.rows, box.columns, path, out, wrong,
                                                nullptr);
          }};
}

EngineBox on_card(const PaddedBox& box) {
  return {box.rows, box.columns, box.padded_rows, box.padded_columns};
}

DeviceLayout device_tiles(layouts::TileOrder order) {
  return {
      engine_codes(order).name, engine_codes(order).bits, kBothPaths,
      [order](const void* in, const PaddedBox& box, RepackPath path, void* out) {
        return kernels::pack_tiles(order, in, on_card(box), path, out, nullptr);
      },
      [order](const void* in, const PaddedBox& box, RepackPath path, void* out, uint64_t* wrong) {
        return kernels::unpack_tiles(order, in, on_card(box), path, out, wrong, nullptr);
      }};
}

DeviceLayout device_groups(layouts::GroupOrder order, uint32_t bits) {
  return {engine_groups(order, bits).name, bits, kBothPaths,
          [order, bits](const void* in, const PaddedBox& box, RepackPath path, void* out) {
            return kernels::pack_groups(order, bits, in, on_card(box), path, out, nullptr);
          },
          [order, bits](const void* in, const PaddedBox& box, RepackPath path, void* out,
                        uint64_t* wrong) {
            return kernels::unpack_groups(order, bits, in, on_card(box), path, out, wrong, nullptr);
          }};
}

/// The layouts of tests/unit/layout_variants.h on the card, and what their rows and columns are
/// padded to.
struct PairedLayout {
  DeviceLayout device;
  PlaneLayout host;
};
std::vector<PairedLayout> plane_pairs() {
  std::vector<PairedLayout> pairs;
  for (const uint32_t bits : {4u, 8u}) pairs.push_back({device_codes(bits), mma64_codes(bits)});
  for (const uint32_t bits : {4u, 8u, 16u, 32u})
    pairs.push_back({device_plane(bits), mma64_plane(bits)});
  pairs.push_back({device_native_bytes(), native_bytes()});
  return pairs;
}

struct PairedEngine {
  DeviceLayout device;
  EnginePlane host;
};
std::vector<PairedEngine> engine_pairs() {
  using layouts::GroupOrder;
  using layouts::TileOrder;
  std::vector<PairedEngine> pairs;
  for (const TileOrder order : {TileOrder::kMarlin4, TileOrder::kMarlin8, TileOrder::kMaxSm8x,
                                TileOrder::kMachete4, TileOrder::kMachete8})
    pairs.push_back({device_tiles(order), engine_codes(order)});
  const std::pair<GroupOrder, uint32_t> groups[] = {
      {GroupOrder::kNatural, 16}, {GroupOrder::kGroup, 16}, {GroupOrder::kSingle, 16},
      {GroupOrder::kBytes, 8},    {GroupOrder::kZero4, 4},  {GroupOrder::kZero8, 8}};
  for (const auto& [order, bits] : groups)
    pairs.push_back({device_groups(order, bits), engine_groups(order, bits)});
  return pairs;
}

std::vector<std::pair<size_t, size_t>> shapes(uint32_t seed) {
  // Whole strips of eight tiles, ragged ones, odd columns, multiples of 16.
  std::vector<std::pair<size_t, size_t>> all = {{1, 1},     {1, 16},     {63, 65},
                                                {64, 64},   {70, 33},    {64, 512},
                                                {128, 528}, {130, 1040}, {200, 514}};
  Random random(seed);
  for (int i = 0; i < 6; ++i) {
    const size_t rows = 1 + random() % 500;
    all.push_back({rows, 1 + random() % 900});
  }
  return all;
}

TEST_F(GpuRepackVariants, PlanesEqualTheReferenceAndTheCpu) {
  for (const PairedLayout& pair : plane_pairs())
    for (const auto& [rows, columns] : shapes(71)) {
      const WordMatrix elements =
          random_elements(pair.device.bits, rows, columns, static_cast<uint32_t>(rows * columns));
      const Vector expected = to_bytes(pair.host.reference(elements));
      ASSERT_TRUE(pack(pair.host, elements, Path::kWord) == expected);
      expect_layout(pair.device, {rows, columns, 0, 0}, canonical(pair.device.bits, elements),
                    expected);
    }
}

TEST_F(GpuRepackVariants, EnginePlanesEqualTheReferenceAndTheCpu) {
  for (const PairedEngine& pair : engine_pairs())
    for (const auto& [rows, columns] : shapes(72)) {
      const PaddedBox box = box_of(pair.host, rows, columns, (rows + columns) % 2);
      const WordMatrix elements =
          random_elements(pair.device.bits, rows, columns, static_cast<uint32_t>(rows + columns));
      const Vector expected = expected_bytes(pair.host, elements, box);
      ASSERT_TRUE(pack(pair.host, elements, box, Path::kWord) == expected);
      expect_layout(pair.device, box, canonical(pair.device.bits, elements), expected);
    }
}

/// The only code of a packed buffer lies in the padding.
Vector with_one_code(const std::function<reference::Buffer(const WordMatrix&)>& reference,
                     uint32_t bits, uint64_t rows, uint64_t columns, uint64_t row,
                     uint64_t column) {
  WordMatrix matrix = reference::padded({0, 0, {}}, rows, columns);
  matrix.at.at(row * columns + column) = 1u << (bits - 1);
  return to_bytes(reference(matrix));
}

TEST_F(GpuRepackVariants, PaddingOfPlanesIsFoundInItsPlace) {
  for (const PairedLayout& pair : plane_pairs()) {
    if (pair.device.name == "native bytes") continue;  // no padding of rows; below
    const bool codes = pair.device.name.find("codes") != std::string::npos;
    const uint64_t rows = 70, columns = 48, padded_columns = codes ? 64 : columns;
    for (const auto& [row, column] :
         {std::pair<uint64_t, uint64_t>{3, 48}, {9, 63}, {70, 0}, {127, 47}}) {
      if (column >= padded_columns) continue;
      const Vector packed =
          with_one_code(pair.host.reference, pair.device.bits, 128, padded_columns, row, column);
      const size_t plane_bytes = rows * ((columns * pair.device.bits + 7) / 8);
      for (const RepackPath path : pair.device.paths) {
        SCOPED_TRACE(pair.device.name + ", " + name_of(path));
        EXPECT_EQ(unpack(pair.device, packed, {rows, columns, 0, 0}, path, plane_bytes).wrong,
                  row * padded_columns + column);
      }
    }
  }
}

TEST_F(GpuRepackVariants, PaddingOfNativeBytesIsFoundInItsPlace) {
  Vector packed(3 * 48);
  packed[2 * 48 + 40] = std::byte{0x80};
  for (const RepackPath path : kBothPaths)
    EXPECT_EQ(unpack(device_native_bytes(), packed, {3, 33, 0, 0}, path, 3 * 33).wrong,
              2u * 48 + 40);
}

TEST_F(GpuRepackVariants, AZeroPointOfMoreThanFourBitsIsFound) {
  Vector packed(64 * 3);
  packed[64 * 2 + 8 * 5] = std::byte{0x10};  // row 5, group 2
  EXPECT_EQ(unpack(device_plane(4), packed, {64, 3, 0, 0}, RepackPath::kMap, 64 * 2).wrong,
            5u * 3 + 2);
}

TEST_F(GpuRepackVariants, PaddingOfEnginePlanesIsFoundInItsPlace) {
  for (const PairedEngine& pair : engine_pairs()) {
    const uint64_t rows = 70, columns = 34;
    const PaddedBox box = box_of(pair.host, rows, columns, 1);
    const size_t plane_bytes = rows * ((columns * pair.device.bits + 7) / 8);
    for (const auto& [row, column] : {std::pair<uint64_t, uint64_t>{3, columns},
                                      {70, 0},
                                      {box.padded_rows - 1, box.padded_columns - 1},
                                      {69, box.padded_columns - 1}}) {
      const Vector packed = with_one_code(pair.host.reference, pair.device.bits, box.padded_rows,
                                          box.padded_columns, row, column);
      for (const RepackPath path : pair.device.paths) {
        SCOPED_TRACE(pair.device.name + ", " + name_of(path));
        EXPECT_EQ(unpack(pair.device, packed, box, path, plane_bytes).wrong,
                  row * box.padded_columns + column);
      }
    }
  }
}

Vector device_mxfp4(const Vector& codes, const Vector& scales, uint64_t rows, uint64_t k,
                    RepackPath path) {
  const OnDevice code_plane(codes), scale_plane(scales);
  const OnDevice out = OnDevice::unwritten(repack::mma64_mxfp4_bytes(rows, k));
  expect_ok(kernels::pack_mma64_mxfp4({code_plane.data(), scale_plane.data(), rows, k}, path,
                                      out.data(), nullptr));
  return out.bytes();
}

struct Mxfp4Found {
  Vector codes;
  Vector scales;
  uint64_t wrong = 0;
};
Mxfp4Found device_mxfp4_back(const Vector& packed, uint64_t rows, uint64_t k, RepackPath path) {
  const OnDevice in(packed), wrong(number_bytes(kernels::kNothingWrong));
  const OnDevice codes = OnDevice::unwritten(rows * (k / 2));
  const OnDevice scales = OnDevice::unwritten(rows * (k / 32));
  expect_ok(kernels::unpack_mma64_mxfp4(in.data(), rows, k, path, codes.data(), scales.data(),
                                        wrong.as<uint64_t>(), nullptr));
  return {codes.bytes(), scales.bytes(), wrong.number()};
}

TEST_F(GpuRepackVariants, Mxfp4EqualsTheReference) {
  Random random(73);
  std::vector<std::pair<size_t, size_t>> all = {{1, 32},   {64, 64},   {65, 96},   {63, 512},
                                                {64, 512}, {130, 544}, {200, 1056}};
  for (int i = 0; i < 8; ++i) {
    const size_t rows = 1 + random() % 500;
    all.push_back({rows, 32 * (1 + random() % 40)});
  }
  for (const auto& [rows, k] : all) {
    const Mxfp4Matrix matrix = random_mxfp4(rows, k, static_cast<uint32_t>(rows * k));
    const Vector codes = to_bytes(reference::canonical_nibbles(matrix.codes));
    const Vector scales = to_bytes(matrix.scales.at);
    const Vector expected = to_bytes(reference::mma64_mxfp4(matrix.codes, matrix.scales));
    for (const RepackPath path : kDevicePaths) {
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(k) + ", " + name_of(path));
      EXPECT_TRUE(device_mxfp4(codes, scales, rows, k, path) == expected);
      const Mxfp4Found back = device_mxfp4_back(expected, rows, k, path);
      EXPECT_TRUE(back.codes == codes);
      EXPECT_TRUE(back.scales == scales);
      EXPECT_EQ(back.wrong, kernels::kNothingWrong);
    }
  }
}

/// Bytes derived in repack_variants_test.cpp; 4 groups a row.
TEST_F(GpuRepackVariants, Mxfp4PaddingIsFoundInItsPlace) {
  const struct {
    size_t byte;
    uint8_t damage;
    uint64_t place;
  } cases[] = {{2176 + 14 * 16, 0x40, 3 * 4 + 3},
               {2176 + 2048 + (2 * 3 + 1) * 8, 0x7F, 3 * 4 + 3},
               {2 * 2176 + 2048 + (2 * 7 + 1) * 8 + 1, 0x01, 79 * 4 + 1}};
  const Vector good = pack_mxfp4(random_mxfp4(70, 96, 6), Path::kMap);
  for (const RepackPath path : kDevicePaths)
    for (const auto& damage : cases) {
      SCOPED_TRACE(std::string(name_of(path)) + ", byte " + std::to_string(damage.byte));
      Vector bad = good;
      bad[damage.byte] ^= std::byte{damage.damage};
      EXPECT_EQ(device_mxfp4_back(bad, 70, 96, path).wrong, damage.place);
    }
}

struct LayerMatrix {
  const char* name;
  uint64_t n;
  uint64_t k;
};
/// A dense model of 31e9 weights: hidden 5376, intermediate 21504, 32 query and 16 key heads of
/// 128.
constexpr LayerMatrix kLayer[] = {{"q_proj", 32 * 128, 5376}, {"k_proj", 16 * 128, 5376},
                                  {"v_proj", 16 * 128, 5376}, {"o_proj", 5376, 32 * 128},
                                  {"gate_proj", 21504, 5376}, {"up_proj", 21504, 5376},
                                  {"down_proj", 5376, 21504}};
constexpr uint64_t kLayers = 8;
static_assert(kLayers * std::size(kLayer) == 56);

/// Cheap and different for every matrix.
Vector random_bytes(uint64_t size, uint64_t seed, uint64_t modulus) {
  Vector bytes(size);
  uint64_t x = seed * 0x9E3779B97F4A7C15ull + 1;
  for (std::byte& byte : bytes) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    byte = static_cast<std::byte>((x >> 32) % modulus);
  }
  return bytes;
}

/// Codes, and behind them the scales, as max_sm8x has them.
struct MaxBuffer {
  Vector codes;
  Vector scales;
  bool operator==(const MaxBuffer&) const = default;
};

TEST_F(GpuRepackVariants, MaxSm8xOfA31BModelIsTheSameOnHostAndCard) {
  const DeviceLayout tiles = device_tiles(layouts::TileOrder::kMaxSm8x);
  const DeviceLayout groups = device_groups(layouts::GroupOrder::kGroup, 16);
  for (uint64_t layer = 0; layer < kLayers; ++layer)
    for (const LayerMatrix& matrix : kLayer) {
      SCOPED_TRACE("layer " + std::to_string(layer) + ", " + matrix.name);
      const uint64_t seed = 100 * layer + static_cast<uint64_t>(&matrix - kLayer);
      const Vector codes = random_bytes(matrix.n * matrix.k / 2, seed, 256);
      const Vector e4m3 = random_bytes(matrix.n * matrix.k / 16, seed + 50, 127);
      const float global = 0.0123f / static_cast<float>(seed + 1);
      Vector bf16(2 * e4m3.size());
      for (size_t i = 0; i < e4m3.size(); ++i) {
        const uint16_t scale = repack::max_scale(std::to_integer<uint8_t>(e4m3[i]), global);
        std::memcpy(&bf16[2 * i], &scale, sizeof scale);
      }
      const PaddedBox code_box{matrix.n, matrix.k, matrix.n, matrix.k};
      const PaddedBox scale_box{matrix.n, matrix.k / 16, matrix.n, matrix.k / 16};
      MaxBuffer host{Vector(codes.size()), Vector(bf16.size())};
      repack::tiles_pack(layouts::TileOrder::kMaxSm8x, codes, code_box, Path::kWord, host.codes);
      repack::groups_pack(layouts::GroupOrder::kGroup, 16, bf16, scale_box, Path::kWord,
                          host.scales);
      const MaxBuffer card{pack(tiles, codes, code_box, RepackPath::kWord, codes.size()),
                           pack(groups, bf16, scale_box, RepackPath::kWord, bf16.size())};
      EXPECT_TRUE(card == host);
    }
}

TEST_F(GpuRepackVariants, RefusesShapesBitsAndPointersThatDoNotFit) {
  const OnDevice memory = OnDevice::unwritten(4096);
  std::byte* at = memory.data();
  const auto expect_refused = [](const Status& status, const std::string& what) {
    ASSERT_FALSE(status.ok()) << what;
    EXPECT_EQ(status.error().kind, ErrorKind::kBadShape);
    EXPECT_NE(status.error().message.find(what), std::string::npos) << status.error().message;
  };
  using layouts::GroupOrder;
  using layouts::TileOrder;
  expect_refused(kernels::pack_mma64_codes(5, at, 1, 16, RepackPath::kWord, at, nullptr), "5 bits");
  expect_refused(kernels::pack_mma64_codes(4, at, 1, 0, RepackPath::kWord, at, nullptr), "K is 0");
  expect_refused(kernels::pack_mma64_codes(4, at + 8, 1, 16, RepackPath::kWord, at, nullptr),
                 "codes");
  expect_refused(kernels::pack_mma64_plane(12, at, 1, 1, RepackPath::kWord, at, nullptr),
                 "12 bits");
  expect_refused(kernels::pack_mma64_mxfp4({at, at, 1, 48}, RepackPath::kWord, at, nullptr),
                 "K is 48");
  expect_refused(kernels::pack_tiles(TileOrder::kMachete4, at, {64, 64, 64, 64}, RepackPath::kWord,
                                     at, nullptr),
                 "multiples of 128 x 64");
  expect_refused(kernels::pack_groups(GroupOrder::kZero4, 8, at, {64, 1, 64, 1}, RepackPath::kWord,
                                      at, nullptr),
                 "8 bits");
  expect_refused(kernels::pack_groups(GroupOrder::kGroup, 16, at, {65, 1, 64, 1}, RepackPath::kWord,
                                      at, nullptr),
                 "65 x 1");
  EXPECT_EQ(memory.bytes(), Vector(4096, kUnwritten));
}

}  // namespace
}  // namespace imp::test
