// Dequantisation without a card: the arithmetic of each thread run thread by thread, and what the
// public function refuses.
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>
#include <string>

#include "kernels/dequant/decode.h"
#include "kernels/dequant/dequant.h"
#include "tests/unit/dequant_expected.h"

namespace imp::kernels {
namespace {

using dequant::kChunk;
using dequant::kWarps;
using test::Nvfp4Matrix;
using test::PackedForm;

constexpr uint16_t kLayouts[] = {test::kPlainLayout, test::kMma64Layout, test::kNativeLayout};

uint32_t load_word(const std::byte* at) {
  uint32_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

/// [N, K] of code * scale, NaN where no thread wrote.
struct Values {
  Values(uint64_t rows, uint64_t columns)
      : n(rows), k(columns), at(rows * columns, std::numeric_limits<float>::quiet_NaN()) {}
  void store(uint64_t row, uint64_t column, const float (&chunk)[kChunk]) {
    for (uint32_t i = 0; i < kChunk; ++i) {
      EXPECT_TRUE(std::isnan(at[row * k + column + i])) << "written twice";
      at[row * k + column + i] = chunk[i];
    }
  }
  uint64_t n;
  uint64_t k;
  std::vector<float> at;
};

/// One warp on one block of mma64; the shuffle is a look into the neighbour's words.
void run_mma64_block(const std::byte* block, uint64_t n0, uint64_t k0, Values& values) {
  const auto word_of = [&](uint32_t lane, uint32_t w) {
    return load_word(block + 512 * (w / 4) + 16 * lane + 4 * (w % 4));
  };
  for (uint32_t l = 0; l < 32; ++l)
    for (uint32_t j = 0; j < 8; ++j)
      for (uint32_t store = 0; store < 2; ++store) {
        const dequant::Mma64Lane lane{l}, neighbour{l ^ 1};
        const uint64_t row = n0 + lane.row(j), column = k0 + lane.column(store);
        if (row >= values.n || column >= values.k) continue;
        const bool is_own = lane.is_own_word(store);
        const uint32_t word =
            is_own ? lane.kept(word_of(l, 2 * j), word_of(l, 2 * j + 1))
                   : neighbour.given(word_of(l ^ 1, 2 * j), word_of(l ^ 1, 2 * j + 1));
        const auto scale = static_cast<uint32_t>(block[2048 + 8 * (is_own ? l : l ^ 1) + j]);
        float chunk[kChunk];
        dequant::decode_mma64(word, dequant::scale_of_mma64(scale), chunk);
        values.store(row, column, chunk);
      }
}

void run_rows(const PackedForm& form, bool is_native, Values& values) {
  const uint64_t block_rows =
      is_native ? (values.n + 127) / 128 * 16 : (values.n + kWarps - 1) / kWarps;
  const uint64_t pitch = is_native ? dequant::native_pitch_bytes(values.k) : values.k / 2;
  const uint64_t groups = values.k / 16;
  for (uint64_t block_row = 0; block_row < block_rows; ++block_row)
    for (uint32_t warp = 0; warp < kWarps; ++warp) {
      const uint64_t n =
          is_native ? dequant::native_row(block_row, warp) : dequant::plain_row(block_row, warp);
      if (n >= values.n) continue;
      for (uint64_t k = 0; k < values.k; k += kChunk) {
        const uint64_t at =
            is_native ? dequant::sf128x4_offset(n, k / 16, groups) : n * groups + k / 16;
        const auto scale = static_cast<uint32_t>(form.scales.at(at));
        float chunk[kChunk];
        dequant::decode_canonical(load_word(&form.codes.at(n * pitch + k / 2)),
                                  dequant::scale_of_ue4m3(scale), chunk);
        values.store(n, k, chunk);
      }
    }
}

Values run_threads(const PackedForm& form, uint16_t layout, uint64_t n, uint64_t k) {
  Values values(n, k);
  if (layout != test::kMma64Layout) {
    run_rows(form, layout == test::kNativeLayout, values);
    return values;
  }
  const uint64_t k_blocks = (k + 63) / 64;
  for (uint64_t block = 0; block < (n + 63) / 64 * k_blocks; ++block)
    run_mma64_block(&form.codes.at(2304 * block), block / k_blocks * 64, block % k_blocks * 64,
                    values);
  return values;
}

void expect_matrix(const Nvfp4Matrix& matrix) {
  const uint64_t n = matrix.codes.rows, k = matrix.codes.columns;
  const test::Parts parts{{n}, {1.0f}};
  for (const uint16_t layout : kLayouts) {
    const Values values = run_threads(test::pack_form(matrix, layout), layout, n, k);
    size_t differing = 0;
    for (uint64_t i = 0; i < n * k; ++i) {
      const float expected = test::expected_value(matrix, layout, parts, i / k, i % k);
      differing +=
          std::bit_cast<uint32_t>(values.at[i]) == std::bit_cast<uint32_t>(expected) ? 0 : 1;
    }
    EXPECT_EQ(differing, 0u) << n << " x " << k << ", layout " << layout;
  }
}

TEST(DequantThreads, EveryCodeAndScale) { expect_matrix(test::every_code_and_scale()); }

TEST(DequantThreads, ShapesWithShortTiles) {
  const std::pair<size_t, size_t> shapes[] = {{1, 16}, {64, 64}, {65, 80}, {130, 48}, {200, 1040}};
  for (const auto& [n, k] : shapes)
    expect_matrix(test::random_matrix(n, k, static_cast<uint32_t>(n + k)));
}

TEST(DequantThreads, NanScaleIsNan) {
  EXPECT_TRUE(std::isnan(dequant::scale_of_ue4m3(0x7F)));
  EXPECT_TRUE(std::isnan(dequant::scale_of_ue4m3(0xFF)));
  EXPECT_EQ(dequant::scale_of_ue4m3(0xFE), 448.0f);
}

/// A call with everything in order; the pointers are never followed here.
struct Call {
  explicit Call(uint16_t layout) {
    operand.layout = layout;
    operand.scheme = test::kNvfp4Scheme;
    operand.n = 128;
    operand.k = 64;
    operand.experts = 2;
    operand.blocks = memory;
    operand.expert_stride_bytes = 4608;
    operand.multiplier = reinterpret_cast<const float*>(memory);
    operand.parts = 2;
    operand.part_end = {64, 128};
    operand.block_scale.data = memory;
    operand.block_scale.expert_stride_bytes = 512;
  }
  Status run() const { return dequantise(operand, expert, out, type, stride, nullptr); }

  alignas(16) std::byte memory[16] = {};
  DeviceWeight operand;
  uint32_t expert = 1;
  void* out = memory;
  Float type = Float::kBf16;
  uint64_t stride = 64;
};

template <class Change>
void expect_refused(uint16_t layout, ErrorKind kind, const char* words, Change change) {
  Call call(layout);
  change(call);
  const Status status = call.run();
  ASSERT_FALSE(status.ok()) << words;
  EXPECT_EQ(status.error().kind, kind) << status.error().to_line();
  EXPECT_NE(status.error().message.find(words), std::string::npos) << status.error().message;
}

TEST(DequantRefuses, NothingWrong) {
  if (cuda::built_in()) GTEST_SKIP() << "would launch on memory of the host";
  for (const uint16_t layout : kLayouts) {
    const Status status = Call(layout).run();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kNoDevice);
    EXPECT_EQ(status.error().message, "this build has no CUDA kernels");
  }
}

/// Experts of plain planes: no padding between them.
TEST(DequantRefuses, NotTheStridesOfPlainPlanes) {
  if (cuda::built_in()) GTEST_SKIP() << "would launch on memory of the host";
  Call call(test::kPlainLayout);
  call.operand.expert_stride_bytes = 24;
  call.operand.block_scale.expert_stride_bytes = 3;
  EXPECT_EQ(call.run().error().kind, ErrorKind::kNoDevice);
}

TEST(DequantRefuses, UnknownLayoutAndScheme) {
  constexpr ErrorKind kKind = ErrorKind::kUnsupportedLayout;
  expect_refused(2, kKind, "layout 99", [](Call& c) { c.operand.layout = 99; });
  expect_refused(2, kKind, "scheme 3", [](Call& c) { c.operand.scheme = 3; });
}

TEST(DequantRefuses, Shapes) {
  constexpr ErrorKind kKind = ErrorKind::kBadShape;
  expect_refused(3, kKind, "[0, 64]", [](Call& c) { c.operand.n = 0; });
  expect_refused(3, kKind, "K is not a multiple of 16", [](Call& c) { c.operand.k = 56; });
  expect_refused(3, kKind, "expert 2 of 2", [](Call& c) { c.expert = 2; });
  expect_refused(3, kKind, "output rows are 56", [](Call& c) { c.stride = 56; });
  expect_refused(3, kKind, "output", [](Call& c) { c.stride = 68; });
  expect_refused(3, kKind, "2^31", [](Call& c) { c.operand.n = uint64_t{1} << 32; });
}

TEST(DequantRefuses, Parts) {
  constexpr ErrorKind kKind = ErrorKind::kBadShape;
  expect_refused(1, kKind, "0 parts", [](Call& c) { c.operand.parts = 0; });
  expect_refused(1, kKind, "9 parts", [](Call& c) { c.operand.parts = 9; });
  expect_refused(1, kKind, "the last part ends at row 64", [](Call& c) { c.operand.parts = 1; });
  expect_refused(1, kKind, "part 1 ends", [](Call& c) { c.operand.part_end[1] = 64; });
  expect_refused(2, kKind, "inside a block", [](Call& c) { c.operand.part_end[0] = 63; });
}

TEST(DequantRefuses, Pointers) {
  constexpr ErrorKind kKind = ErrorKind::kBadShape;
  expect_refused(3, kKind, "blocks or codes", [](Call& c) { c.operand.blocks = nullptr; });
  expect_refused(3, kKind, "blocks or codes", [](Call& c) { c.operand.expert_stride_bytes = 24; });
  expect_refused(3, kKind, "block_scale", [](Call& c) { c.operand.block_scale.data = nullptr; });
  expect_refused(3, kKind, "block_scale",
                 [](Call& c) { c.operand.block_scale.expert_stride_bytes = 520; });
  expect_refused(1, kKind, "multiple of 4", [](Call& c) { c.operand.expert_stride_bytes = 6; });
  expect_refused(3, kKind, "multiplier", [](Call& c) { c.operand.multiplier = nullptr; });
  expect_refused(3, kKind, "output", [](Call& c) { c.out = c.memory + 8; });
  // Through a reader: every component that it asks for, and room for each expert.
  const auto mxfp4 = [](Call& c) { c.operand.scheme = 18; };
  expect_refused(3, kKind, "block_scale is null", [&](Call& c) {
    mxfp4(c);
    c.operand.block_scale.data = nullptr;
  });
  expect_refused(3, kKind, "expert stride 4095", [&](Call& c) {
    mxfp4(c);
    c.operand.expert_stride_bytes = 4095;
  });
}

}  // namespace
}  // namespace imp::kernels
