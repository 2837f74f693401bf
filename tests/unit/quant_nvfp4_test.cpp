// The three orders of multiplication, against ModelOpt's own values and values worked out by hand.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/quant/nvfp4.h"
#include "tests/reference/modelopt_dequant.h"

namespace imp::quant {
namespace {

std::vector<uint8_t> from_hex(const std::string& text) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

uint32_t le32(const std::vector<uint8_t>& bytes, size_t index) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | bytes.at(4 * index + i);
  return value;
}

TEST(Nvfp4, DecodesTheRowsOfModelOptsQuantizer) {
  std::ifstream file(IMP_TEST_DATA "/modelopt-nvfp4-vectors.json");
  const auto json = nlohmann::json::parse(file);
  size_t finite = 0;
  for (const auto& row : json.at("rows")) {
    SCOPED_TRACE(row.at("name").get<std::string>());
    const float global = std::bit_cast<float>(le32(from_hex(row.at("gs").get<std::string>()), 0));
    const uint8_t scale = from_hex(row.at("scale").get<std::string>()).at(0);
    const auto packed = from_hex(row.at("packed").get<std::string>());
    const auto expected = from_hex(row.at("deq").get<std::string>());
    for (size_t k = 0; k < 16; ++k) {
      const uint32_t want = le32(expected, k);
      const uint8_t code = nvfp4_code(packed.data(), k);
      const float reference = reference::nvfp4_modelopt_value(code, scale, global);
      if (std::isnan(std::bit_cast<float>(want))) {
        EXPECT_TRUE(std::isnan(reference)) << k;
        EXPECT_TRUE(std::isnan(nvfp4_unscaled(code, scale))) << k;
        continue;
      }
      ++finite;
      EXPECT_EQ(std::bit_cast<uint32_t>(reference), want) << k;
      // Our codecs in the exporter's order; they give minus zero its sign.
      EXPECT_EQ(e2m1_to_float(code) * (e4m3_to_float(scale) * global), std::bit_cast<float>(want))
          << k;
    }
  }
  EXPECT_GT(finite, 3000u);
}

TEST(Nvfp4, UnscaledProductIsExact) {
  for (uint32_t code = 0; code < 16; ++code)
    for (uint32_t scale = 0; scale < 256; ++scale) {
      if (e4m3_is_nan(static_cast<uint8_t>(scale))) continue;
      const double w = e2m1_to_float(static_cast<uint8_t>(code));
      const double s = e4m3_to_float(static_cast<uint8_t>(scale));
      EXPECT_EQ(nvfp4_unscaled(static_cast<uint8_t>(code), static_cast<uint8_t>(scale)), w * s);
    }
}

TEST(Nvfp4, KernelValueRoundsOnceAfterTheExactProduct) {
  // 1.5 * 1.5 * (1 + 2^-23) = 2.25 + 9/4 * 2^-23: nearest is 2.25 + 2^-22. ModelOpt rounds 1.5 * (1
  // + 2^-23) first.
  const float multiplier = 0x1.000002p0f;
  EXPECT_EQ(nvfp4_kernel_value(3, 0x3C, multiplier), 2.25f + 0x1p-22f);
  EXPECT_EQ(reference::nvfp4_modelopt_value(3, 0x3C, multiplier), 2.25f + 0x1p-21f);
}

TEST(Nvfp4, KernelValueOfADivisorIsNotTheQuotient) {
  EXPECT_EQ(nvfp4_value_f32(5, 0x38, 7.0f, Convention::kDivisor),
            std::bit_cast<float>(0x3EDB6DB7u));
  EXPECT_EQ(nvfp4_kernel_value(5, 0x38, 1.0f / 7.0f), std::bit_cast<float>(0x3EDB6DB8u));
}

TEST(Nvfp4, ValueOfADivisorIsTheQuotientRoundedOnce) {
  EXPECT_EQ(nvfp4_value_f32(7, 0x7E, 2688.0f, Convention::kDivisor), 1.0f);
  EXPECT_EQ(nvfp4_value_f32(7, 0x7E, 2688.0f, Convention::kMultiplier), 7225344.0f);
  EXPECT_EQ(nvfp4_value_f32(1, 0x38, 3.0f, Convention::kDivisor),
            std::bit_cast<float>(0x3E2AAAABu));
  EXPECT_EQ(nvfp4_value_bf16(1, 0x38, 3.0f, Convention::kDivisor), 0x3E2B);
  EXPECT_EQ(nvfp4_value_f16(1, 0x38, 3.0f, Convention::kDivisor), 0x3155);
  EXPECT_EQ(nvfp4_value_f32(9, 0x38, 3.0f, Convention::kDivisor),
            std::bit_cast<float>(0xBE2AAAABu));
}

TEST(Nvfp4, Bf16ValueIsNotRoundedThroughFloat) {
  // 3 * 11228502 * 2^-24 = 2 + 2^-7 + 2^-23: above the tie of bf16, but float rounds it onto the
  // tie.
  const float global = 11228502.0f * 0x1p-24f;
  EXPECT_EQ(nvfp4_value_bf16(5, 0x38, global, Convention::kMultiplier), 0x4001);
  EXPECT_EQ(bf16_from_float(nvfp4_value_f32(5, 0x38, global, Convention::kMultiplier)), 0x4000);
}

TEST(Nvfp4, LowNibbleIsTheEvenColumn) {
  const uint8_t row[2] = {0x21, 0x43};
  for (uint8_t k = 0; k < 4; ++k) EXPECT_EQ(nvfp4_code(row, k), k + 1);
}

}  // namespace
}  // namespace imp::quant
