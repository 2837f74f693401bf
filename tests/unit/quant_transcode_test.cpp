// Rows to codes and scales: NVFP4 and MXFP4 of a row worked out by hand from both producers'
// recipes (their own vectors: quant_vectors_test.cpp), INT8 and FP8 by their definition; what is
// refused; statistics of the error.
#include "src/quant/transcode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "src/base/little_endian.h"
#include "src/quant/bf16.h"
#include "src/quant/decode.h"
#include "src/quant/error_stats.h"
#include "tests/reference/scheme_values.h"

namespace imp::quant {
namespace {

/// 32 values of a bf16 model, and the planes that the recipes give them.
constexpr uint16_t kRow[32] = {0x3c55, 0xbcac, 0x3bb4, 0x0000, 0xb952, 0x3d0b, 0xbd43, 0x3c05,
                               0x3c86, 0xbd06, 0x3a90, 0xbc18, 0x3cd0, 0x3af9, 0xbc72, 0x3bdf,
                               0x3b0a, 0xbadf, 0x3a6c, 0x0000, 0x3b45, 0xbb8a, 0x39d2, 0x3a90,
                               0xba52, 0x3b2a, 0xbaaa, 0x3b65, 0x3952, 0xbb3e, 0x3ac5, 0xba1d};

std::vector<float> golden_row() {
  std::vector<float> row;
  for (const uint16_t bits : kRow) row.push_back(bf16_to_float(bits));
  return row;
}

struct Planes {
  std::vector<std::byte> codes, scales;
};

Planes transcoded(const TranscodeFormat& format, std::span<const float> row) {
  Planes planes;
  planes.codes.resize(format.code_row_bytes());
  planes.scales.resize(format.scale_row_bytes());
  transcode_row(format, row, planes.codes, planes.scales);
  return planes;
}

std::vector<std::byte> bytes_of(std::initializer_list<uint32_t> values) {
  std::vector<std::byte> bytes;
  for (const uint32_t v : values) bytes.push_back(static_cast<std::byte>(v));
  return bytes;
}

float amax_of(std::span<const float> row) { return *largest_magnitude(row); }

TranscodeFormat format_for(TranscodeTarget target, std::span<const float> row,
                           ModelFloat dtype = ModelFloat::kBf16, uint64_t group = 0) {
  auto format = transcode_format(target, dtype, row.size(), group);
  EXPECT_TRUE(format.ok());
  format->global = transcode_global(target, amax_of(row), dtype);
  return *format;
}

const auto kNvfp4Codes = {0xd3u, 0x01u, 0x68u, 0x2fu, 0xe4u, 0xa0u, 0x05u, 0x2cu,
                          0xc5u, 0x03u, 0xf6u, 0x31u, 0x6au, 0x6cu, 0xe1u, 0xa4u};

TEST(Transcode, GoldenRowAsNvfp4OfModelOpt) {
  const auto row = golden_row();
  const auto format = format_for(TranscodeTarget::kNvfp4ModelOpt, row);
  EXPECT_EQ(std::bit_cast<uint32_t>(format.global), 0x37949249u);
  EXPECT_EQ(transcode_convention(format.target), Convention::kMultiplier);
  EXPECT_EQ(format.scale_dtype(), Dtype::kF8E4M3);
  const Planes planes = transcoded(format, row);
  EXPECT_EQ(planes.scales, bytes_of({0x7e, 0x62}));
  EXPECT_EQ(planes.codes, bytes_of(kNvfp4Codes));
}

TEST(Transcode, GoldenRowAsNvfp4OfCompressedTensors) {
  const auto row = golden_row();
  const auto format = format_for(TranscodeTarget::kNvfp4CompressedTensors, row);
  EXPECT_EQ(format.global, 56320.0f);
  EXPECT_EQ(transcode_convention(format.target), Convention::kDivisor);
  const Planes planes = transcoded(format, row);
  EXPECT_EQ(planes.scales, bytes_of({0x7e, 0x62}));
  EXPECT_EQ(planes.codes, bytes_of(kNvfp4Codes));
  // The model's float is part of the recipe.
  EXPECT_NE(transcode_global(format.target, amax_of(row), ModelFloat::kF32), 56320.0f);
}

TEST(Transcode, GoldenRowAsMxfp4OfBoth) {
  const auto row = golden_row();
  const auto modelopt = format_for(TranscodeTarget::kMxfp4ModelOpt, row);
  EXPECT_EQ(modelopt.global, 1.0f);
  EXPECT_EQ(modelopt.scale_dtype(), Dtype::kF8E8M0);
  const Planes ours = transcoded(modelopt, row);
  EXPECT_EQ(ours.scales, bytes_of({0x79}));
  EXPECT_EQ(ours.codes, bytes_of({0xb2, 0x81, 0x48, 0x1d, 0xc2, 0x90, 0x03, 0x1a, 0x80, 0x80, 0x90,
                                  0x00, 0x08, 0x08, 0x80, 0x80}));
  const Planes ct = transcoded(format_for(TranscodeTarget::kMxfp4CompressedTensors, row), row);
  EXPECT_EQ(ct.scales, bytes_of({0x78}));
  EXPECT_EQ(ct.codes, bytes_of({0xd3, 0x01, 0x68, 0x2f, 0xe4, 0xa0, 0x05, 0x2c, 0x81, 0x00, 0x91,
                                0x00, 0x18, 0x18, 0x90, 0x80}));
}

float float_at(const std::vector<std::byte>& plane, size_t i) {
  return load_le<float>(plane.data() + 4 * i);
}

TEST(Transcode, Int8IsNearestEvenUnderAmaxOver127) {
  const std::vector<float> row = {254, -254, 1, 3, 5, -1, -3, 253, 0, -0.0f, 2, 0.99f};
  const auto format = format_for(TranscodeTarget::kInt8, row);
  const Planes planes = transcoded(format, row);
  ASSERT_EQ(planes.scales.size(), 4u);
  EXPECT_EQ(float_at(planes.scales, 0), 2.0f);
  // Offset binary; halves 0.5, 1.5, 2.5, -0.5, -1.5, 126.5 go to the even one.
  EXPECT_EQ(planes.codes, bytes_of({255, 1, 128, 130, 130, 128, 126, 254, 128, 128, 129, 128}));
}

TEST(Transcode, GroupsHaveTheirOwnScale) {
  std::vector<float> row(64, 0.0f);
  row[3] = 127.0f;
  row[40] = -12.7f;
  const auto format = format_for(TranscodeTarget::kInt8, row, ModelFloat::kF32, 32);
  const Planes planes = transcoded(format, row);
  ASSERT_EQ(planes.scales.size(), 8u);
  EXPECT_EQ(float_at(planes.scales, 0), 1.0f);
  EXPECT_EQ(float_at(planes.scales, 1), 12.7f / 127.0f);
  EXPECT_EQ(std::to_integer<int>(planes.codes[3]), 255);
  EXPECT_EQ(std::to_integer<int>(planes.codes[40]), 1);
}

TEST(Transcode, Fp8IsNearestEvenUnderAmaxOver448) {
  const std::vector<float> row = {896, -896, 2, 2.125f, 2.375f, -0.0f, 0x1p-9f, 0x1.8p-8f};
  const auto format = format_for(TranscodeTarget::kFp8, row);
  const Planes planes = transcoded(format, row);
  EXPECT_EQ(float_at(planes.scales, 0), 2.0f);
  // 1.0625 and 1.1875 are ties of e4m3, as are 2^-10 and 1.5 * 2^-9 of its subnormals.
  EXPECT_EQ(planes.codes, bytes_of({0x7E, 0xFE, 0x38, 0x38, 0x3A, 0x80, 0x00, 0x02}));
}

constexpr TranscodeTarget kTargets[] = {
    TranscodeTarget::kNvfp4ModelOpt, TranscodeTarget::kNvfp4CompressedTensors,
    TranscodeTarget::kMxfp4ModelOpt, TranscodeTarget::kMxfp4CompressedTensors,
    TranscodeTarget::kInt8,          TranscodeTarget::kFp8};

std::vector<double> values_of(const TranscodeFormat& format, const Planes& planes) {
  WeightFormat weight;
  weight.kind = format.target == TranscodeTarget::kInt8  ? CodeKind::kInteger
                : format.target == TranscodeTarget::kFp8 ? CodeKind::kE4m3
                                                         : CodeKind::kE2m1;
  weight.bits = weight.kind == CodeKind::kE2m1 ? 4 : 8;
  weight.rows = 1;
  weight.columns = format.columns;
  weight.group_size = format.group_size;
  weight.scale_dtype = format.scale_dtype();
  CanonicalRows rows;
  rows.rows = 1;
  rows.codes = planes.codes;
  rows.scales = planes.scales;
  std::vector<double> out(format.columns);
  decode_rows(weight, rows, *column_groups(weight, {}),
              {format.global, transcode_convention(format.target)}, out);
  return out;
}

TEST(Transcode, ZerosStayZerosUnderUsableScales) {
  const std::vector<float> zeros(64, 0.0f);
  for (const TranscodeTarget target : kTargets) {
    const auto format = format_for(target, zeros);
    EXPECT_EQ(format.global, 1.0f) << transcode_name(target);
    for (const double v : values_of(format, transcoded(format, zeros)))
      EXPECT_EQ(v, 0.0) << transcode_name(target);
  }
}

TEST(Transcode, TheSmallestFloatsGiveFiniteValues) {
  for (const float tiny : {std::numeric_limits<float>::denorm_min(), 0x1p-140f, 0x1p-126f}) {
    std::vector<float> row(64, tiny);
    row[1] = -tiny;
    for (const TranscodeTarget target : kTargets) {
      const auto format = format_for(target, row, ModelFloat::kF32);
      for (const double v : values_of(format, transcoded(format, row))) {
        EXPECT_TRUE(std::isfinite(v)) << transcode_name(target);
        EXPECT_LE(std::fabs(v), 0x1p-120) << transcode_name(target) << " " << tiny;
      }
    }
  }
}

/// Half a step of the codes at the value, and the rounding of the scale.
double largest_step(TranscodeTarget target, double amax) {
  switch (target) {
    case TranscodeTarget::kInt8:
      return amax / 127 / 2 * 1.001;
    case TranscodeTarget::kFp8:
      return amax / 448 * 32 / 2 * 1.001;
    case TranscodeTarget::kMxfp4CompressedTensors:
      return amax * 1.51 / 8 + amax / 8;  // up to an eighth is clipped
    default:
      return amax * 2 / 6;  // a step of 2 below 6, scales up to twice as large (MXFP4)
  }
}

TEST(Transcode, ValuesAreNearTheSource) {
  std::mt19937 random(31);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  for (const TranscodeTarget target : kTargets)
    for (int turn = 0; turn < 20; ++turn) {
      std::vector<float> row(256);
      for (float& v : row) v = normal(random);
      const auto format = format_for(target, row, ModelFloat::kF32);
      const auto values = values_of(format, transcoded(format, row));
      const double bound = largest_step(target, amax_of(row));
      for (size_t i = 0; i < row.size(); ++i)
        ASSERT_LE(std::fabs(values[i] - row[i]), bound) << transcode_name(target) << " " << i;
    }
}

TEST(Transcode, ColumnsThatAreNoWholeGroupsAreRefused) {
  struct Case {
    TranscodeTarget target;
    uint64_t columns, group;
    bool ok;
  };
  const Case cases[] = {
      {TranscodeTarget::kNvfp4ModelOpt, 48, 0, true},
      {TranscodeTarget::kNvfp4ModelOpt, 40, 0, false},
      {TranscodeTarget::kMxfp4CompressedTensors, 64, 0, true},
      {TranscodeTarget::kMxfp4CompressedTensors, 48, 0, false},
      {TranscodeTarget::kInt8, 37, 0, true},
      {TranscodeTarget::kInt8, 64, 32, true},
      {TranscodeTarget::kInt8, 65, 32, false},
      {TranscodeTarget::kFp8, 0, 0, false},
  };
  for (const Case& c : cases) {
    const auto format = transcode_format(c.target, ModelFloat::kF32, c.columns, c.group);
    ASSERT_EQ(format.ok(), c.ok) << transcode_name(c.target) << " " << c.columns;
    if (!c.ok) {
      EXPECT_EQ(format.error().kind, ErrorKind::kUnsupportedScheme);
      EXPECT_NE(format.error().message.find(std::to_string(c.columns) + " columns"),
                std::string::npos);
    }
  }
}

TEST(Transcode, NamesAndTargetsAreOneToOne) {
  ASSERT_EQ(transcode_names().size(), std::size(kTargets));
  for (const TranscodeTarget target : kTargets)
    EXPECT_EQ(transcode_from_name(transcode_name(target)), target);
  EXPECT_EQ(transcode_from_name("nvfp4x"), std::nullopt);
  EXPECT_EQ(transcode_from_name(""), std::nullopt);
}

TEST(Transcode, WhatIsNotFiniteIsRefusedWithItsPlace) {
  std::vector<float> values = {1, -3, 2, 0};
  ASSERT_TRUE(largest_magnitude(values).ok());
  EXPECT_EQ(*largest_magnitude(values), 3.0f);
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    auto changed = values;
    changed[2] = bad;
    const auto result = largest_magnitude(changed);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().kind, ErrorKind::kBadScale);
    EXPECT_NE(result.error().message.find("value 2 is "), std::string::npos);
  }
}

TEST(ErrorStats, ByHand) {
  ErrorStats stats;
  stats.add(std::vector<double>{3, 4}, std::vector<double>{3, 4.5});
  EXPECT_EQ(stats.count, 2u);
  EXPECT_EQ(stats.largest_error, 0.5);
  EXPECT_DOUBLE_EQ(stats.relative_rms(), 0.1);
  EXPECT_DOUBLE_EQ(stats.snr_db(), 20.0);
}

TEST(ErrorStats, PiecesAddUp) {
  const std::vector<double> source = {1, -2, 3, -4};
  const std::vector<double> result = {1.5, -2, 2, -4.25};
  ErrorStats whole, first, second;
  whole.add(source, result);
  first.add(std::span(source).first(1), std::span(result).first(1));
  second.add(std::span(source).subspan(1), std::span(result).subspan(1));
  first.add(second);
  EXPECT_EQ(first.count, whole.count);
  EXPECT_EQ(first.squares, whole.squares);
  EXPECT_EQ(first.error_squares, whole.error_squares);
  EXPECT_EQ(first.largest_error, 1.0);
}

TEST(ErrorStats, NothingLostAndNothingThere) {
  ErrorStats same;
  same.add(std::vector<double>{1, 2}, std::vector<double>{1, 2});
  EXPECT_EQ(same.relative_rms(), 0.0);
  EXPECT_EQ(same.snr_db(), std::numeric_limits<double>::infinity());
  ErrorStats zeros;
  zeros.add(std::vector<double>{0, 0}, std::vector<double>{0, 0.5});
  EXPECT_EQ(zeros.relative_rms(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(zeros.snr_db(), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(ErrorStats{}.relative_rms(), 0.0);
}

}  // namespace
}  // namespace imp::quant
