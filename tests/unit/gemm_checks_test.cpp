// What gemm() refuses, and which kernel it chooses: no card is needed, and no call here is
// launched. Each refusal is a call that passes with one thing changed.
#include "kernels/gemm/checks.h"

#include <array>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "kernels/gemm/k_order.h"

namespace imp::kernels {
namespace {

constexpr uint64_t kBlockBytes = 2304;  // kernel-layouts section 12

/// Memory for pointers to point to; nothing reads it.
alignas(256) std::array<std::byte, 512> memory;

template <class T = void>
T* pointer(size_t offset = 0) {
  return reinterpret_cast<T*>(memory.data() + offset);
}

/// bf16 activations [4, 240], weights [192, 240] of two parts.
GemmCall valid_call() {
  GemmCall call;
  call.weight.layout = 2;
  call.weight.scheme = 16;
  call.weight.n = 192;
  call.weight.k = 240;
  call.weight.parts = 2;
  call.weight.part_end = {64, 192};
  call.weight.blocks = pointer();
  call.weight.multiplier = pointer<float>();
  call.x = pointer();
  call.m = 4;
  call.x_stride = 240;
  call.y = pointer();
  call.y_stride = 192;
  call.workspace = pointer();
  call.workspace_bytes = uint64_t{1} << 40;
  return call;
}

/// The same with four experts.
GemmCall valid_grouped_call() {
  GemmCall call = valid_call();
  call.weight.experts = 4;
  call.weight.expert_stride_bytes = 3 * 4 * kBlockBytes;
  call.rows_end = pointer<uint32_t>();
  return call;
}

/// The same weight in native: no tuned kernel takes it.
GemmCall valid_native_call() {
  GemmCall call = valid_call();
  call.weight.layout = 3;
  call.weight.group_size = 16;
  call.weight.block_scale.data = pointer();
  return call;
}

cuda::Device device_of(uint32_t sm) {
  cuda::Device device;
  device.name = "made up";
  device.sm = sm;
  device.multiprocessors = 132;
  device.shared_memory_per_block_bytes = 232448;
  return device;
}

void expect_error(const Status& status, ErrorKind kind, const std::string& words) {
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, kind) << status.error().to_line();
  EXPECT_NE(status.error().message.find(words), std::string::npos)
      << status.error().message << "\nlacks: " << words;
}

template <class T>
Status status_of(const Result<T>& result) {
  return result.ok() ? Status{} : Status{result.error()};
}

struct Refusal {
  const char* name;
  ErrorKind kind;
  const char* words;
  std::function<void(GemmCall&)> change;
  GemmCall (*start)() = valid_call;
};

std::string name_of(const ::testing::TestParamInfo<Refusal>& info) { return info.param.name; }

TEST(GemmChecks, TheStartingPointsPass) {
  EXPECT_TRUE(check_call(valid_call(), true).ok());
  EXPECT_TRUE(check_call(valid_grouped_call(), true).ok());
  EXPECT_TRUE(check_call(valid_native_call(), true).ok());
}

class GemmShapeRefusals : public ::testing::TestWithParam<Refusal> {};

TEST_P(GemmShapeRefusals, ByEveryFunctionWithAndWithoutPointers) {
  GemmCall call = GetParam().start();
  GetParam().change(call);
  const cuda::Device device = device_of(90);
  for (const Status& status :
       {check_call(call, false), check_call(call, true), gemm(call, device, nullptr),
        status_of(choose_gemm_kernel(call, device)), status_of(gemm_workspace_bytes(call, device))})
    expect_error(status, GetParam().kind, GetParam().words);
}

const Refusal kShapeRefusals[] = {
    {"LayoutUnknown", ErrorKind::kUnsupportedLayout, "no GEMM for layout 99, scheme 16, dialect 0",
     [](GemmCall& c) { c.weight.layout = 99; }},
    {"SchemeUnknown", ErrorKind::kUnsupportedLayout, "no GEMM for layout 2, scheme 8, dialect 0",
     [](GemmCall& c) { c.weight.scheme = 8; }},
    {"DialectUnknown", ErrorKind::kUnsupportedLayout, "no GEMM for layout 2, scheme 16, dialect 7",
     [](GemmCall& c) { c.weight.dialect = 7; }},
    {"PlaneStrideTooSmall", ErrorKind::kBadShape, "expert stride 4095 of block_scale",
     [](GemmCall& c) {
       c = valid_native_call();
       c.weight.experts = 4;
       c.weight.expert_stride_bytes = 192 * 128;
       c.weight.block_scale.expert_stride_bytes = 4095;  // of 2 x 4 tiles of 512
       c.rows_end = pointer<uint32_t>();
     }},
    {"NIsZero", ErrorKind::kBadShape, "W is [0, 240]", [](GemmCall& c) { c.weight.n = 0; }},
    {"NTooLarge", ErrorKind::kBadShape, "W is [2147483648, 240], expected sizes from 1 to 2^31 - 1",
     [](GemmCall& c) { c.weight.n = uint64_t{1} << 31; }},
    {"KIsZero", ErrorKind::kBadShape, "W is [192, 0]", [](GemmCall& c) { c.weight.k = 0; }},
    {"KTooLarge", ErrorKind::kBadShape, "W is [192, 2147483648]",
     [](GemmCall& c) { c.weight.k = uint64_t{1} << 31; }},
    {"KIsNoMultipleOf16", ErrorKind::kBadShape, "K is 232, expected a multiple of the group of 16",
     [](GemmCall& c) { c.weight.k = 232; }},
    {"PartsAreZero", ErrorKind::kBadShape, "0 parts, expected 1 to 8",
     [](GemmCall& c) { c.weight.parts = 0; }},
    {"PartsAreNine", ErrorKind::kBadShape, "9 parts, expected 1 to 8",
     [](GemmCall& c) { c.weight.parts = 9; }},
    {"FirstPartIsEmpty", ErrorKind::kBadShape, "part 0 ends at row 0, expected more than 0",
     [](GemmCall& c) { c.weight.part_end[0] = 0; }},
    {"PartsDoNotAscend", ErrorKind::kBadShape, "part 1 ends at row 192, expected more than 192",
     [](GemmCall& c) { c.weight.part_end[0] = 192; }},
    {"PartsEndBeforeN", ErrorKind::kBadShape, "the last part ends at row 191, expected N = 192",
     [](GemmCall& c) { c.weight.part_end[1] = 191; }},
    {"PartsEndBehindN", ErrorKind::kBadShape, "the last part ends at row 193, expected N = 192",
     [](GemmCall& c) { c.weight.part_end[1] = 193; }},
    {"MTooLarge", ErrorKind::kBadShape, "M is 2147483648",
     [](GemmCall& c) { c.m = uint64_t{1} << 31; }},
    {"XIsF32", ErrorKind::kBadShape, "X is f32, expected bf16 or f16",
     [](GemmCall& c) { c.x_type = Float::kF32; }},
    {"YIsTheOther16BitType", ErrorKind::kBadShape, "Y has neither the type of X nor f32",
     [](GemmCall& c) { c.y_type = Float::kF16; }},
    {"XStrideTooSmall", ErrorKind::kBadShape, "rows of X are 232 elements apart",
     [](GemmCall& c) { c.x_stride = 232; }},
    {"XStrideIsNoMultipleOf8", ErrorKind::kBadShape, "rows of X are 244 elements apart",
     [](GemmCall& c) { c.x_stride = 244; }},
    {"XStrideTooSmallForPaddedRows", ErrorKind::kBadShape, "a multiple of 8 and at least 256",
     [](GemmCall& c) { c.x_order = XOrder::kLayout; }},
    {"YStrideTooSmall", ErrorKind::kBadShape, "rows of Y are 191 elements apart",
     [](GemmCall& c) { c.y_stride = 191; }},
    {"ExpertsAreZero", ErrorKind::kBadShape, "0 experts, expected 1 to 1024",
     [](GemmCall& c) { c.weight.experts = 0; }, valid_grouped_call},
    {"TooManyExperts", ErrorKind::kBadShape, "1025 experts, expected 1 to 1024",
     [](GemmCall& c) { c.weight.experts = 1025; }, valid_grouped_call},
    {"ExpertsWithoutRowsEnd", ErrorKind::kBadShape, "4 experts without rows_end",
     [](GemmCall& c) { c.rows_end = nullptr; }, valid_grouped_call},
    {"ExpertStrideTooSmall", ErrorKind::kBadShape, "expert stride 27632",
     [](GemmCall& c) { c.weight.expert_stride_bytes -= 16; }, valid_grouped_call},
    {"ExpertStrideIsNoMultipleOf16", ErrorKind::kBadShape, "a multiple of 16 and at least 27648",
     [](GemmCall& c) { c.weight.expert_stride_bytes += 8; }, valid_grouped_call},
};

INSTANTIATE_TEST_SUITE_P(GemmChecks, GemmShapeRefusals, ::testing::ValuesIn(kShapeRefusals),
                         name_of);

class GemmPointerRefusals : public ::testing::TestWithParam<Refusal> {};

TEST_P(GemmPointerRefusals, OnlyWherePointersAreLookedAt) {
  GemmCall call = GetParam().start();
  GetParam().change(call);
  const cuda::Device device = device_of(90);
  expect_error(check_call(call, true), GetParam().kind, GetParam().words);
  expect_error(gemm(call, device, nullptr), GetParam().kind, GetParam().words);
  EXPECT_TRUE(check_call(call, false).ok());
  EXPECT_TRUE(choose_gemm_kernel(call, device).ok());
}

constexpr char kNull[] = "blocks, multiplier, X or Y is null";
constexpr char kNot16[] = "blocks or X is not 16-byte aligned";
constexpr char kNotItsElements[] = "Y, multiplier or workspace is not aligned to its elements";

const Refusal kPointerRefusals[] = {
    {"BlocksNull", ErrorKind::kBadShape, kNull, [](GemmCall& c) { c.weight.blocks = nullptr; }},
    {"MultiplierNull", ErrorKind::kBadShape, kNull,
     [](GemmCall& c) { c.weight.multiplier = nullptr; }},
    {"XNull", ErrorKind::kBadShape, kNull, [](GemmCall& c) { c.x = nullptr; }},
    {"YNull", ErrorKind::kBadShape, kNull, [](GemmCall& c) { c.y = nullptr; }},
    {"BlocksUnaligned", ErrorKind::kBadShape, kNot16,
     [](GemmCall& c) { c.weight.blocks = pointer(8); }},
    {"XUnaligned", ErrorKind::kBadShape, kNot16, [](GemmCall& c) { c.x = pointer(8); }},
    {"MultiplierUnaligned", ErrorKind::kBadShape, kNotItsElements,
     [](GemmCall& c) { c.weight.multiplier = pointer<float>(2); }},
    {"YUnaligned", ErrorKind::kBadShape, kNotItsElements, [](GemmCall& c) { c.y = pointer(1); }},
    {"WorkspaceUnaligned", ErrorKind::kBadShape, kNotItsElements,
     [](GemmCall& c) { c.workspace = pointer(128); }},
    {"BlockScaleNull", ErrorKind::kBadShape, "block_scale is null",
     [](GemmCall& c) { c.weight.block_scale.data = nullptr; }, valid_native_call},
};

INSTANTIATE_TEST_SUITE_P(GemmChecks, GemmPointerRefusals, ::testing::ValuesIn(kPointerRefusals),
                         name_of);

TEST(GemmChecks, F32OutputWantsFourByteAlignment) {
  GemmCall call = valid_call();
  call.y = pointer(2);
  EXPECT_TRUE(check_call(call, true).ok());
  call.y_type = Float::kF32;
  expect_error(check_call(call, true), ErrorKind::kBadShape, kNotItsElements);
}

// 2^20 blocks of W times tiles of 8 rows of X: 2^12 of them are what 32 bits no longer count.
TEST(GemmChecks, TilesAreCountedIn32Bits) {
  GemmCall call = valid_call();
  call.weight.n = call.weight.k = uint64_t{1} << 16;
  call.weight.part_end[1] = call.weight.n;
  call.x_stride = call.weight.k;
  call.y_stride = call.weight.n;
  call.m = 8 * 4095;
  EXPECT_TRUE(check_call(call, false).ok());
  ++call.m;
  expect_error(check_call(call, false), ErrorKind::kBadShape,
               "M 32761, N 65536, K 65536 have more tiles than 32 bits count");
}

TEST(GemmChecks, NoRowsAreNoLaunch) {
  GemmCall call = valid_call();
  call.m = 0;
  EXPECT_TRUE(gemm(call, device_of(90), nullptr).ok());
}

TEST(GemmChecks, DevicesBeforeSm80AreRefused) {
  const GemmCall call = valid_call();
  const char words[] = "GEMM kernels need sm_80 or newer; this device is sm_75";
  const cuda::Device device = device_of(75);
  for (const Status& status :
       {gemm(call, device, nullptr), status_of(choose_gemm_kernel(call, device)),
        status_of(gemm_workspace_bytes(call, device))})
    expect_error(status, ErrorKind::kUnsupportedLayout, words);
}

TEST(GemmChecks, WgmmaIsForSm90Alone) {
  GemmCall call = valid_call();
  call.kernel = GemmKernel::kWgmma;
  for (const uint32_t sm : {80u, 89u, 100u, 120u})
    for (const Status& status :
         {gemm(call, device_of(sm), nullptr), status_of(gemm_workspace_bytes(call, device_of(sm)))})
      expect_error(status, ErrorKind::kUnsupportedLayout,
                   "the wgmma kernel runs on sm_90 only; this device is sm_" + std::to_string(sm));
}

TEST(GemmChecks, WhatHasNoTunedKernelRunsOnTheScalarOne) {
  GemmCall call = valid_native_call();
  for (const uint32_t sm : {80u, 90u, 120u})
    for (const uint64_t m : {1u, 64u}) {
      call.m = m;
      call.kernel = GemmKernel::kAuto;
      auto kernel = choose_gemm_kernel(call, device_of(sm));
      ASSERT_TRUE(kernel.ok());
      EXPECT_EQ(*kernel, GemmKernel::kScalar);
      call.kernel = GemmKernel::kMmaTiled;
      expect_error(status_of(choose_gemm_kernel(call, device_of(sm))),
                   ErrorKind::kUnsupportedLayout,
                   "kernel mma-tiled does not take layout 3, scheme 16");
    }
}

TEST(GemmChecks, TheScalarKernelCanBeAskedForEverywhere) {
  GemmCall call = valid_call();
  call.kernel = GemmKernel::kScalar;
  for (const uint64_t m : {1u, 300u}) {
    call.m = m;
    const auto kernel = choose_gemm_kernel(call, device_of(89));
    ASSERT_TRUE(kernel.ok());
    EXPECT_EQ(*kernel, GemmKernel::kScalar);
  }
}

TEST(GemmChecks, TheDecodeKernelTakesSixteenRows) {
  GemmCall call = valid_call();
  call.kernel = GemmKernel::kMmaDecode;
  call.m = 17;
  const char words[] = "M is 17, the decode kernel takes 16";
  expect_error(gemm(call, device_of(89), nullptr), ErrorKind::kBadShape, words);
  expect_error(status_of(gemm_workspace_bytes(call, device_of(89))), ErrorKind::kBadShape, words);
}

TEST(GemmChecks, AutoIsDecodeUpToSixteenRowsThenWgmmaOrTiled) {
  GemmCall call = valid_call();
  for (const uint32_t sm : {80u, 86u, 87u, 89u, 90u, 100u, 120u})
    for (const uint64_t m : {1u, 16u, 17u, 4096u}) {
      call.m = m;
      const auto kernel = choose_gemm_kernel(call, device_of(sm));
      ASSERT_TRUE(kernel.ok());
      const GemmKernel many = sm == 90 ? GemmKernel::kWgmma : GemmKernel::kMmaTiled;
      EXPECT_EQ(*kernel, m <= 16 ? GemmKernel::kMmaDecode : many) << "sm_" << sm << ", M " << m;
    }
}

TEST(GemmChecks, GroupedCallsChooseByTheMeanRowsOfAnExpert) {
  GemmCall call = valid_grouped_call();
  call.m = 4 * 16;
  auto kernel = choose_gemm_kernel(call, device_of(89));
  ASSERT_TRUE(kernel.ok());
  EXPECT_EQ(*kernel, GemmKernel::kMmaDecode);
  ++call.m;
  kernel = choose_gemm_kernel(call, device_of(89));
  ASSERT_TRUE(kernel.ok());
  EXPECT_EQ(*kernel, GemmKernel::kMmaTiled);
}

TEST(GemmChecks, WithoutCudaAValidCallIsRefusedSayingSo) {
  if (cuda::built_in()) return;  // it would be launched
  for (const uint64_t m : {1u, 64u}) {
    GemmCall call = valid_call();
    call.m = m;
    expect_error(gemm(call, device_of(90), nullptr), ErrorKind::kNoDevice, "no CUDA kernels");
  }
}

TEST(GemmChecks, KOrderRefusesWhatDoesNotFit) {
  const auto reorder = [](Float type, uint64_t k, uint64_t x_stride, uint64_t out_stride) {
    return to_mma64_k_order(pointer(), type, 0, k, x_stride, pointer(256), out_stride, nullptr);
  };
  EXPECT_TRUE(reorder(Float::kBf16, 240, 240, 256).ok());
  for (const Status& status :
       {reorder(Float::kF32, 240, 240, 256), reorder(Float::kBf16, 0, 240, 256),
        reorder(Float::kBf16, 240, 232, 256), reorder(Float::kBf16, 240, 244, 256),
        reorder(Float::kBf16, 240, 240, 248), reorder(Float::kBf16, 240, 240, 260)})
    expect_error(status, ErrorKind::kBadShape, "k order of X [0, ");
}

}  // namespace
}  // namespace imp::kernels
