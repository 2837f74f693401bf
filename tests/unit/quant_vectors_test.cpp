// The producers' own vectors: rows of values, the scales and codes that their quantizers gave them,
// and the values that these decode to. Both ways.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/quant/bf16.h"
#include "src/quant/decode.h"
#include "src/quant/quantize.h"

namespace imp::quant {
namespace {

nlohmann::json vectors(const std::string& file) {
  std::ifstream in(std::string(IMP_TEST_DATA) + "/" + file);
  return nlohmann::json::parse(in);
}

std::vector<uint8_t> bytes_of(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

float float_at(const std::vector<uint8_t>& bytes, size_t i) {
  uint32_t bits = 0;
  for (size_t b = 4; b-- > 0;) bits = bits << 8 | bytes.at(4 * i + b);
  return std::bit_cast<float>(bits);
}

std::vector<float> floats_of(const nlohmann::json& json) {
  std::string hex;
  if (json.is_string())
    hex = json;
  else
    for (const auto& item : json) hex += item.get<std::string>();
  const auto bytes = bytes_of(hex);
  std::vector<float> values;
  for (size_t i = 0; i < bytes.size() / 4; ++i) values.push_back(float_at(bytes, i));
  return values;
}

template <size_t kCount>
std::span<const float, kCount> fixed(const std::vector<float>& values) {
  return std::span<const float, kCount>(values.data(), kCount);
}

ModelFloat model_float(const nlohmann::json& row) {
  return row.at("dtype") == "bf16" ? ModelFloat::kBf16 : ModelFloat::kF32;
}

bool is_finite(const std::vector<float>& values) {
  for (const float value : values)
    if (!std::isfinite(value)) return false;
  return true;
}

/// Values of one group by decode_rows.
std::vector<double> decoded(CodeKind kind, const std::vector<uint8_t>& codes, uint8_t scale,
                            Dtype scale_dtype, GlobalScale global = {}) {
  WeightFormat format;
  format.kind = kind;
  format.bits = kind == CodeKind::kE2m1 ? 4 : 8;
  format.rows = 1;
  format.columns = codes.size() * 8 / format.bits;
  format.group_size = format.columns;
  format.scale_dtype = scale_dtype;
  const auto groups = column_groups(format, {});
  CanonicalRows planes;
  planes.rows = 1;
  planes.codes = std::as_bytes(std::span(codes));
  planes.scales = std::as_bytes(std::span(&scale, 1));
  std::vector<double> out(format.columns);
  decode_rows(format, planes, *groups, global, out);
  return out;
}

/// Bit for bit: a product of these is exact in float.
void expect_exact(const std::vector<double>& ours, const std::vector<float>& want) {
  ASSERT_EQ(ours.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i)
    EXPECT_EQ(std::bit_cast<uint32_t>(static_cast<float>(ours[i])),
              std::bit_cast<uint32_t>(want[i]))
        << i;
}

TEST(QuantVectors, Mxfp4OfModelOpt) {
  const auto json = vectors("modelopt-mx-vectors.json");
  for (const auto& row : json.at("mxfp4")) {
    SCOPED_TRACE(row.at("name").get<std::string>());
    const auto x = floats_of(row.at("in"));
    const Mxfp4Group group = mxfp4_quantize_modelopt(fixed<32>(x));
    const auto packed = bytes_of(row.at("packed"));
    const uint8_t scale = bytes_of(row.at("scale")).at(0);
    EXPECT_EQ(group.scale, scale);
    EXPECT_EQ(std::vector<uint8_t>(group.codes.begin(), group.codes.end()), packed);
    expect_exact(decoded(CodeKind::kE2m1, packed, scale, Dtype::kU8), floats_of(row.at("deq")));
  }
}

TEST(QuantVectors, Mxfp8OfModelOpt) {
  const auto json = vectors("modelopt-mx-vectors.json");
  for (const auto& row : json.at("mxfp8")) {
    SCOPED_TRACE(row.at("name").get<std::string>());
    const auto x = floats_of(row.at("in"));
    const Mxfp8Group group = mxfp8_quantize_modelopt(fixed<32>(x));
    const auto codes = bytes_of(row.at("codes"));
    const uint8_t scale = bytes_of(row.at("scale")).at(0);
    EXPECT_EQ(group.scale, scale);
    EXPECT_EQ(std::vector<uint8_t>(group.codes.begin(), group.codes.end()), codes);
    expect_exact(decoded(CodeKind::kE4m3, codes, scale, Dtype::kU8), floats_of(row.at("deq")));
  }
}

TEST(QuantVectors, MxOfCompressedTensors) {
  size_t fp4 = 0, fp8 = 0;
  const auto json = vectors("ct-mx-vectors.json");
  for (const auto& row : json.at("rows")) {
    const bool is_fp4 = row.at("scheme") == "MXFP4A16";
    SCOPED_TRACE(row.at("scheme").get<std::string>() + " " + row.at("dtype").get<std::string>() +
                 " " + row.at("label").get<std::string>());
    const auto x = floats_of(row.at("x"));
    if (!is_finite(x)) continue;  // recorded, no promise
    const auto codes = bytes_of(row.at("codes"));
    const uint8_t scale = bytes_of(row.at("scale_byte")).at(0);
    std::vector<uint8_t> ours;
    if (is_fp4) {
      const Mxfp4Group group = mxfp4_quantize_compressed_tensors(fixed<32>(x), model_float(row));
      EXPECT_EQ(group.scale, scale);
      ours.assign(group.codes.begin(), group.codes.end());
      ++fp4;
    } else {
      const Mxfp8Group group = mxfp8_quantize_compressed_tensors(fixed<32>(x), model_float(row));
      EXPECT_EQ(group.scale, scale);
      ours.assign(group.codes.begin(), group.codes.end());
      ++fp8;
    }
    EXPECT_EQ(ours, codes);
    expect_exact(decoded(is_fp4 ? CodeKind::kE2m1 : CodeKind::kE4m3, codes, scale, Dtype::kU8),
                 floats_of(row.at("dequant_f32")));
  }
  EXPECT_GT(fp4, 100u);
  EXPECT_GT(fp8, 100u);
}

TEST(QuantVectors, Nvfp4OfModelOpt) {
  const auto json = vectors("modelopt-nvfp4-vectors.json");
  for (const auto& row : json.at("rows")) {
    SCOPED_TRACE(row.at("name").get<std::string>());
    const auto x = floats_of(row.at("in"));
    const float global = floats_of(row.at("gs")).at(0);
    if (!is_finite(x) || !std::isfinite(global) || global == 0) continue;  // recorded, no promise
    const Nvfp4Group group = nvfp4_quantize_modelopt(fixed<16>(x), global);
    EXPECT_EQ(group.scale, bytes_of(row.at("scale")).at(0));
    EXPECT_EQ(std::vector<uint8_t>(group.codes.begin(), group.codes.end()),
              bytes_of(row.at("packed")));
  }
}

TEST(QuantVectors, Nvfp4OfCompressedTensors) {
  const auto json = vectors("ct-nvfp4-vectors.json");
  for (const auto& row : json.at("rows")) {
    SCOPED_TRACE(row.at("dtype").get<std::string>() + " " + row.at("label").get<std::string>());
    const auto x = floats_of(row.at("x"));
    if (!is_finite(x)) continue;  // recorded, no promise
    const float global = floats_of(row.at("global_scale")).at(0);
    const auto packed = bytes_of(row.at("packed"));
    const uint8_t scale = bytes_of(row.at("scale_e4m3")).at(0);
    if (row.at("global_scale_from") == "generate_gparam(row)") {
      float amax = 0;
      for (const float value : x) amax = std::max(amax, std::fabs(value));
      EXPECT_EQ(nvfp4_global_compressed_tensors(amax, model_float(row)), global);
    }
    const Nvfp4Group group =
        nvfp4_quantize_compressed_tensors(fixed<16>(x), global, model_float(row));
    EXPECT_EQ(group.scale, scale);
    EXPECT_EQ(std::vector<uint8_t>(group.codes.begin(), group.codes.end()), packed);
    // The producer rounds scale / global first; ours is the quotient rounded once.
    const auto want = floats_of(row.at("dequant_f32"));
    const auto ours =
        decoded(CodeKind::kE2m1, packed, scale, Dtype::kF8E4M3, {global, Convention::kDivisor});
    for (size_t i = 0; i < want.size(); ++i)
      if (std::isfinite(want[i])) {
        EXPECT_LE(std::abs(ours[i] - want[i]), 0x1.8p-23 * std::abs(ours[i])) << i;
      }
  }
}

TEST(QuantVectors, E4m3OfTorch) {
  const auto json = vectors("modelopt-e4m3-vectors.json");
  for (const auto& row : json.at("codes")) {
    const float want = floats_of(row.at("f32")).at(0);
    const uint8_t code = bytes_of(row.at("code")).at(0);
    EXPECT_TRUE(std::isnan(want) ? e4m3_is_nan(code) : e4m3_to_float(code) == want);
    if (!std::isnan(want)) {
      EXPECT_EQ(e4m3_from_float(want), code);
    }
  }
  for (const auto& row : json.at("cast")) {
    const float value = floats_of(row.at("in")).at(0);
    EXPECT_EQ(e4m3_from_float(value), bytes_of(row.at("torch_cast")).at(0)) << value;
  }
  for (const auto& row : json.at("fp8_weight")) {
    const float scale = floats_of(row.at("scale")).at(0);
    const auto weights = bytes_of(row.at("w_bf16"));
    const auto codes = bytes_of(row.at("code"));
    for (size_t i = 0; i < codes.size(); ++i) {
      const float w =
          bf16_to_float(static_cast<uint16_t>(weights[2 * i] | weights[2 * i + 1] << 8));
      // Two roundings: the quotient is a bf16 first.
      const float quotient = bf16_to_float(bf16_from_float(w / scale));
      EXPECT_EQ(e4m3_from_float(quotient), codes[i]) << i;
    }
  }
}

}  // namespace
}  // namespace imp::quant
