// Every scheme and encoding out of an artifact again: the source's tensors byte for byte from each
// form, and the exporter's own values.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "src/base/digest.h"
#include "src/base/text.h"
#include "tests/unit/artifact_sample.h"
#include "tests/unit/unpack_run.h"

namespace imp::testing {
namespace {

using artifact::ComponentKind;
using unpack::Mode;

class UnpackSchemes : public ::testing::TestWithParam<const char*> {};

TEST_P(UnpackSchemes, GivesBackTheSourceFromTheFormsOfEachTarget) {
  const std::string artifact = artifact_of(fixture(GetParam()), {89, 120});
  const CheckpointEditor source(GetParam());
  for (const uint32_t sm : {89u, 120u}) {
    UnpackCase unpacked(artifact);
    unpacked.options.form_sm = sm;
    expect_same_tensors(unpacked.checkpoint(), source);
  }
}

/// As little-endian float32, minus zero as plus zero: some exporters write it so, and for which
/// codes differs.
std::string sha256_of(const std::string& bytes, bool without_minus_zero) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  if (without_minus_zero)
    for (float& value : values) value += 0.0f;
  Sha256Stream sha;
  sha.update(std::as_bytes(std::span(values)));
  const Sha256 digest = sha.finish();
  return hex(digest.data(), digest.size());
}

/// The exporter's first values, in two roundings where ours are in one: at most one unit apart.
void expect_head_is_near(const EditedTensor& got, const nlohmann::json& want) {
  ASSERT_TRUE(want.contains("head"));
  for (size_t i = 0; i < want["head"].size(); ++i) {
    const std::string text = want["head"][i];
    uint32_t bits = 0;
    for (size_t b = 4; b-- > 0;)
      bits = bits << 8 | static_cast<uint32_t>(std::stoul(text.substr(2 * b, 2), nullptr, 16));
    float expected = 0, value = 0;
    std::memcpy(&expected, &bits, sizeof expected);
    std::memcpy(&value, got.bytes.data() + 4 * i, sizeof value);
    EXPECT_LE(std::abs(value - expected), 0x1p-22f * std::abs(expected)) << i;
  }
}

TEST_P(UnpackSchemes, GivesTheExportersValuesFromTheFormsOfEachTarget) {
  const std::string artifact = artifact_of(fixture(GetParam()), {89, 120});
  std::ifstream in(fixture(std::string(GetParam()) + ".expected.json"));
  const auto expected = nlohmann::json::parse(in);
  for (const uint32_t sm : {89u, 120u}) {
    UnpackCase unpacked(artifact);
    unpacked.options.mode = Mode::kDequantizeF32;
    unpacked.options.form_sm = sm;
    CheckpointEditor got = unpacked.checkpoint();
    for (const auto& [name, want] : expected["tensors"].items()) {
      SCOPED_TRACE(name + " for sm_" + std::to_string(sm));
      const EditedTensor& tensor = got.tensor(name);
      EXPECT_EQ(tensor.dtype, "F32");
      EXPECT_EQ(tensor.shape, want["shape"].get<std::vector<uint64_t>>());
      const std::string wanted = want["sha256"];
      if (want["scheme"].get<std::string>().starts_with("nvfp4"))
        expect_head_is_near(tensor, want);
      else
        EXPECT_TRUE(wanted == sha256_of(tensor.bytes, false) ||
                    wanted == sha256_of(tensor.bytes, true));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Fixtures, UnpackSchemes,
    ::testing::Values(
        "ct-w2a16-llama-small", "ct-w3a16asym-channel-llama-odd",
        "ct-v012-w5a16-padded-llama-small", "ct-autoround-w4a16-llama-small", "ct-w4a8-llama-small",
        "ct-w8a8asym-static-llama-odd", "ct-fp8block-llama-odd", "ct-mxfp4a16-llama-odd",
        "ct-mxfp8a16-llama-small", "ct-v012-nvfp4-llama-small",
        "ct-v012-sparse24-fp8dynamic-llama-small", "ct-v012-sparse24-w8a8-llama-small",
        "ct-v012-sparsebitmask-bf16-llama-small", "ct-v012-w4a16-g32-actordergroup-qwen3moe",
        "ct-v012-w4a16asym-g32-actordergroup-llama-small", "ct-nvfp4-uncalibrated-qwen3moe",
        "modelopt-fp8-gptoss", "modelopt-fp8block-edge-llama", "modelopt-int8wo-qwen3moe",
        "modelopt-mxfp4-qwen3moe", "modelopt-w4a8awq-llama", "modelopt-w4a8nvfp4-llama",
        "modelopt-other-nvfp4-gptoss", "modelopt-other-nvfp4svd-llama",
        "other-fp8block-ue8m0-qwen3", "other-mxfp4-gptoss", "other-bf16-gptoss"),
    [](const auto& test) {
      std::string name = test.param;
      std::ranges::replace(name, '-', '_');
      return name;
    });

/// What only says how weights are coded is left out; what multiplies beside them stays.
TEST(UnpackSchemesNames, ScalesGoAndFactorsStay) {
  UnpackCase unpacked(artifact_of(fixture("modelopt-other-nvfp4svd-llama"), {89}));
  unpacked.options.mode = Mode::kDequantizeBf16;
  CheckpointEditor got = unpacked.checkpoint();
  const std::string module = "model.layers.0.mlp.down_proj.";
  for (const char* name : {"weight", "pre_quant_scale", "weight_quantizer._svdquant_lora_a",
                           "weight_quantizer._svdquant_lora_b"})
    EXPECT_EQ(got.tensor(module + name).dtype, "BF16") << name;
  for (const char* name : {"weight_scale", "weight_scale_2", "input_scale"})
    EXPECT_FALSE(got.has(module + name)) << name;
}

struct Refusal {
  const char* what;
  std::function<void(Damaged&, artifact::SourceTensorRecord&)> apply;
  ErrorKind kind;
  const char* fragment;
};

artifact::SourceTensorRecord& tensor_of(Damaged& d, const std::string& name) {
  const size_t count = d.entry(artifact::SectionType::kSourceTensors).record_count;
  const auto strings = d.entry(artifact::SectionType::kStrings).offset_bytes;
  for (size_t i = 0; i < count; ++i) {
    auto& t = d.source_tensor(i);
    if (d.bytes.substr(strings + t.name.offset_bytes, t.name.size_bytes) == name) return t;
  }
  throw std::runtime_error("no tensor " + name);
}

TEST(UnpackSchemesRefuses, EncodingsAndOrdersThatAreNone) {
  const std::string artifact =
      artifact_of(fixture("ct-v012-w4a16asym-g32-actordergroup-llama-small"), {89});
  const std::string name = "model.layers.0.mlp.down_proj.weight_packed";
  const auto component = [](Damaged& d, const artifact::SourceTensorRecord& t,
                            ComponentKind kind) -> artifact::ComponentRecord& {
    const auto& form = d.form(d.operand(t.operand).first_form);
    for (uint32_t c = form.first_component;; ++c)
      if (d.component(c).kind == static_cast<uint16_t>(kind)) return d.component(c);
  };
  const Refusal refusals[] = {
      {"encoding", [](Damaged&, auto& t) { t.encoding = 77; }, ErrorKind::kUnsupportedScheme,
       "encoding 77"},
      {"another encoding", [](Damaged&, auto& t) { t.encoding = 1; }, ErrorKind::kBadRecord,
       "has 16384 bytes, expected 32768"},
      {"a column twice",
       [&](Damaged& d, auto& t) {
         const auto& gather = component(d, t, ComponentKind::kKGather);
         std::memcpy(&d.bytes[gather.offset_bytes], &d.bytes[gather.offset_bytes + 4], 4);
       },
       ErrorKind::kBadRecord, "k_gather is no order"},
      {"a column that is none",
       [&](Damaged& d, auto& t) {
         d.bytes[component(d, t, ComponentKind::kKGather).offset_bytes + 3] = 1;
       },
       ErrorKind::kBadRecord, "k_gather is no order"},
      {"two columns exchanged",
       [&](Damaged& d, auto& t) {
         const auto at = component(d, t, ComponentKind::kKGather).offset_bytes;
         std::swap_ranges(&d.bytes[at], &d.bytes[at + 4], &d.bytes[at + 4]);
       },
       ErrorKind::kInverseMismatch, "digest"}};
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.what);
    Damaged d(artifact);
    refusal.apply(d, tensor_of(d, name));
    d.reseal();
    UnpackCase unpacked(d.bytes);
    const Error error = unpacked.refusal();
    expect_error(error, refusal.kind, refusal.fragment);
    EXPECT_EQ(error.tensor, name);
  }
}

/// One number that a tensor gives for all experts must be the same for all in the index.
TEST(UnpackSchemesRefuses, OneNumberForAllThatIsNot) {
  Damaged d(artifact_of(fixture("modelopt-other-nvfp4-gptoss"), {89}));
  const std::string name = "model.layers.0.mlp.experts.down_proj_weight_scale_2";
  const auto& part = d.part(d.operand(tensor_of(d, name).operand).first_part);
  d.scalar(part.first_multiplier + 2).bits ^= 1;
  d.reseal();
  UnpackCase unpacked(d.bytes);
  const Error error = unpacked.refusal();
  expect_error(error, ErrorKind::kBadRecord, "another for expert 2");
  EXPECT_EQ(error.tensor, name);
}

}  // namespace
}  // namespace imp::testing
