// imp-bench without a card: what decides whether a row may be printed, and what is printed.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "src/bench/float16.h"
#include "src/bench/gate.h"
#include "src/bench/gemm_bench.h"
#include "src/bench/pool.h"
#include "src/bench/repack_bench.h"
#include "src/bench/report.h"
#include "src/bench/timer.h"
#include "src/bench/weights.h"
#include "src/quant/nvfp4.h"

namespace imp::bench {
namespace {

TEST(BenchPool, IsSeveralTimesTheL2AndAtLeastTwoSlots) {
  constexpr uint64_t kMib = 1 << 20;
  EXPECT_EQ(cold_pool_bytes(50 * kMib), 320 * kMib);
  EXPECT_EQ(cold_pool_bytes(100 * kMib), 560 * kMib);
  EXPECT_EQ(pool_slots(32 * kMib, 320 * kMib), 10u);
  EXPECT_EQ(pool_slots(32 * kMib, 560 * kMib), 18u);  // 17.5
  EXPECT_EQ(pool_slots(1000 * kMib, 320 * kMib), 2u);
}

TEST(BenchTimer, EverySlotIsUsedEquallyOften) {
  EXPECT_EQ(graph_calls(10, 24), 30u);
  EXPECT_EQ(graph_calls(30, 24), 30u);
  EXPECT_EQ(graph_calls(2, 1), 2u);
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
}

TEST(BenchFloat16, CutValuesAreExactAndNearBelow) {
  for (const bool f16 : {false, true})
    for (float value : {1.0f, -1.0f, 0.333333f, -2.71828f, 3.999999f, 6.2e-5f, 0.0f}) {
      const uint16_t bits = cut_to_16(value, f16);
      const float back = float_of(bits, f16);
      EXPECT_EQ(back, f16 ? quant::f16_to_float(bits) : quant::bf16_to_float(bits));
      EXPECT_LE(std::fabs(back), std::fabs(value));
      EXPECT_LT(std::fabs(back - value), std::fabs(value) * 2 * unit_roundoff(f16) + 1e-30f);
    }
  EXPECT_EQ(cut_to_16(1e-6f, true), 0u);  // below the normal numbers of f16
}

TEST(BenchWeights, ValuesAreThoseOfTheCodecs) {
  const Shape shape{80, 64, 2};
  const CanonicalWeights weights = CanonicalWeights::random(shape, 3);
  ASSERT_EQ(weights.codes.size(), 2u * 80 * 32);
  ASSERT_EQ(weights.scales.size(), 2u * 80 * 4);
  std::set<uint8_t> scales;
  for (uint64_t row = 0; row < 160; ++row)
    for (uint64_t c = 0; c < 64; ++c) {
      const auto* codes = reinterpret_cast<const uint8_t*>(weights.codes.data()) + row * 32;
      const auto scale = static_cast<uint8_t>(weights.scales[row * 4 + c / 16]);
      scales.insert(scale);
      const float want = quant::nvfp4_unscaled(quant::nvfp4_code(codes, c), scale);
      ASSERT_EQ(std::bit_cast<uint32_t>(weights.at(row, c)), std::bit_cast<uint32_t>(want));
    }
  EXPECT_GE(*scales.begin(), 0x01);
  EXPECT_LE(*scales.rbegin(), 0x7E);
  EXPECT_GT(scales.size(), 100u);  // 640 draws of 126 values
}

/// kernel-layouts section 13, written out for step 1 of a block.
TEST(BenchWeights, LayoutOrderIsThatOfTheFragments) {
  const uint64_t step1[16] = {4, 5, 20, 21, 36, 37, 52, 53, 6, 7, 22, 23, 38, 39, 54, 55};
  for (uint64_t s = 0; s < 16; ++s) EXPECT_EQ(column_of_place(16 + s), step1[s]) << s;
  std::set<uint64_t> all;
  for (uint64_t place = 128; place < 192; ++place) all.insert(column_of_place(place));
  EXPECT_EQ(all.size(), 64u);
  EXPECT_EQ(*all.begin(), 128u);
  EXPECT_EQ(*all.rbegin(), 191u);

  std::vector<uint16_t> x(2 * 80);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint16_t>(i + 1);
  const std::vector<uint16_t> ordered = in_layout_order(x, 2, 80);
  ASSERT_EQ(ordered.size(), 2u * 128);
  EXPECT_EQ(ordered[16], 5);              // row 0, column 4
  EXPECT_EQ(ordered[128 + 64], 80 + 65);  // row 1, column 64
  EXPECT_EQ(std::count(ordered.begin(), ordered.end(), 0), 2 * (128 - 80));
}

TEST(BenchWeights, SampledRowsHaveBothEndsAndNoneTwice) {
  const std::vector<uint64_t> rows = sampled_rows(21504);
  EXPECT_GE(rows.size(), 64u);
  for (uint64_t r = 0; r < 16; ++r) {
    EXPECT_TRUE(std::count(rows.begin(), rows.end(), r));
    EXPECT_TRUE(std::count(rows.begin(), rows.end(), 21503 - r));
  }
  EXPECT_EQ(sampled_rows(3), (std::vector<uint64_t>{0, 1, 2}));
  EXPECT_EQ(sampled_rows(1), (std::vector<uint64_t>{0}));
}

/// Outputs that a perfect kernel would give, from a product of the test's own.
struct Sample {
  static constexpr uint64_t kN = 96, kK = 2048, kM = 8;
  static constexpr float kMultiplier = 0.00137f;
  CanonicalWeights weights;
  std::vector<uint16_t> x;
  bool f16;
  Reference ref;

  explicit Sample(bool type_f16, uint64_t experts = 1)
      : weights(CanonicalWeights::random({kN, kK, experts}, 5)),
        x(random_activations(kM, kK, type_f16, 6)),
        f16(type_f16),
        ref(reference(weights, x, kM, type_f16, 2)) {}

  /// Columns in [skip, skip + 64) are left out.
  std::vector<uint16_t> outputs(uint64_t skip = kK) const {
    std::vector<uint16_t> y(kM * kN);
    const uint64_t tokens = kM / weights.shape.experts;
    for (uint64_t i = 0; i < kM; ++i)
      for (uint64_t r = 0; r < kN; ++r) {
        double sum = 0;
        for (uint64_t c = 0; c < kK; ++c)
          if (c < skip || c >= skip + 64)
            sum += static_cast<double>(float_of(x[i * kK + c], f16)) *
                   weights.at(i / tokens * kN + r, c);
        y[i * kN + r] = f16 ? quant::f16_from_double(sum * kMultiplier)
                            : quant::bf16_from_double(sum * kMultiplier);
      }
    return y;
  }
  GateResult gate(const std::vector<uint16_t>& first, const std::vector<uint16_t>& last) const {
    return check_outputs({first, last, kM, kN, f16}, ref, kK, kMultiplier, 0);
  }
};

TEST(BenchGate, ExactProductsPass) {
  for (const bool f16 : {false, true}) {
    const Sample sample(f16);
    const auto y = sample.outputs();
    EXPECT_TRUE(sample.gate(y, y).good) << sample.gate(y, y).text;
  }
  const Sample experts(false, 4);
  const auto y = experts.outputs();
  EXPECT_TRUE(experts.gate(y, y).good) << experts.gate(y, y).text;
}

TEST(BenchGate, OneChangedBitBetweenCallsFails) {
  const Sample sample(false);
  const auto y = sample.outputs();
  auto last = y;
  last[3 * Sample::kN + 17] ^= 1;
  const GateResult result = sample.gate(y, last);
  EXPECT_FALSE(result.good);
  EXPECT_NE(result.text.find("token 3, row 17"), std::string::npos) << result.text;
}

TEST(BenchGate, OneWrongOutputFails) {
  const Sample sample(false);
  auto y = sample.outputs();
  y[2 * Sample::kN + 95] = 0x7FFF;  // NaN: never written
  EXPECT_FALSE(sample.gate(y, y).good);
  EXPECT_NE(sample.gate(y, y).text.find("token 2, row 95"), std::string::npos);
}

/// Each output alone may still lie within its bound: the root mean square sees it.
TEST(BenchGate, OneLostTileOfKFails) {
  for (const bool f16 : {false, true}) {
    const Sample sample(f16);
    const auto y = sample.outputs(64 * 7);
    EXPECT_FALSE(sample.gate(y, y).good);
  }
}

TEST(BenchGate, BoundsAreTheDerivedOnes) {
  // (14 + 2) * 2^-22 * 1000 * 0.5, then an output of 100 rounded to 8 bits.
  EXPECT_DOUBLE_EQ(element_bound(14, 1000, -100, 0.5, 0x1p-8),
                   0x1p-18 * 500 + 0x1p-8 * (100 + 0x1p-18 * 500));
  EXPECT_DOUBLE_EQ(rms_bound(14, 10, 20, 0.5, 0x1p-11), 0x1p-17 * 5 + 0x1p-11 * (20 + 0x1p-17 * 5));
}

GemmReport made_up_gemm() {
  GemmReport report;
  report.device.name = "Test card";
  report.device.sm = 90;
  report.device.multiprocessors = 132;
  report.device.l2_bytes = 60ull << 20;
  report.activation = "bf16";
  report.replays = 25;
  report.cublas = "libcublas.so.13";
  report.has_cublas = true;
  GemmRow row;
  row.n = 4096;
  row.k = 2048;
  row.m = 16;
  row.kernel = "made_up";
  row.x_order = "natural";
  row.weight_bytes = 4718592;
  row.good = true;
  row.check = "ok";
  row.us = 8;
  row.floor_us = 6;
  row.cublas_us = 12;
  report.rows.push_back(row);
  row.good = false;
  row.m = 64;
  row.check = "token 1, row 2: nan instead of 3";
  row.us = 123.5;
  report.rows.push_back(row);
  return report;
}

TEST(BenchReport, TableHasRatiosAndNoTimesOfWrongRows) {
  std::ostringstream out;
  print_table(out, made_up_gemm());
  const std::string text = out.str();
  EXPECT_NE(text.find("Test card, sm_90"), std::string::npos) << text;
  EXPECT_NE(text.find(" 75 "), std::string::npos) << text;    // 6 / 8 of the floor
  EXPECT_NE(text.find(" 1.50 "), std::string::npos) << text;  // 12 / 8
  EXPECT_NE(text.find(" 590 "), std::string::npos) << text;   // 4.7 MB in 8 us
  EXPECT_NE(text.find("WRONG: token 1, row 2"), std::string::npos) << text;
  EXPECT_EQ(text.find("123.5"), std::string::npos) << text;
}

TEST(BenchReport, JsonIsOneDocumentWithTheSameFacts) {
  std::ostringstream out;
  print_json(out, made_up_gemm());
  const auto json = nlohmann::json::parse(out.str());
  EXPECT_EQ(json["good"], false);
  EXPECT_EQ(json["device"]["sm"], 90);
  ASSERT_EQ(json["rows"].size(), 2u);
  EXPECT_EQ(json["rows"][0]["us"], 8.0);
  EXPECT_EQ(json["rows"][0]["share_of_floor"], 0.75);
  EXPECT_EQ(json["rows"][0]["times_cublas"], 1.5);
  // 2 * 16 * 4096 * 2048 operations in 8 us.
  EXPECT_DOUBLE_EQ(json["rows"][0]["teraflops"], 33.554432);
  EXPECT_FALSE(json["rows"][1].contains("us"));
}

TEST(BenchReport, RowsWithoutCublasHaveADash) {
  GemmReport report = made_up_gemm();
  report.rows.resize(1);
  report.rows[0].cublas_us.reset();
  report.cublas = "cuBLAS: libcublas.so.13: cannot open shared object file";
  std::ostringstream table, json;
  print_table(table, report);
  print_json(json, report);
  EXPECT_NE(table.str().find("cannot open shared object file"), std::string::npos);
  EXPECT_NE(table.str().find(" - "), std::string::npos);
  EXPECT_FALSE(nlohmann::json::parse(json.str())["rows"][0].contains("times_cublas"));
  EXPECT_TRUE(report.good());
}

TEST(BenchReport, RepackRatioIsAgainstTheCopy) {
  RepackReport report;
  report.path = "word";
  report.rows.push_back({"pack mma64", 8192, 8192, 96ull << 20, true, "ok", 50, 45});
  std::ostringstream table, json;
  print_table(table, report);
  print_json(json, report);
  EXPECT_NE(table.str().find(" 0.90 "), std::string::npos) << table.str();
  EXPECT_EQ(nlohmann::json::parse(json.str())["rows"][0]["copy_ratio"], 0.9);
}

void expect_usage(const GemmOptions& options, const std::string& fragment) {
  CollectingLog log;
  const auto report = run_gemm(options, log);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().kind, ErrorKind::kUsage) << report.error().to_line();
  EXPECT_NE(report.error().message.find(fragment), std::string::npos) << report.error().message;
}

TEST(BenchOptions, WhatMeansNothingIsRefusedBeforeADeviceIsLookedFor) {
  for (const char* text :
       {"", "4096", "4096x", "x4096", "4096x4095", "4096x4096x2", "-1x16", "0x16"})
    EXPECT_FALSE(parse_shape(text).ok()) << text;
  const auto shape = parse_shape("21504x5376");
  ASSERT_TRUE(shape.ok());
  EXPECT_EQ(shape->n, 21504u);
  EXPECT_EQ(shape->k, 5376u);

  GemmOptions options;
  options.kernel = "fast";
  expect_usage(options, "kernel 'fast' is not known; there are auto");
  options = {};
  options.replays = 0;
  expect_usage(options, "at least 1");
  options = {};
  options.m = {1, 0};
  expect_usage(options, "at least 1");
  options = {};
  options.tokens_per_expert = {4};
  expect_usage(options, "--experts");
  options = {};
  options.experts = 4;
  options.m = {8};
  expect_usage(options, "--tokens-per-expert");
  options = {};
  options.experts = 4;
  options.shapes = {{100, 64}};
  expect_usage(options, "multiple of 64");
  options = {};
  options.kernel = "mma-decode";
  options.m = {33};
  expect_usage(options, "takes at most");
}

TEST(BenchOptions, ABuildWithoutCudaSaysSo) {
  if (cuda::built_in()) GTEST_SKIP() << "this build has CUDA kernels";
  CollectingLog log;
  const auto gemm = run_gemm({}, log);
  ASSERT_FALSE(gemm.ok());
  EXPECT_EQ(gemm.error().kind, ErrorKind::kNoDevice);
  EXPECT_EQ(gemm.error().message, "this build has no CUDA kernels");
  const auto repack = run_repack({}, log);
  ASSERT_FALSE(repack.ok());
  EXPECT_EQ(repack.error().kind, ErrorKind::kNoDevice);
}

}  // namespace
}  // namespace imp::bench
