// One checkpoint of each family: what its weights are, by what the exporter recorded beside it.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

using nlohmann::json;
using testing::Imported;

constexpr uint64_t kRow = ~uint64_t{0};  ///< a scale a row

/// What the exporter's word for a scheme means.
struct Word {
  const char* fixture;
  const char* word;  ///< "scheme" of NAME.expected.json
  Scheme scheme;
  uint64_t group;  ///< columns under a scale; 0: one number; kRow
  uint32_t group_rows;
  Encoding codes;
  bool activations_8bit;
};

constexpr Word kWords[] = {
    {"modelopt-nvfp4-qwen3moe", "nvfp4", Scheme::kNvfp4, 16, 1, Encoding::kRows, false},
    {"modelopt-other-nvfp4awq-llama", "nvfp4", Scheme::kNvfp4, 16, 1, Encoding::kRows, false},
    {"modelopt-other-nvfp4svd-llama", "nvfp4", Scheme::kNvfp4, 16, 1, Encoding::kRows, false},
    {"modelopt-other-nvfp4-phi3", "nvfp4", Scheme::kNvfp4, 16, 1, Encoding::kRows, false},
    {"modelopt-w4a8nvfp4-llama", "nvfp4_g32", Scheme::kNvfp4G32, 32, 1, Encoding::kRows, true},
    {"modelopt-fp8-llama-odd", "fp8_tensor", Scheme::kFp8, 0, 1, Encoding::kRows, true},
    {"modelopt-fp8block-edge-llama", "fp8_block_128x128", Scheme::kFp8, 128, 128, Encoding::kRows,
     false},
    {"modelopt-w4a8awq-llama", "int4_g128_sym", Scheme::kInt4, 128, 1, Encoding::kNibblesAlongN,
     true},
    {"modelopt-int8wo-qwen3moe", "int8_channel", Scheme::kInt8, kRow, 1, Encoding::kSignedBytes,
     false},
    {"modelopt-mxfp4-qwen3moe", "mxfp4", Scheme::kMxfp4, 32, 1, Encoding::kRows, false},
    {"modelopt-mxfp8-qwen3moe", "mxfp8", Scheme::kMxfp8, 32, 1, Encoding::kRows, true},
    {"ct-v012-nvfp4-llama-small", "nvfp4-pack-quantized_4bit_tensor_group_g16_sym", Scheme::kNvfp4,
     16, 1, Encoding::kRows, false},
    {"ct-nvfp4a16-lmhead-embed-llama-small", "nvfp4", Scheme::kNvfp4, 16, 1, Encoding::kRows,
     false},
    {"ct-mxfp4a16-llama-odd", "mxfp4", Scheme::kMxfp4, 32, 1, Encoding::kRows, false},
    {"ct-w3a16asym-channel-llama-odd", "int3_channel_asym", Scheme::kInt3, kRow, 1,
     Encoding::kWords, false},
    {"ct-v012-w5a16-padded-llama-small", "pack-quantized_5bit_group_g128_sym", Scheme::kInt5, 128,
     1, Encoding::kPaddedWords, false},
    {"ct-v012-w4a16asym-g32-actordergroup-llama-small", "pack-quantized_4bit_group_g32_asym_g_idx",
     Scheme::kInt4, 32, 1, Encoding::kWords, false},
    {"ct-w4a8-llama-small", "int4_g128_sym", Scheme::kInt4, 128, 1, Encoding::kSignedBytes, true},
    {"ct-autoround-int8w8a8-llama-small", "int8_channel_sym", Scheme::kInt8, kRow, 1,
     Encoding::kSignedBytes, true},
    {"ct-w8a8asym-static-llama-odd", "int8_channel_asym", Scheme::kInt8, kRow, 1,
     Encoding::kSignedBytes, true},
    {"ct-fp8-kvfp8-llama-small", "fp8_tensor", Scheme::kFp8, 0, 1, Encoding::kRows, true},
    {"ct-v012-sparse24-fp8dynamic-llama-small",
     "sparse-24-bitmask+float-quantized_8bit_channel_sym", Scheme::kFp8, kRow, 1,
     Encoding::kBitmask24, true},
    {"ct-v012-sparse24-bf16-llama-small", "sparse-24-bitmask+bf16", Scheme::kBf16, 0, 1,
     Encoding::kBitmask24, false},
    {"ct-v012-sparsebitmask-bf16-llama-small", "sparse-bitmask+bf16", Scheme::kBf16, 0, 1,
     Encoding::kBitmask, false},
};

json expected_of(const std::string& fixture) {
  std::ifstream in(std::filesystem::path(IMP_TEST_DATA) / (fixture + ".expected.json"));
  return json::parse(in);
}

/// "model.layers.0.mlp.experts.3.up_proj.weight" is in weight
/// "model.layers.0.mlp.experts.*.up_proj".
std::string weight_name(const std::string& tensor) {
  std::string name = tensor.substr(0, tensor.rfind('.'));
  const size_t at = name.find(".experts.");
  if (at == std::string::npos) return name;
  const size_t number = at + 9, end = name.find('.', number);
  return name.substr(0, number) + "*" + name.substr(end);
}

class Family : public ::testing::TestWithParam<Word> {};
std::string test_name(const ::testing::TestParamInfo<Word>& info) {
  std::string name = info.param.fixture;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Data, Family, ::testing::ValuesIn(kWords), test_name);

TEST_P(Family, WeightsAreWhatTheExporterRecorded) {
  const Word& word = GetParam();
  const Imported imported(word.fixture);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  size_t seen = 0;
  const json expected = expected_of(word.fixture);
  for (const auto& [name, entry] : expected["tensors"].items()) {
    if (entry.value("scheme", "") != word.word) continue;
    const Weight* weight = imported.find(weight_name(name));
    ASSERT_NE(weight, nullptr) << name;
    EXPECT_EQ(weight->scheme, word.scheme) << name;
    EXPECT_EQ((std::vector<uint64_t>{weight->n, weight->k}),
              entry["shape"].get<std::vector<uint64_t>>())
        << name;
    EXPECT_EQ(weight->activations_8bit, word.activations_8bit) << name;
    EXPECT_EQ(weight->find(ComponentKind::kCodes)->encoding, word.codes) << name;
    EXPECT_TRUE(weight->gemm) << name;
    const bool one = word.group == 0;
    const bool levels = word.scheme == Scheme::kNvfp4 || word.scheme == Scheme::kNvfp4G32;
    const bool is_float = word.scheme == Scheme::kBf16;
    EXPECT_EQ(weight->group_size, word.group == kRow ? weight->k : word.group) << name;
    EXPECT_EQ(weight->group_rows, word.group_rows) << name;
    EXPECT_EQ(weight->multipliers.size(), (one && !is_float) || levels ? weight->experts : 0u)
        << name;
    EXPECT_EQ(weight->find(ComponentKind::kBlockScale) == nullptr, one) << name;
    EXPECT_NE(weight->why.find("config.json"), std::string::npos) << weight->why;
    ++seen;
  }
  EXPECT_GE(seen, 7u);
}

TEST_P(Family, EveryTensorHasOnePlace) {
  const Imported imported(GetParam().fixture);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  std::vector<int> uses(imported.model->source.tensors.size(), 0);
  for (const Weight& weight : imported.model->weights)
    for (const PlaneSet& set : weight.planes)
      for (const uint32_t t : set.tensors)
        if (t != kNone) ++uses.at(t);
  for (size_t t = 0; t < uses.size(); ++t)
    EXPECT_EQ(uses[t], 1) << imported.model->source.tensors[t].name;
}

const SourceTensor& plane(const Imported& imported, const Weight& weight, ComponentKind kind) {
  return imported.model->source.tensors[weight.find(kind)->tensors.front()];
}

TEST(FamilyPlanes, CompressedTensorsGlobalsDivide) {
  const Imported imported("ct-v012-nvfp4-llama-small");
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight& q = *imported.find("model.layers.0.self_attn.q_proj");
  EXPECT_EQ(q.multipliers[0].state, ScalarState::kDivisor);
  EXPECT_EQ(q.input_scales[0].state, ScalarState::kDivisor);
  EXPECT_TRUE(plane(imported, q, ComponentKind::kMultiplier).name.ends_with("weight_global_scale"));
  EXPECT_TRUE(plane(imported, q, ComponentKind::kInputScale).name.ends_with("input_global_scale"));
}

TEST(FamilyPlanes, NarrowScalarsAreWidenedExactly) {
  // BF16 [1]: the upper half of an f32.
  testing::CheckpointEditor editor("ct-fp8-kvfp8-llama-small");
  const std::string q = "model.layers.0.self_attn.q_proj";
  const auto bits_of = [&](const std::string& name) {
    const std::string& bytes = editor.tensor(name).bytes;
    return uint32_t{static_cast<uint8_t>(bytes[0])} << 16 | uint32_t{static_cast<uint8_t>(bytes[1])}
                                                                << 24;
  };
  const uint32_t multiplier = bits_of(q + ".weight_scale"), input = bits_of(q + ".input_scale");
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.find(q)->multipliers,
            (std::vector<Scalar>{{multiplier, ScalarState::kMultiplier}}));
  EXPECT_EQ(imported.find(q)->input_scales,
            (std::vector<Scalar>{{input, ScalarState::kMultiplier}}));
}

TEST(FamilyPlanes, PreQuantScalesAndFactorsAreCarried) {
  const Imported svd("modelopt-other-nvfp4svd-llama");
  ASSERT_TRUE(svd.ok()) << svd.error_line();
  const Weight& down = *svd.find("model.layers.0.mlp.down_proj");
  EXPECT_EQ(plane(svd, down, ComponentKind::kSvdA).shape, (Shape{32, 256}));
  EXPECT_EQ(plane(svd, down, ComponentKind::kSvdB).shape, (Shape{128, 32}));
  EXPECT_EQ(plane(svd, down, ComponentKind::kKScale).shape, Shape{256});
  EXPECT_EQ(down.k_scales.size(), 1u);
  // q, k and v were scaled together, down_proj by itself.
  const Weight &q = *svd.find("model.layers.0.self_attn.q_proj"),
               &k = *svd.find("model.layers.0.self_attn.k_proj");
  EXPECT_EQ(q.k_scales, k.k_scales);
  EXPECT_NE(q.k_scales, down.k_scales);
}

TEST(FamilyPlanes, TheFp8GridOfW4A8AwqIsNoFactor) {
  const Imported imported("modelopt-w4a8awq-llama");
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight& q = *imported.find("model.layers.0.self_attn.q_proj");
  EXPECT_TRUE(q.multipliers.empty());
  EXPECT_TRUE(plane(imported, q, ComponentKind::kFp8Grid).name.ends_with("q_proj.weight_scale_2"));
  EXPECT_EQ(q.input_scales.size(), 1u);
}

TEST(FamilyPlanes, ZeroPointsOfBothPackings) {
  const Imported words("ct-w3a16asym-channel-llama-odd");
  ASSERT_TRUE(words.ok()) << words.error_line();
  const PlaneSet& packed =
      *words.find("model.layers.0.mlp.gate_proj")->find(ComponentKind::kZeroPoint);
  EXPECT_EQ(packed.encoding, Encoding::kWordsAlongN);
  EXPECT_EQ(words.model->source.tensors[packed.tensors[0]].shape, (Shape{38, 1}));
  const Imported bytes("ct-w8a8asym-static-llama-odd");
  ASSERT_TRUE(bytes.ok()) << bytes.error_line();
  const Weight& gate = *bytes.find("model.layers.0.mlp.gate_proj");
  EXPECT_EQ(gate.find(ComponentKind::kZeroPoint)->encoding, Encoding::kSignedBytes);
  EXPECT_EQ(plane(bytes, gate, ComponentKind::kInputZeroPoint).shape, Shape{1});
}

TEST(FamilyPlanes, FakeQuantizedFloatsKeepTheirScalesBeside) {
  const Imported imported("ct-dense-fakequant-llama-small");
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight& q = *imported.find("model.layers.0.self_attn.q_proj");
  EXPECT_EQ(q.scheme, Scheme::kBf16);
  EXPECT_EQ(q.planes.size(), 1u);
  const Weight* scale = imported.find("model.layers.0.self_attn.q_proj.weight_scale");
  const Weight* zero = imported.find("model.layers.0.self_attn.q_proj.weight_zero_point");
  ASSERT_TRUE(scale != nullptr && zero != nullptr);
  EXPECT_FALSE(scale->gemm);
  EXPECT_EQ(scale->scheme, Scheme::kBf16);
  EXPECT_EQ(zero->scheme, Scheme::kRaw);
  EXPECT_EQ(imported.log.warnings.size(), 1u);
  EXPECT_TRUE(testing::any_has(imported.log.warnings, "only simulated"));
}

TEST(FamilyPlanes, AQuantizedEmbeddingIsAWeightOfItsScheme) {
  const Imported imported("ct-nvfp4a16-lmhead-embed-llama-small");
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight& embedding = *imported.find("model.embed_tokens");
  EXPECT_EQ(embedding.role, Role::kTokenEmbedding);
  EXPECT_EQ(embedding.scheme, Scheme::kNvfp4);
  EXPECT_EQ(embedding.multipliers.size(), 1u);
  EXPECT_EQ(imported.find("lm_head")->scheme, Scheme::kNvfp4);
}

/// Little-endian I32 values of a tensor.
std::vector<uint32_t> groups_of(testing::CheckpointEditor& editor, const std::string& name) {
  const std::string& bytes = editor.tensor(name).bytes;
  std::vector<uint32_t> values(bytes.size() / 4);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

TEST(ActOrder, ColumnsAreSortedByGroupAndStable) {
  testing::CheckpointEditor editor("ct-v012-w4a16asym-g32-actordergroup-llama-small");
  const std::string down = "model.layers.0.mlp.down_proj";
  const std::vector<uint32_t> groups = groups_of(editor, down + ".weight_g_idx");
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight& weight = *imported.find(down);
  ASSERT_EQ(weight.k_gather.size(), 1u);
  const std::vector<uint32_t>& order = weight.k_gather[0];
  ASSERT_EQ(order.size(), groups.size());
  std::vector<bool> taken(order.size(), false);
  for (size_t i = 0; i < order.size(); ++i) {
    EXPECT_FALSE(taken.at(order[i])) << i;
    taken[order[i]] = true;
    EXPECT_EQ(groups[order[i]], i / 32) << i;
    if (i % 32 != 0) {
      EXPECT_LT(order[i - 1], order[i]) << i;
    }
  }
  EXPECT_NE(weight.find(ComponentKind::kGroupIndex), nullptr);
}

}  // namespace
}  // namespace imp::model
