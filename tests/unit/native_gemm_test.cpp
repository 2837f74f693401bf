// The native GEMM without a card: its addresses, run lane by lane through a model of ldmatrix and
// of the block-scaled mma.sync, and what the public function refuses.
#include <array>
#include <cstring>
#include <string>

#include "kernels/gemm/native_nvfp4.h"
#include "kernels/gemm/native_tile.h"
#include "tests/unit/native_operands.h"

namespace imp::kernels {
namespace {

using namespace native;
using test::NativeOperand;

constexpr std::byte kUnwritten{0xA5};

/// One register of each lane.
using Lanes = std::array<uint32_t, 32>;

uint32_t word_at(const std::vector<std::byte>& memory, size_t at) {
  uint32_t word;
  std::memcpy(&word, &memory.at(at + 3) - 3, sizeof(word));
  return word;
}

/// PTX ISA, ldmatrix .x4: lane 8r + i gives the address of row i of matrix r; register r of lane l
/// gets bytes 4(l%4) .. + 3 of row l/4.
template <class Address>
std::array<Lanes, 4> ldmatrix(const std::vector<std::byte>& stage, Address address) {
  std::array<Lanes, 4> registers;
  for (uint32_t r = 0; r < 4; ++r)
    for (uint32_t lane = 0; lane < 32; ++lane)
      registers[r][lane] = word_at(stage, address(8 * r + lane / 4) + 4 * (lane % 4));
  return registers;
}

double code_value(uint32_t word, uint32_t i) {
  return quant::e2m1_to_float(static_cast<uint8_t>(word >> (4 * i) & 0xF));
}
double scale_value(uint32_t word, uint32_t group) {
  return quant::e4m3_to_float(static_cast<uint8_t>(word >> (8 * group) & 0x7F));
}

/// PTX ISA, m16n8k64 with 4-bit operands and scale_vec::4X, selectors 0. d[v][lane] += A B.
void mma(std::array<std::array<double, 32>, 4>& d, const std::array<Lanes, 4>& a, const Lanes& b0,
         const Lanes& b1, const Lanes& a_scales, const Lanes& b_scales) {
  const auto element_a = [&](uint32_t m, uint32_t k) {
    const uint32_t lane = 4 * (m % 8) + k % 32 / 8;
    const uint32_t scales = a_scales[4 * (m % 8) + m / 8];
    return code_value(a[2 * (k / 32) + m / 8][lane], k % 8) * scale_value(scales, k / 16);
  };
  const auto element_b = [&](uint32_t n, uint32_t k) {
    const uint32_t lane = 4 * n + k % 32 / 8;
    return code_value((k < 32 ? b0 : b1)[lane], k % 8) * scale_value(b_scales[4 * n], k / 16);
  };
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t v = 0; v < 4; ++v)
      for (uint32_t k = 0; k < 64; ++k)
        d[v][lane] += element_a(lane / 4 + 8 * (v / 2), k) * element_b(2 * (lane % 4) + v % 2, k);
}

void copy(std::vector<std::byte>& stage, uint32_t to, const std::vector<std::byte>& from,
          Source source) {
  for (uint32_t i = 0; i < kChunkBytes; ++i) {
    EXPECT_EQ(stage.at(to + i), kUnwritten);
    stage[to + i] = source.is_inside ? from.at(source.offset + i) : std::byte{0};
  }
}

template <class T>
std::vector<std::byte> fill_stage(const NativeOperand& x, const NativeOperand& w, uint32_t m0,
                                  uint32_t n0, uint32_t k_tile) {
  std::vector<std::byte> stage(T::kStageBytes, kUnwritten);
  const uint64_t pitch = (x.k + 31) / 32 * 16;
  for (uint32_t chunk = 0; chunk < kRowChunks; ++chunk) {
    for (uint32_t row = 0; row < T::kM; ++row)
      copy(stage, chunk_offset(row, chunk), x.form.codes,
           code_source(m0 + row, k_tile, chunk, x.rows, pitch));
    for (uint32_t row = 0; row < T::kN; ++row)
      copy(stage, T::kWAt + chunk_offset(row, chunk), w.form.codes,
           code_source(n0 + row, k_tile, chunk, w.rows, pitch));
  }
  for (uint32_t chunk = 0; chunk < kScaleChunks; ++chunk) {
    copy(stage, T::kXScalesAt + chunk * kChunkBytes, x.form.scales,
         scale_source(m0, k_tile, chunk, x.k));
    copy(stage, T::kWScalesAt + chunk * kChunkBytes, w.form.scales,
         scale_source(n0, k_tile, chunk, w.k));
  }
  return stage;
}

/// 16 rows of X by 16 rows of W of one stage, as the kernel's inner loop takes them.
template <class T>
void multiply(const std::vector<std::byte>& stage, uint32_t m0, uint32_t n0, uint32_t row,
              uint32_t column, std::array<std::array<double, 32>, 4> (&d)[2]) {
  for (uint32_t step = 0; step < kSteps; ++step) {
    const auto a = ldmatrix(stage, [&](uint32_t lane) { return x_address(lane, row, step); });
    const auto b =
        ldmatrix(stage, [&](uint32_t lane) { return T::kWAt + w_address(lane, column, step); });
    const uint32_t x_tile = T::kXScalesAt + step * kScaleTileBytes;
    const uint32_t w_tile = T::kWScalesAt + step * kScaleTileBytes;
    for (uint32_t half = 0; half < 2; ++half) {
      Lanes a_scales, b_scales;
      for (uint32_t lane = 0; lane < 32; ++lane) {
        a_scales[lane] =
            word_at(stage, x_tile + scale_word(m0 % kScaleTileRows + row + x_scale_row(lane)));
        b_scales[lane] = word_at(stage, w_tile + scale_word(n0 % kScaleTileRows + column +
                                                            8 * half + w_scale_row(lane)));
      }
      mma(d[half], a, b[2 * half], b[2 * half + 1], a_scales, b_scales);
    }
  }
}

template <class T>
void expect_product(const NativeOperand& x, const NativeOperand& w) {
  size_t differing = 0, seen = 0;
  for (uint32_t m0 = 0; m0 < x.rows; m0 += T::kM)
    for (uint32_t n0 = 0; n0 < w.rows; n0 += T::kN) {
      std::vector<std::vector<std::byte>> stages;
      for (uint32_t k_tile = 0; k_tile * kTileK < x.k; ++k_tile)
        stages.push_back(fill_stage<T>(x, w, m0, n0, k_tile));
      for (uint32_t row = 0; row < T::kM; row += 16)
        for (uint32_t column = 0; column < T::kN; column += 16) {
          std::array<std::array<double, 32>, 4> d[2] = {};
          for (const auto& stage : stages) multiply<T>(stage, m0, n0, row, column, d);
          for (uint32_t half = 0; half < 2; ++half)
            for (uint32_t v = 0; v < 4; ++v)
              for (uint32_t lane = 0; lane < 32; ++lane) {
                const uint64_t i = m0 + row + y_row(lane, v);
                const uint64_t n = n0 + column + 8 * half + y_column(lane, v);
                const bool is_inside = i < x.rows && n < w.rows;
                const double expected = is_inside ? dot(x, i, w, n).sum : 0.0;
                seen += is_inside ? 1 : 0;
                // Rows past the end are copied as zeros; their scales are padding, zeros too.
                differing += d[half][v][lane] == expected ? 0 : 1;
              }
        }
    }
  EXPECT_EQ(seen, x.rows * w.rows);
  EXPECT_EQ(differing, 0u);
}

TEST(NativeGemmLanes, ProductOfEveryTile) {
  const std::array<uint32_t, 3> shapes[] = {
      {16, 64, 128}, {5, 70, 48}, {40, 200, 208}, {130, 33, 336}};
  for (const auto& [m, n, k] : shapes) {
    SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k));
    const NativeOperand x(test::moderate_matrix(m, k, m)), w(test::moderate_matrix(n, k, n));
    expect_product<SmallTile>(x, w);
    expect_product<LargeTile>(x, w);
  }
}

/// Eight addresses of one phase of ldmatrix fall into eight different 16-byte columns of the banks.
TEST(NativeGemmLanes, NoBankConflicts) {
  for (uint32_t row0 = 0; row0 < 128; row0 += 16)
    for (uint32_t step = 0; step < kSteps; ++step)
      for (uint32_t phase = 0; phase < 32; phase += 8) {
        uint32_t x_columns = 0, w_columns = 0;
        for (uint32_t lane = phase; lane < phase + 8; ++lane) {
          x_columns |= 1u << (x_address(lane, row0, step) / 16 % 8);
          w_columns |= 1u << (w_address(lane, row0, step) / 16 % 8);
        }
        ASSERT_EQ(x_columns, 0xFFu);
        ASSERT_EQ(w_columns, 0xFFu);
      }
}

/// A call with everything in order; the pointers are never followed here.
struct Call {
  Call() {
    call.weight.layout = test::kNativeLayout;
    call.weight.scheme = test::kNvfp4Scheme;
    call.weight.n = 200;
    call.weight.k = 48;
    call.weight.blocks = memory;
    call.weight.multiplier = reinterpret_cast<const float*>(memory);
    call.weight.part_end = {200};
    call.block_scale = call.x_codes = call.x_scales = memory;
    call.x_multiplier = reinterpret_cast<const float*>(memory);
    call.m = 3;
    call.y = memory;
    call.y_stride = 200;
    device.sm = 120;
    device.shared_memory_per_block_bytes = 99 * 1024;
  }
  alignas(16) std::byte memory[16] = {};
  NativeGemmCall call;
  cuda::Device device;
};

template <class Change>
void expect_refused(ErrorKind kind, const char* words, Change change) {
  Call call;
  change(call);
  const Status status = native_gemm(call.call, call.device, nullptr);
  ASSERT_FALSE(status.ok()) << words;
  EXPECT_EQ(status.error().kind, kind) << status.error().to_line();
  EXPECT_NE(status.error().message.find(words), std::string::npos) << status.error().message;
}

TEST(NativeGemmRefuses, NothingWrongWithoutCuda) {
  if (cuda::built_in()) GTEST_SKIP() << "would launch on memory of the host";
  Call call;
  const Status status = native_gemm(call.call, call.device, nullptr);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kNoDevice);
  call.device.sm = 121;
  EXPECT_EQ(native_gemm(call.call, call.device, nullptr).error().kind, ErrorKind::kNoDevice);
  call.call.m = 0;
  EXPECT_TRUE(native_gemm(call.call, call.device, nullptr).ok());
}

TEST(NativeGemmRefuses, WhatHasNoKernel) {
  constexpr ErrorKind kKind = ErrorKind::kUnsupportedLayout;
  expect_refused(kKind, "layout 2", [](Call& c) { c.call.weight.layout = 2; });
  expect_refused(kKind, "scheme 3", [](Call& c) { c.call.weight.scheme = 3; });
  for (const uint32_t sm : {80u, 90u, 100u, 103u, 110u})
    expect_refused(kKind, "serves sm_120 and sm_121, this device is sm_",
                   [&](Call& c) { c.device.sm = sm; });
  expect_refused(kKind, "k_scale",
                 [](Call& c) { c.call.weight.k_scale = reinterpret_cast<const float*>(c.memory); });
}

TEST(NativeGemmRefuses, Shapes) {
  constexpr ErrorKind kKind = ErrorKind::kBadShape;
  expect_refused(kKind, "[200, 40]", [](Call& c) { c.call.weight.k = 40; });
  expect_refused(kKind, "[0, 48]", [](Call& c) { c.call.weight.n = 0; });
  expect_refused(kKind, "expert 1 of 1", [](Call& c) { c.call.expert = 1; });
  expect_refused(kKind, "rows of y are 199", [](Call& c) { c.call.y_stride = 199; });
  expect_refused(kKind, "stride between experts",
                 [](Call& c) { c.call.weight.expert_stride_bytes = 8; });
  expect_refused(kKind, "0 parts", [](Call& c) { c.call.weight.parts = 0; });
  expect_refused(kKind, "ends of parts", [](Call& c) { c.call.weight.part_end[0] = 199; });
}

TEST(NativeGemmRefuses, Pointers) {
  constexpr ErrorKind kKind = ErrorKind::kBadShape;
  expect_refused(kKind, "codes is not", [](Call& c) { c.call.weight.blocks = c.memory + 8; });
  expect_refused(kKind, "block_scale is a", [](Call& c) { c.call.block_scale = nullptr; });
  expect_refused(kKind, "x_codes is a", [](Call& c) { c.call.x_codes = nullptr; });
  expect_refused(kKind, "x_scales is not", [](Call& c) { c.call.x_scales = c.memory + 4; });
  expect_refused(kKind, "x_multiplier is a", [](Call& c) { c.call.x_multiplier = nullptr; });
  expect_refused(kKind, "y is not", [](Call& c) { c.call.y = c.memory + 1; });
}

}  // namespace
}  // namespace imp::kernels
