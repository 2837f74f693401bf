// Every set of word moves gives the same bytes as the portable one.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "kernels/layouts/mma64_nvfp4.h"
#include "src/repack/mma64_words.h"
#include "tests/unit/layout_planes.h"

namespace imp::repack::mma64 {
namespace {

constexpr uint64_t kTiles = 3;

/// Codes and scales with a pitch that is no multiple of the vector width.
struct Rows {
  static constexpr uint64_t kCodePitch = kTiles * kRowCodeBytes + 5;
  static constexpr uint64_t kScalePitch = kTiles * kRowScaleBytes + 3;
  std::vector<std::byte> codes = std::vector<std::byte>(64 * kCodePitch);
  std::vector<std::byte> scales = std::vector<std::byte>(64 * kScalePitch);
};

Rows random_rows() {
  Rows rows;
  test::Random random(7);
  for (std::byte& b : rows.codes) b = static_cast<std::byte>(random());
  uint32_t next = 0;  // each scale byte of 0..126 and 0x80 in turn
  for (std::byte& b : rows.scales)
    b = static_cast<std::byte>(next % 128 == 127 ? 0x80 : next % 128), ++next;
  return rows;
}

std::vector<std::byte> pack(const WordMoves& moves, const Rows& rows) {
  std::vector<std::byte> blocks(kTiles * layouts::mma64_nvfp4::kBlockBytes);
  moves.pack_codes({rows.codes.data(), Rows::kCodePitch}, kTiles, blocks.data(),
                   layouts::mma64_nvfp4::kBlockBytes);
  moves.pack_scales({rows.scales.data(), Rows::kScalePitch}, kTiles, blocks.data());
  return blocks;
}

Rows unpack(const WordMoves& moves, const std::vector<std::byte>& blocks) {
  Rows rows;
  moves.unpack_codes(blocks.data(), layouts::mma64_nvfp4::kBlockBytes, kTiles,
                     {rows.codes.data(), Rows::kCodePitch});
  moves.unpack_scales(blocks.data(), kTiles, {rows.scales.data(), Rows::kScalePitch});
  return rows;
}

TEST(WordMoves, Avx2PacksAsPortable) {
  if (avx2_moves() == nullptr) GTEST_SKIP() << "no AVX2";
  const Rows rows = random_rows();
  EXPECT_TRUE(pack(*avx2_moves(), rows) == pack(portable_moves(), rows));
}

TEST(WordMoves, Avx2UnpacksAsPortable) {
  if (avx2_moves() == nullptr) GTEST_SKIP() << "no AVX2";
  const std::vector<std::byte> blocks = pack(portable_moves(), random_rows());
  const Rows fast = unpack(*avx2_moves(), blocks), slow = unpack(portable_moves(), blocks);
  EXPECT_TRUE(fast.codes == slow.codes);
  EXPECT_TRUE(fast.scales == slow.scales);
}

/// Codes move alike whatever lies behind them in a block, and what lies there stays.
TEST(WordMoves, CodesOfABlockOfAnotherSize) {
  constexpr uint64_t kOther = 2176, kCodes = layouts::mma64_nvfp4::kCodeBytes;
  const Rows rows = random_rows();
  const std::vector<std::byte> nvfp4 = pack(portable_moves(), rows);
  for (const WordMoves* moves : {&portable_moves(), avx2_moves()}) {
    if (moves == nullptr) continue;
    std::vector<std::byte> blocks(kTiles * kOther, test::kUnwritten);
    moves->pack_codes({rows.codes.data(), Rows::kCodePitch}, kTiles, blocks.data(), kOther);
    for (uint64_t tile = 0; tile < kTiles; ++tile) {
      const std::byte* block = &blocks[tile * kOther];
      EXPECT_EQ(std::memcmp(block, &nvfp4[tile * layouts::mma64_nvfp4::kBlockBytes], kCodes), 0);
      for (uint64_t byte = kCodes; byte < kOther; ++byte) EXPECT_EQ(block[byte], test::kUnwritten);
    }
    std::vector<std::byte> back(rows.codes.size());
    moves->unpack_codes(blocks.data(), kOther, kTiles, {back.data(), Rows::kCodePitch});
    for (uint64_t n = 0; n < 64; ++n)
      EXPECT_EQ(std::memcmp(&back[n * Rows::kCodePitch], &rows.codes[n * Rows::kCodePitch],
                            kTiles * kRowCodeBytes),
                0)
          << n;
  }
}

/// The chosen set is one of the two above; the portable one is checked against the golden digests
/// here, because on this CPU the word path may never take it.
TEST(WordMoves, PortableIsTheLayout) {
  const test::Nvfp4Matrix matrix = {
      reference::corner(reference::golden_codes(), 64, 64 * kTiles),
      reference::ByteMatrix{64, 4 * kTiles, std::vector<uint8_t>(64 * 4 * kTiles, 0x38)}};
  const test::Planes planes(matrix);
  std::vector<std::byte> blocks(kTiles * layouts::mma64_nvfp4::kBlockBytes);
  portable_moves().pack_codes({planes.codes.data(), planes.k / 2}, kTiles, blocks.data(),
                              layouts::mma64_nvfp4::kBlockBytes);
  portable_moves().pack_scales({planes.scales.data(), planes.k / 16}, kTiles, blocks.data());
  EXPECT_TRUE(blocks == test::to_bytes(reference::mma64_nvfp4(matrix.codes, matrix.scales)));
}

TEST(WordMoves, AllScalesNormalSeesOneOther) {
  std::vector<std::byte> block(layouts::mma64_nvfp4::kBlockBytes, std::byte{0x78});
  EXPECT_TRUE(all_scales_normal(block.data()));
  for (const int other : {0x00, 0x30, 0x47, 0xBF, 0xFF}) {
    block[2048 + 200] = static_cast<std::byte>(other);
    EXPECT_FALSE(all_scales_normal(block.data())) << other;
  }
  for (const int normal : {0x48, 0xBE}) {
    block[2048 + 200] = static_cast<std::byte>(normal);
    EXPECT_TRUE(all_scales_normal(block.data())) << normal;
  }
}

}  // namespace
}  // namespace imp::repack::mma64
