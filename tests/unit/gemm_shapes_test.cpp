// Launch shapes of the GEMM kernels on cards that are not here: every configuration must fit into
// what a block can have, and all its CTAs must be resident at once, because they wait for each
// other's partial sums.
#include "kernels/gemm/args.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace imp::kernels {
namespace {

/// Shared memory, in bytes (CUDA programming guide, technical specifications per compute
/// capability).
struct Card {
  uint32_t sm;
  uint32_t multiprocessors;
  uint64_t of_block;
  uint64_t of_multiprocessor;
};
constexpr uint64_t kAda = 99 * 1024, kAmpere = 163 * 1024, kHopper = 227 * 1024;
constexpr Card kCards[] = {
    {86, 84, kAda, 100 * 1024},     {89, 58, kAda, 100 * 1024},     {89, 128, kAda, 100 * 1024},
    {120, 84, kAda, 100 * 1024},    {80, 108, kAmpere, 164 * 1024}, {87, 16, kAmpere, 164 * 1024},
    {90, 132, kHopper, 228 * 1024},
};
constexpr uint64_t kSystemBytes = 1024;  ///< of a block, beside its own
/// More than the static shared memory of any kernel (scripts/check_kernel_resources -v).
constexpr uint64_t kStaticBytes = 3 * 1024;
/// Partials have a region of this size for each multiprocessor (kernels/gemm/gemm.cpp); X lies
/// behind it.
constexpr uint64_t kPartialsOfMultiprocessor = 128 * 1024;

struct Matrix {
  uint64_t n, k;
};
constexpr Matrix kMatrices[] = {{1, 16},      {64, 64},      {192, 240},    {4096, 4096},
                                {6144, 4096}, {28672, 4096}, {4096, 14336}, {128256, 8192}};
constexpr uint32_t kRows[] = {1, 8, 9, 16, 17, 32, 33, 64, 65, 128, 129, 256, 300, 4096, 8000};
constexpr uint32_t kExpertCounts[] = {8, 128, 256, 512, 1024};

cuda::Device device_of(const Card& card) {
  cuda::Device device;
  device.sm = card.sm;
  device.multiprocessors = card.multiprocessors;
  device.shared_memory_per_block_bytes = card.of_block;
  return device;
}

GemmArgs args_of(const Matrix& w, uint32_t m) {
  GemmArgs args;
  args.m = m;
  args.n = static_cast<uint32_t>(w.n);
  args.k = static_cast<uint32_t>(w.k);
  args.n_tiles = (args.n + kBlockRows - 1) / kBlockRows;
  args.k_tiles = (args.k + kBlockColumns - 1) / kBlockColumns;
  return args;
}

GemmArgs grouped_args_of(const Matrix& w, uint32_t m, uint32_t experts) {
  static constexpr uint32_t kRowsEnd = 0;
  GemmArgs args = args_of(w, m);
  args.experts = experts;
  args.rows_end = &kRowsEnd;
  return args;
}

std::string text_of(const Card& card, const GemmArgs& args) {
  return "sm_" + std::to_string(card.sm) + " with " + std::to_string(card.multiprocessors) +
         " multiprocessors, M " + std::to_string(args.m) + ", N " + std::to_string(args.n) +
         ", K " + std::to_string(args.k) + ", " + std::to_string(args.experts) +
         " experts, token tile " + std::to_string(args.token_tile);
}

/// `token_tile` 0: any.
void expect_fits(const Result<LaunchShape>& shape, const Card& card, uint64_t limit,
                 uint32_t token_tile = 0) {
  ASSERT_TRUE(shape.ok()) << shape.error().to_line();
  const uint64_t of_cta = shape->shared_bytes + kStaticBytes + kSystemBytes;
  EXPECT_LE(shape->shared_bytes, limit);
  EXPECT_GE(shape->grid, 1u);
  EXPECT_LE(shape->grid,
            card.multiprocessors * std::max<uint64_t>(1, card.of_multiprocessor / of_cta));
  EXPECT_GE(shape->token_tile, 1u);
  if (token_tile != 0) {
    EXPECT_EQ(shape->token_tile, token_tile);
  }
  EXPECT_LE(shape->partial_bytes, card.multiprocessors * kPartialsOfMultiprocessor);
}

template <class Check>
void for_each_call(const Card& card, uint32_t token_tile, const Check& check) {
  const auto visit = [&](GemmArgs args) {
    args.token_tile = token_tile;
    SCOPED_TRACE(text_of(card, args));
    check(args);
  };
  for (const Matrix& w : kMatrices)
    for (const uint32_t m : kRows) {
      visit(args_of(w, m));
      for (const uint32_t experts : kExpertCounts) visit(grouped_args_of(w, m, experts));
    }
}

TEST(GemmShapes, DecodeFitsEveryCard) {
  for (const Card& card : kCards)
    for_each_call(card, 0, [&](const GemmArgs& args) {
      if (args.rows_end == nullptr && args.m > kMaxDecodeRows) return;
      const uint32_t token_tile = args.rows_end != nullptr ? 0 : args.m <= 8 ? 8 : 16;
      expect_fits(decode_shape(args, device_of(card), card.of_block), card, card.of_block,
                  token_tile);
    });
}

TEST(GemmShapes, DecodeCountsItsStaticSharedMemory) {
  const Card& card = kCards[0];
  const GemmArgs args = args_of({4096, 4096}, 16);
  const auto shape = decode_shape(args, device_of(card), card.of_block);
  ASSERT_TRUE(shape.ok());
  const auto refused = decode_shape(args, device_of(card), shape->shared_bytes);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnsupportedLayout);
  EXPECT_NE(refused.error().message.find("the decode kernel needs "), std::string::npos);
}

TEST(GemmShapes, TiledFitsEveryCard) {
  for (const Card& card : kCards)
    for (const uint32_t token_tile : {0u, 32u, 64u, 128u})
      for_each_call(card, token_tile, [&](const GemmArgs& args) {
        expect_fits(tiled_shape(args, device_of(card), card.of_block), card, card.of_block,
                    token_tile);
      });
}

TEST(GemmShapes, WgmmaFitsAndHonoursSmallerLimits) {
  const Card& card = *std::find_if(std::begin(kCards), std::end(kCards),
                                   [](const Card& each) { return each.sm == 90; });
  for (const uint64_t limit : {kHopper, kAmpere, kAda})
    for (const uint32_t token_tile : {0u, 32u, 64u, 128u, 256u})
      for_each_call(card, token_tile, [&](const GemmArgs& args) {
        expect_fits(wgmma_shape(args, device_of(card), limit), card, limit, token_tile);
      });
}

TEST(GemmShapes, LimitsThatHoldNothingAreRefusedNamingBoth) {
  const cuda::Device device = device_of(kCards[0]);
  const GemmArgs args = args_of({4096, 4096}, 16);
  for (const auto& shape : {decode_shape(args, device, 4096), tiled_shape(args, device, 4096),
                            wgmma_shape(args, device, 4096)}) {
    ASSERT_FALSE(shape.ok());
    EXPECT_EQ(shape.error().kind, ErrorKind::kUnsupportedLayout);
    EXPECT_NE(shape.error().message.find("bytes of shared memory a block, there are 4096"),
              std::string::npos)
        << shape.error().message;
  }
}

TEST(GemmShapes, UnknownTokenTilesAreRefused) {
  const cuda::Device device = device_of(kCards[0]);
  GemmArgs args = args_of({4096, 4096}, 300);
  args.token_tile = 48;
  for (const auto& shape :
       {tiled_shape(args, device, kHopper), wgmma_shape(args, device, kHopper)}) {
    ASSERT_FALSE(shape.ok());
    EXPECT_EQ(shape.error().kind, ErrorKind::kBadShape);
    EXPECT_NE(shape.error().message.find("token tile 48"), std::string::npos);
  }
  args.token_tile = 256;
  EXPECT_FALSE(tiled_shape(args, device, kHopper).ok());
}

// gemm() itself, with a workspace one byte too small: refused before anything is launched.
TEST(GemmShapes, AWorkspaceOneByteTooSmallIsRefused) {
  alignas(256) static std::byte memory[256];
  GemmCall call;
  call.weight.layout = 2;
  call.weight.scheme = 16;
  call.weight.n = call.weight.k = 256;
  call.weight.part_end = {256};
  call.weight.blocks = call.x = call.y = call.workspace = memory;
  call.weight.multiplier = reinterpret_cast<const float*>(memory);
  call.x_stride = call.y_stride = 256;
  for (const uint64_t m : {1u, 16u, 17u, 300u}) {
    call.m = m;
    for (const Card& card : kCards) {
      const auto bytes = gemm_workspace_bytes(call, device_of(card));
      ASSERT_TRUE(bytes.ok()) << bytes.error().to_line();
      call.workspace_bytes = *bytes - 1;
      const Status status = gemm(call, device_of(card), nullptr);
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().kind, ErrorKind::kBadShape);
      EXPECT_EQ(status.error().message, "workspace of " + std::to_string(*bytes - 1) +
                                            " bytes, this call needs " + std::to_string(*bytes));
    }
  }
}

}  // namespace
}  // namespace imp::kernels
