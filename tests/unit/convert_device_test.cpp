// What a conversion on a card decides before it touches one: slab sizes, slots, refusals.
#include <gtest/gtest.h>

#include "kernels/cuda/runtime.h"
#include "src/convert/device_ring.h"
#include "tests/unit/conversion.h"
#include "tests/unit/ragged_checkpoint.h"

namespace imp::testing {
namespace {

convert::Prepared prepared_for(const std::filesystem::path& input, std::vector<uint32_t> sms) {
  CollectingLog log;
  auto prepared = convert::prepare(options_for(input, std::move(sms)), log);
  EXPECT_TRUE(prepared.ok());
  return std::move(prepared).take();
}

TEST(SlabNeed, IsThatOfTheLargestCall) {
  const TempFolder folder;
  const auto input = write_ragged_checkpoint(folder.path());
  // sm_89: mma64. One unit is 64 rows; the longest row is that of down_proj, K = 4016 (251 groups,
  // 63 k-tiles): 64 * 2008 bytes of codes, a multiple of 256, then 64 * 251 of scales.
  const convert::Prepared mma64 = prepared_for(input, {89});
  convert::SlabNeed need = convert::slab_need(mma64.model.source, mma64.plan, 1);
  EXPECT_EQ(need.in_bytes, 64u * 2008 + 64 * 251);
  EXPECT_EQ(need.out_bytes, 63u * 2304);
  // All rows of a tensor at once: gate and up are [4016, 208], 63 n-tiles of 4 k-tiles.
  need = convert::slab_need(mma64.model.source, mma64.plan, 1u << 30);
  EXPECT_EQ(need.in_bytes, 4016u * 104 + (256 - 4016 * 104 % 256) % 256 + 4016 * 13);
  EXPECT_EQ(need.out_bytes, 63u * 4 * 2304);
  // sm_120: native rows, one row a unit, and sf128x4, 128 rows a unit: 128 * 251 scales in, 63
  // tiles of 512 bytes out.
  const convert::Prepared native = prepared_for(input, {120});
  need = convert::slab_need(native.model.source, native.plan, 1);
  EXPECT_EQ(need.in_bytes, 128u * 251);
  EXPECT_EQ(need.out_bytes, 63u * 512);
}

TEST(FitRing, TakesLargeSlabsThenSmallerOnesThenFewerSlots) {
  const TempFolder folder;
  const convert::Prepared p = prepared_for(write_ragged_checkpoint(folder.path()), {89, 120});
  const auto fit = [&](uint64_t budget) {
    return convert::fit_ring(p.model.source, p.plan, 1u << 20, budget);
  };
  const auto ample = fit(convert::kDeviceBudgetBytes);
  ASSERT_TRUE(ample.ok());
  EXPECT_EQ(ample->slab_bytes, uint64_t{1} << 20);
  EXPECT_EQ(ample->slots, convert::kRingSlots);

  const auto less = fit(ample->slots * ample->slot_bytes() - 1);
  ASSERT_TRUE(less.ok());
  EXPECT_LT(less->slab_bytes, ample->slab_bytes);
  EXPECT_EQ(less->slots, convert::kRingSlots);

  const auto smallest = fit(0);
  ASSERT_FALSE(smallest.ok());
  EXPECT_EQ(smallest.error().kind, ErrorKind::kNoDevice);

  uint64_t last_slots = convert::kRingSlots;
  for (uint64_t budget = uint64_t{4} << 20; budget > 0; budget = budget * 3 / 4) {
    const auto shape = fit(budget);
    if (!shape.ok()) {
      EXPECT_EQ(last_slots, 1u) << "three quarters of two slots are one";
      EXPECT_NE(shape.error().message.find(std::to_string(budget)), std::string::npos);
      return;
    }
    EXPECT_LE(shape->slots * shape->slot_bytes(), budget);
    EXPECT_LE(shape->slots, last_slots);
    last_slots = shape->slots;
  }
  ADD_FAILURE() << "no budget was too small";
}

TEST(ConvertDevice, ThreadsFillTheSlots) {
  convert::Options options = options_for(fixture("modelopt-nvfp4-llama-odd"), {89});
  options.backend = convert::Backend::kCuda;
  CollectingLog log;
  const auto few = convert::prepare(options, log);
  ASSERT_TRUE(few.ok());
  EXPECT_EQ(few->threads, convert::kRingSlots);
  options.threads = 7;
  const auto many = convert::prepare(options, log);
  ASSERT_TRUE(many.ok());
  EXPECT_EQ(many->threads, 7u);
}

TEST(ConvertDevice, WithoutADeviceTheRunIsRefused) {
  if (cuda::current_device().ok()) GTEST_SKIP() << "there is a device";
  convert::Options options = options_for(fixture("modelopt-nvfp4-llama-odd"), {89});
  CollectingLog log;
  ASSERT_TRUE(convert_to_memory(options, log).ok());
  options.backend = convert::Backend::kCuda;
  const auto refused = convert_to_memory(options, log);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kNoDevice);
  EXPECT_NE(refused.error().message.find("'cuda'"), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace imp::testing
