// --dequantize: values against the exporter's own, and against products rounded once.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "src/base/digest.h"
#include "src/base/text.h"
#include "src/unpack/companions.h"
#include "src/unpack/values.h"
#include "tests/unit/artifact_sample.h"
#include "tests/unit/unpack_run.h"

namespace imp::testing {
namespace {

using unpack::Mode;

float float_of(std::string_view bytes, size_t i) {
  float value;
  std::memcpy(&value, bytes.data() + 4 * i, sizeof value);
  return value;
}
uint16_t half_of(std::string_view bytes, size_t i) {
  uint16_t value;
  std::memcpy(&value, bytes.data() + 2 * i, sizeof value);
  return value;
}

/// OCP MX v1.0, FP4 E2M1.
double e2m1(unsigned code) {
  constexpr double kMagnitudes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  return std::copysign(kMagnitudes[code & 7], code & 8 ? -1.0 : 1.0);
}
/// OFP8 E4M3.
double e4m3(unsigned byte) {
  const int exponent = byte >> 3 & 15;
  const double mantissa = byte & 7;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
  return byte & 0x80 ? -magnitude : magnitude;
}
/// Nearest bfloat16 by looking at both neighbours; ties to even.
uint16_t nearest_bf16(double value) {
  const auto low = static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(value)) >> 16);
  uint16_t best = low;
  double best_distance = INFINITY;
  for (int step = -1; step <= 1; ++step) {
    const auto bits = static_cast<uint16_t>(low + step);
    const double distance =
        std::fabs(std::bit_cast<float>(static_cast<uint32_t>(bits) << 16) - value);
    if (!(distance < best_distance || (distance == best_distance && (bits & 1) == 0))) continue;
    best = bits;
    best_distance = distance;
  }
  return best;
}

std::string sha256(std::string_view bytes) {
  Sha256Stream sha;
  sha.update(std::as_bytes(std::span(bytes)));
  const Sha256 digest = sha.finish();
  return hex(digest.data(), digest.size());
}

nlohmann::json expected_of(const std::string& fixture_name) {
  std::ifstream in(fixture(fixture_name + ".expected.json"));
  return nlohmann::json::parse(in);
}

/// Codes, scales and global scale of one weight, as unpacked.
struct Planes {
  std::string codes, scales;
  float global;

  size_t size() const { return 2 * codes.size(); }
  unsigned code(size_t i) const {
    return static_cast<unsigned char>(codes[i / 2]) >> (4 * (i % 2)) & 15;
  }
  double scale(size_t i) const { return e4m3(static_cast<unsigned char>(scales[i / 16])); }
  /// Exact: 6 + 24 bits.
  double product(size_t i) const { return e2m1(code(i)) * scale(i) * global; }
};

Planes planes_of(CheckpointEditor& checkpoint, const std::string& weight) {
  return {checkpoint.tensor(weight).bytes, checkpoint.tensor(weight + "_scale").bytes,
          float_of(checkpoint.tensor(weight + "_scale_2").bytes, 0)};
}

/// The exporter's order: f32(e2m1) * f32(f32(e4m3) * global); its minus zero is plus zero.
std::string exporters_values(const Planes& planes) {
  std::string bytes(4 * planes.size(), '\0');
  for (size_t i = 0; i < planes.size(); ++i) {
    const float scale = static_cast<float>(planes.scale(i)) * planes.global;
    const float value =
        planes.code(i) == 8 ? 0.0f : static_cast<float>(e2m1(planes.code(i))) * scale;
    std::memcpy(&bytes[4 * i], &value, sizeof value);
  }
  return bytes;
}

int64_t ordered_bits(float value) {
  const auto bits = std::bit_cast<int32_t>(value);
  return bits < 0 ? -int64_t{bits & 0x7FFFFFFF} : bits;
}

void expect_products_rounded_once(const Planes& planes, const std::string& f32,
                                  const std::string& bf16) {
  ASSERT_EQ(f32.size(), 4 * planes.size());
  ASSERT_EQ(bf16.size(), 2 * planes.size());
  size_t wrong_f32 = 0, wrong_bf16 = 0, far_from_exporter = 0;
  const std::string exporter = exporters_values(planes);
  for (size_t i = 0; i < planes.size(); ++i) {
    const auto once = static_cast<float>(planes.product(i));
    wrong_f32 += std::bit_cast<uint32_t>(float_of(f32, i)) != std::bit_cast<uint32_t>(once);
    wrong_bf16 += half_of(bf16, i) != nearest_bf16(planes.product(i));
    far_from_exporter +=
        std::abs(ordered_bits(float_of(f32, i)) - ordered_bits(float_of(exporter, i))) > 1;
  }
  EXPECT_EQ(wrong_f32, 0u);
  EXPECT_EQ(wrong_bf16, 0u);
  EXPECT_EQ(far_from_exporter, 0u);
}

class UnpackValues : public ::testing::TestWithParam<const char*> {};

TEST_P(UnpackValues, AreTheExactProductsAndTheExportersOwn) {
  const std::string name = GetParam();
  const std::string artifact = artifact_of(fixture(name), {89, 120});
  UnpackCase planes_case(artifact), f32_case(artifact), bf16_case(artifact);
  f32_case.options.mode = Mode::kDequantizeF32;
  f32_case.options.form_sm = 89;
  bf16_case.options.mode = Mode::kDequantizeBf16;
  CheckpointEditor source = planes_case.checkpoint();
  CheckpointEditor f32 = f32_case.checkpoint();
  CheckpointEditor bf16 = bf16_case.checkpoint();

  const nlohmann::json expected = expected_of(name);
  size_t quantized = 0;
  for (const auto& [weight, want] : expected["tensors"].items()) {
    SCOPED_TRACE(weight);
    const EditedTensor& got = f32.tensor(weight);
    EXPECT_EQ(got.dtype, "F32");
    EXPECT_EQ(bf16.tensor(weight).dtype, "BF16");
    EXPECT_EQ(got.shape, want["shape"].get<std::vector<uint64_t>>());
    EXPECT_EQ(bf16.tensor(weight).shape, got.shape);
    EXPECT_EQ(got.shard, source.tensor(weight).shard);
    if (want["scheme"] != "nvfp4") {
      EXPECT_EQ(sha256(got.bytes), want["sha256"].get<std::string>());
      continue;
    }
    ++quantized;
    const Planes planes = planes_of(source, weight);
    EXPECT_EQ(sha256(exporters_values(planes)), want["sha256"].get<std::string>());
    expect_products_rounded_once(planes, got.bytes, bf16.tensor(weight).bytes);
  }
  EXPECT_GT(quantized, 3u);

  // What is written beside them: tensors that belong to no quantized weight, and nothing else.
  for (const EditedTensor& tensor : f32.tensors()) {
    const bool kv = tensor.name.ends_with(".k_scale") || tensor.name.ends_with(".v_scale");
    EXPECT_TRUE(kv || expected["tensors"].contains(tensor.name)) << tensor.name;
  }
}

std::string name_of(const ::testing::TestParamInfo<const char*>& test) {
  std::string name = test.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Fixtures, UnpackValues,
                         ::testing::Values("modelopt-nvfp4-llama", "modelopt-nvfp4-llama-odd",
                                           "modelopt-nvfp4-lmhead-llama",
                                           "modelopt-nvfp4-sharded-llama",
                                           "modelopt-nvfp4-kvfp8-llama", "modelopt-nvfp4-f16-llama",
                                           "modelopt-nvfp4-f32-llama", "modelopt-nvfp4-qwen2moe",
                                           "modelopt-nvfp4-qwen3moe"),
                         name_of);

TEST(UnpackValuesOfFloats, AreWidenedOrRoundedOnce) {
  CheckpointEditor source("modelopt-nvfp4-f32-llama");
  UnpackCase unpacked(artifact_of(fixture("modelopt-nvfp4-f32-llama"), {89}));
  unpacked.options.mode = Mode::kDequantizeBf16;
  const EditedTensor& want = source.tensor("model.embed_tokens.weight");
  ASSERT_EQ(want.dtype, "F32");
  CheckpointEditor got = unpacked.checkpoint();
  const std::string& bytes = got.tensor(want.name).bytes;
  ASSERT_EQ(bytes.size(), want.bytes.size() / 2);
  for (size_t i = 0; i < bytes.size() / 2; ++i)
    ASSERT_EQ(half_of(bytes, i), nearest_bf16(float_of(want.bytes, i))) << i;
}

TEST(UnpackValuesCompanions, TellLoadersThatNothingIsQuantized) {
  UnpackCase unpacked(artifact_of(fixture("modelopt-nvfp4-llama"), {89}));
  unpacked.options.mode = Mode::kDequantizeF32;
  ASSERT_TRUE(unpacked.run().ok());
  const auto source = files_in(fixture("modelopt-nvfp4-llama"));
  const auto files = unpacked.files();
  EXPECT_FALSE(files.contains("hf_quant_config.json"));
  auto want = nlohmann::json::parse(source.at("config.json"));
  ASSERT_EQ(want.erase("quantization_config"), 1u);
  EXPECT_EQ(nlohmann::json::parse(files.at("config.json")), want);
  EXPECT_EQ(files.at("generation_config.json"), source.at("generation_config.json"));
}

TEST(UnpackValuesConfig, IsRefusedIfItIsNoObject) {
  for (const std::string& text : {std::string("[1]"), std::string("{"), std::string("")}) {
    const auto config = unpack::without_quantization(text);
    ASSERT_FALSE(config.ok()) << text;
    expect_error(config.error(), ErrorKind::kBadConfig, "config.json");
  }
  const std::string deep = "{\"a\":" + std::string(200000, '[') + std::string(200000, ']') + "}";
  EXPECT_FALSE(unpack::without_quantization(deep).ok());
}

TEST(UnpackValuesConfig, KeepsTextWithoutQuantization) {
  const std::string text = "{\n\t\"a\" : 1e0 }";
  EXPECT_EQ(*unpack::without_quantization(text), text);
}

/// Two experts of 2 x 16 in one stacked tensor, stored plain; expert 1 is divided by 3.
ArtifactBuilder stacked_sample() {
  using enum artifact::ComponentKind;
  ArtifactBuilder b;
  const std::string codes = paint(32, 1), scales("\x38\x40\x30\x7e", 4);
  const std::string globals = f32_bytes({0.3f, 3.0f});
  auto& o = b.operand("experts", 2, 16, artifact::kOperandGemm, 2);
  o.scheme = 16;
  o.group_size = 16;
  auto& part = b.part("experts.*", 0, 2);
  part.first_multiplier =
      b.scalar(std::bit_cast<uint32_t>(0.3f), artifact::ScalarState::kMultiplier);
  b.scalar(std::bit_cast<uint32_t>(3.0f), artifact::ScalarState::kDivisor);
  part.multiplier_count = 2;
  b.form(1, artifact::kTargetAny);
  b.component(kCodes, Dtype::kU8, {2, 2, 8}, codes).expert_stride_bytes = 16;
  b.component(kBlockScale, Dtype::kF8E4M3, {2, 2, 1}, scales).expert_stride_bytes = 2;
  b.source_file("model.safetensors");
  const auto add = [&](const char* name, Dtype dtype, std::initializer_list<uint64_t> dims,
                       artifact::ComponentKind plane, const std::string& bytes) {
    auto& tensor = b.source_tensor(name, dtype, dims, artifact::Disposition::kConverted);
    tensor.plane = static_cast<uint16_t>(plane);
    const Digest128 digest = xxh3_128(std::as_bytes(std::span(bytes)));
    std::ranges::copy(digest, tensor.digest);
  };
  add("experts.weight_packed", Dtype::kU8, {2, 2, 8}, kCodes, codes);
  add("experts.weight_scale", Dtype::kF8E4M3, {2, 2, 1}, kBlockScale, scales);
  add("experts.weight_global_scale", Dtype::kF32, {2}, kMultiplier, globals);
  return b;
}

TEST(UnpackStacked, GivesBackOneTensorForAllExperts) {
  UnpackCase unpacked(stacked_sample().bytes());
  CheckpointEditor got = unpacked.checkpoint();
  EXPECT_EQ(got.tensor("experts.weight_packed").bytes, paint(32, 1));
  EXPECT_EQ(got.tensor("experts.weight_scale").bytes, std::string("\x38\x40\x30\x7e", 4));
  EXPECT_EQ(got.tensor("experts.weight_global_scale").bytes, f32_bytes({0.3f, 3.0f}));
}

TEST(UnpackStacked, ValuesTakeEachExpertsScaleByItsConvention) {
  UnpackCase unpacked(stacked_sample().bytes());
  unpacked.options.mode = Mode::kDequantizeF32;
  CheckpointEditor got = unpacked.checkpoint();
  ASSERT_EQ(got.tensors().size(), 1u);
  const EditedTensor& weight = got.tensor("experts.weight");
  EXPECT_EQ(weight.shape, (std::vector<uint64_t>{2, 2, 16}));
  const Planes planes{paint(32, 1), std::string("\x38\x40\x30\x7e", 4), 0};
  for (size_t i = 0; i < 64; ++i) {
    const double unscaled = e2m1(planes.code(i)) * planes.scale(i);
    const float want = i < 32 ? static_cast<float>(unscaled * double{0.3f})
                              : static_cast<float>(unscaled) / 3.0f;  // one rounding: IEEE division
    EXPECT_EQ(std::bit_cast<uint32_t>(float_of(weight.bytes, i)), std::bit_cast<uint32_t>(want))
        << i;
  }
}

TEST(UnpackStacked, NarrowScalarsGetTheirSourceBitsBack) {
  ArtifactBuilder b = stacked_sample();
  for (const auto& [dtype, bytes] :
       {std::pair{Dtype::kF16, std::string("\x00\x3C\x00\x42", 4)},  // 1.0, 3.0
        std::pair{Dtype::kBF16, std::string("\x80\x3F\x40\x40", 4)}}) {
    b.index.scalars[0].bits = std::bit_cast<uint32_t>(1.0f);
    auto& tensor = b.index.source_tensors[2];
    tensor.dtype = static_cast<uint16_t>(dtype);
    tensor.size_bytes = 4;
    std::ranges::copy(xxh3_128(std::as_bytes(std::span(bytes))), tensor.digest);
    UnpackCase unpacked(b.bytes());
    EXPECT_EQ(unpacked.checkpoint().tensor("experts.weight_global_scale").bytes, bytes);
  }
}

TEST(ConvertFloats, RoundsAFloat64OnceToBfloat16) {
  // 1 + 2^-8 is half way between two bfloat16; a bit more goes up, but float32 would lose that bit.
  const double value = 1 + 0x1p-8 + 0x1p-40;
  std::vector<std::byte> out;
  unpack::convert_floats(std::as_bytes(std::span(&value, 1)), Dtype::kF64, Dtype::kBF16, out);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(std::to_integer<int>(out[0]), 0x81);
  EXPECT_EQ(std::to_integer<int>(out[1]), 0x3F);
}

}  // namespace
}  // namespace imp::testing
