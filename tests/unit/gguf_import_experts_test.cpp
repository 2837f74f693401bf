// Importing GGUF: experts, in stacks and one by one, and the scales of NVFP4.
#include <gtest/gtest.h>

#include "tests/unit/gguf_model.h"

namespace imp::model {
namespace {

using testing::expect_refused;
using testing::GgufModel;
using testing::ImportedGguf;
using testing::small_llama;

/// small_llama without its feed-forward part, with a router of two experts.
GgufModel without_feed_forward(std::string_view architecture, bool qk_norms) {
  GgufModel gguf = small_llama(architecture);
  for (const char* name : {"gate", "up", "down"})
    gguf.remove("blk.0.ffn_" + std::string(name) + ".weight");
  gguf.number("expert_count", 2);
  gguf.f32("blk.0.ffn_gate_inp.weight", {8, 2});
  if (qk_norms) {
    gguf.f32("blk.0.attn_q_norm.weight", {4});
    gguf.f32("blk.0.attn_k_norm.weight", {4});
  }
  return gguf;
}

void add_stacks(GgufModel& gguf) {
  gguf.f32("blk.0.ffn_gate_exps.weight", {8, 3, 2});
  gguf.f32("blk.0.ffn_up_exps.weight", {8, 3, 2});
  gguf.f32("blk.0.ffn_down_exps.weight", {3, 8, 2});
}

TEST(GgufExperts, StacksAreTakenApart) {
  GgufModel gguf = without_feed_forward("qwen3moe", true);
  add_stacks(gguf);
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const std::string mlp = "model.layers.0.mlp.";
  EXPECT_EQ(imported.values(mlp + "experts.0.gate_proj.weight"),
            gguf.rows("blk.0.ffn_gate_exps.weight", 8, {0, 1, 2}));
  EXPECT_EQ(imported.values(mlp + "experts.1.gate_proj.weight"),
            gguf.rows("blk.0.ffn_gate_exps.weight", 8, {3, 4, 5}));
  EXPECT_EQ(imported.values(mlp + "experts.1.down_proj.weight"),
            gguf.rows("blk.0.ffn_down_exps.weight", 3, {8, 9, 10, 11, 12, 13, 14, 15}));
  EXPECT_EQ(imported.tensor(mlp + "gate.weight")->shape, (Shape{2, 8}));
  const Weight* up = imported.weight(mlp + "experts.*.up_proj");
  ASSERT_NE(up, nullptr);
  EXPECT_EQ(up->experts, 2u);
  EXPECT_EQ(up->n, 3u);
}

TEST(GgufExperts, MixtralHasNamesOfItsOwn) {
  GgufModel gguf = without_feed_forward("llama", false);
  add_stacks(gguf);
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  EXPECT_EQ(imported.model->architecture, "MixtralForCausalLM");
  const std::string moe = "model.layers.0.block_sparse_moe.";
  EXPECT_EQ(imported.values(moe + "experts.1.w1.weight"),
            gguf.rows("blk.0.ffn_gate_exps.weight", 8, {3, 4, 5}));
  EXPECT_EQ(imported.values(moe + "experts.0.w3.weight"),
            gguf.rows("blk.0.ffn_up_exps.weight", 8, {0, 1, 2}));
  EXPECT_NE(imported.tensor(moe + "experts.0.w2.weight"), nullptr);
  EXPECT_NE(imported.tensor(moe + "gate.weight"), nullptr);
}

TEST(GgufExperts, OldFilesHaveATensorAnExpert) {
  GgufModel gguf = without_feed_forward("llama", false);
  for (const char* expert : {"0", "1"}) {
    gguf.f32("blk.0.ffn_gate." + std::string(expert) + ".weight", {8, 3});
    gguf.f32("blk.0.ffn_up." + std::string(expert) + ".weight", {8, 3});
    gguf.f32("blk.0.ffn_down." + std::string(expert) + ".weight", {3, 8});
  }
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  EXPECT_EQ(imported.values("model.layers.0.block_sparse_moe.experts.1.w3.weight"),
            gguf.rows("blk.0.ffn_up.1.weight", 8, {0, 1, 2}));
  gguf.remove("blk.0.ffn_up.1.weight");
  expect_refused(gguf, ErrorKind::kMissingTensor, "model.layers.0.block_sparse_moe.experts.*.w3",
                 "expected 2");
}

// The gate's rows of an expert, then those of up.
TEST(GgufExperts, FusedGateAndUpAreTakenApart) {
  GgufModel gguf = without_feed_forward("qwen3moe", true);
  gguf.f32("blk.0.ffn_gate_up_exps.weight", {8, 6, 2});
  gguf.f32("blk.0.ffn_down_exps.weight", {3, 8, 2});
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const std::string experts = "model.layers.0.mlp.experts.";
  EXPECT_EQ(imported.values(experts + "0.gate_proj.weight"),
            gguf.rows("blk.0.ffn_gate_up_exps.weight", 8, {0, 1, 2}));
  EXPECT_EQ(imported.values(experts + "0.up_proj.weight"),
            gguf.rows("blk.0.ffn_gate_up_exps.weight", 8, {3, 4, 5}));
  EXPECT_EQ(imported.values(experts + "1.up_proj.weight"),
            gguf.rows("blk.0.ffn_gate_up_exps.weight", 8, {9, 10, 11}));
}

TEST(GgufExperts, SharedExpertsAndTheirGate) {
  GgufModel gguf = without_feed_forward("qwen2moe", false);
  add_stacks(gguf);
  for (const char* name : {"q", "k", "v"})
    gguf.f32("blk.0.attn_" + std::string(name) + ".bias",
             {name == std::string("q") ? uint64_t{8} : uint64_t{4}});
  gguf.f32("blk.0.ffn_gate_shexp.weight", {8, 5});
  gguf.f32("blk.0.ffn_up_shexp.weight", {8, 5});
  gguf.f32("blk.0.ffn_down_shexp.weight", {5, 8});
  gguf.f32("blk.0.ffn_gate_inp_shexp.weight", {8});
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  EXPECT_EQ(imported.tensor("model.layers.0.mlp.shared_expert.down_proj.weight")->shape,
            (Shape{8, 5}));
  EXPECT_EQ(imported.tensor("model.layers.0.mlp.shared_expert_gate.weight")->shape, (Shape{1, 8}));
}

TEST(GgufExperts, StacksOfAnotherNumber) {
  GgufModel gguf = without_feed_forward("qwen3moe", true);
  add_stacks(gguf);
  gguf.number("expert_count", 3);
  expect_refused(gguf, ErrorKind::kShapeMismatch, "blk.0.ffn_gate_exps.weight", "3 experts");
}

/// Hidden size 32 and 64 columns a row where NVFP4 wants them.
GgufModel wide_llama() {
  GgufModel gguf = small_llama();
  gguf.number("embedding_length", 64);
  for (testing::GgufTensor& t : gguf.file.tensors) {
    const bool in = t.ne[0] == 8;
    if (in) t.ne[0] = 64;
    if (t.ne.size() == 2 && (t.name == "blk.0.attn_output.weight" || !in)) t.ne[1] = 64;
    uint64_t elems = 1;
    for (const uint64_t dim : t.ne) elems *= dim;
    t.data.assign(elems * 4, '\0');
  }
  return gguf;
}

void make_nvfp4(GgufModel& gguf, std::string_view name, char fill) {
  testing::GgufTensor& t = gguf.file.tensor(name);
  t.type = testing::kGgmlNvfp4;
  t.data.assign(t.ne[0] / 64 * t.ne[1] * 36, fill);
}

TEST(GgufNvfp4, HasThePlanesOfModelOpt) {
  GgufModel gguf = wide_llama();
  make_nvfp4(gguf, "blk.0.attn_v.weight", 0x22);
  gguf.f32("blk.0.attn_v.scale", {1});
  gguf.f32("blk.0.attn_v.input_scale", {1});
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const std::string v = "model.layers.0.self_attn.v_proj";
  EXPECT_EQ(imported.tensor(v + ".weight")->shape, (Shape{4, 32}));
  EXPECT_EQ(imported.tensor(v + ".weight_scale")->shape, (Shape{4, 4}));
  EXPECT_EQ(imported.tensor(v + ".weight_scale")->dtype, Dtype::kF8E4M3);
  EXPECT_EQ(imported.tensor(v + ".weight_scale_2")->shape, Shape{});
  EXPECT_EQ(imported.values(v + ".weight_scale_2"), gguf.rows("blk.0.attn_v.scale", 1, {0}));
  EXPECT_EQ(imported.values(v + ".input_scale"), gguf.rows("blk.0.attn_v.input_scale", 1, {0}));
  const Weight* weight = imported.weight(v);
  ASSERT_NE(weight, nullptr);
  EXPECT_EQ(weight->scheme, Scheme::kNvfp4);
  ASSERT_EQ(weight->multipliers.size(), 1u);
  EXPECT_EQ(weight->multipliers[0].state, ScalarState::kMultiplier);
}

TEST(GgufNvfp4, TheOtherSpellingOfScale) {
  GgufModel gguf = wide_llama();
  make_nvfp4(gguf, "blk.0.attn_v.weight", 0x22);
  gguf.f32("blk.0.attn_v.weight.scale", {1});
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  EXPECT_NE(imported.tensor("model.layers.0.self_attn.v_proj.weight_scale_2"), nullptr);
}

// The format defines a missing scale as 1.
TEST(GgufNvfp4, WithoutAScaleThereIsNoMultiplier) {
  GgufModel gguf = wide_llama();
  make_nvfp4(gguf, "blk.0.attn_v.weight", 0x22);
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const Weight* weight = imported.weight("model.layers.0.self_attn.v_proj");
  EXPECT_EQ(weight->scheme, Scheme::kNvfp4);
  EXPECT_TRUE(weight->multipliers.empty());
  EXPECT_EQ(weight->find(ComponentKind::kMultiplier), nullptr);
}

TEST(GgufNvfp4, ScaleBesideAnotherType) {
  GgufModel gguf = small_llama();
  gguf.f32("blk.0.attn_v.scale", {1});
  expect_refused(gguf, ErrorKind::kUnsupportedScheme, "blk.0.attn_v.scale", "blk.0.attn_v.weight");
}

TEST(GgufNvfp4, ScaleOfSeveralNumbers) {
  GgufModel gguf = wide_llama();
  make_nvfp4(gguf, "blk.0.attn_v.weight", 0x22);
  gguf.f32("blk.0.attn_v.scale", {2});
  expect_refused(gguf, ErrorKind::kShapeMismatch, "blk.0.attn_v.scale", "one number");
}

TEST(GgufNvfp4, EachExpertHasItsScale) {
  GgufModel gguf = wide_llama();
  for (const char* name : {"gate", "up", "down"})
    gguf.remove("blk.0.ffn_" + std::string(name) + ".weight");
  gguf.number("expert_count", 2);
  gguf.f32("blk.0.ffn_gate_inp.weight", {64, 2});
  gguf.f32("blk.0.ffn_gate_exps.weight", {64, 3, 2});
  gguf.blocks("blk.0.ffn_up_exps.weight", {64, 3, 2}, testing::kGgmlNvfp4, 6 * 36);
  gguf.f32("blk.0.ffn_up_exps.scale", {2});
  gguf.f32("blk.0.ffn_down_exps.weight", {3, 64, 2});
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const std::string experts = "model.layers.0.block_sparse_moe.experts.";
  for (const uint64_t e : {0u, 1u})
    EXPECT_EQ(imported.values(experts + std::to_string(e) + ".w3.weight_scale_2"),
              gguf.rows("blk.0.ffn_up_exps.scale", 1, {e}));
  EXPECT_EQ(imported.weight(experts + "*.w3")->multipliers.size(), 2u);
}

/// Block size 2 of gpt-oss: MXFP4 experts with biases.
GgufModel small_open() {
  GgufModel gguf = wide_llama();
  GgufModel open("gpt-oss");
  for (const auto& [key, value] :
       {std::pair("embedding_length", 64u), std::pair("attention.head_count", 2u),
        std::pair("attention.head_count_kv", 1u), std::pair("expert_count", 2u),
        std::pair("expert_feed_forward_length", 32u)})
    open.number(key, value);
  for (const testing::GgufTensor& t : gguf.file.tensors)
    if (t.name.find("ffn_") == std::string::npos) open.file.tensors.push_back(t);
  open.f32("blk.0.post_attention_norm.weight", {64});
  open.f32("blk.0.attn_q.bias", {8});
  open.f32("blk.0.attn_k.bias", {4});
  open.f32("blk.0.attn_v.bias", {4});
  open.f32("blk.0.attn_sinks.weight", {2});
  open.f32("blk.0.ffn_gate_inp.weight", {64, 2});
  open.blocks("blk.0.ffn_gate_exps.weight", {64, 32, 2}, testing::kGgmlMxfp4, 64 * 34, 0x11);
  open.blocks("blk.0.ffn_up_exps.weight", {64, 32, 2}, testing::kGgmlMxfp4, 64 * 34, 0x22);
  open.blocks("blk.0.ffn_down_exps.weight", {32, 64, 2}, testing::kGgmlMxfp4, 128 * 17, 0x33);
  open.f32("blk.0.ffn_gate_exps.bias", {32, 2});
  open.f32("blk.0.ffn_up_exps.bias", {32, 2});
  open.f32("blk.0.ffn_down_exps.bias", {64, 2});
  return open;
}

TEST(GgufOpenStacks, AreThoseOfTheHub) {
  GgufModel gguf = small_open();
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const std::string mlp = "model.layers.0.mlp.";
  EXPECT_EQ(imported.tensor(mlp + "experts.gate_up_proj_blocks")->shape, (Shape{2, 64, 2, 16}));
  EXPECT_EQ(imported.tensor(mlp + "experts.gate_up_proj_scales")->shape, (Shape{2, 64, 2}));
  EXPECT_EQ(imported.tensor(mlp + "experts.gate_up_proj_scales")->dtype, Dtype::kU8);
  EXPECT_EQ(imported.tensor(mlp + "experts.down_proj_blocks")->shape, (Shape{2, 64, 1, 16}));
  EXPECT_EQ(imported.tensor(mlp + "experts.down_proj_bias")->shape, (Shape{2, 64}));
  EXPECT_EQ(imported.tensor(mlp + "router.weight")->shape, (Shape{2, 64}));
  EXPECT_NE(imported.tensor("model.layers.0.self_attn.sinks"), nullptr);
  // Rows of gate and up alternate: 32 bytes of codes a row.
  const std::string blocks = imported.bytes(mlp + "experts.gate_up_proj_blocks");
  EXPECT_EQ(blocks.substr(0, 32), std::string(32, 0x11));
  EXPECT_EQ(blocks.substr(32, 32), std::string(32, 0x22));
  EXPECT_EQ(blocks.substr(64 * 32, 32), std::string(32, 0x11));
  const std::vector<float> bias = imported.values(mlp + "experts.gate_up_proj_bias");
  ASSERT_EQ(bias.size(), 128u);
  EXPECT_EQ(bias[0], gguf.rows("blk.0.ffn_gate_exps.bias", 1, {0})[0]);
  EXPECT_EQ(bias[1], gguf.rows("blk.0.ffn_up_exps.bias", 1, {0})[0]);
  EXPECT_EQ(bias[2], gguf.rows("blk.0.ffn_gate_exps.bias", 1, {1})[0]);
  EXPECT_EQ(bias[64], gguf.rows("blk.0.ffn_gate_exps.bias", 1, {32})[0]);
  EXPECT_EQ(imported.weight(mlp + "experts.gate_up_proj")->scheme, Scheme::kMxfp4);
}

// Quantized to other types the experts are no stack that the hub has.
TEST(GgufOpenStacks, OtherTypesAreTakenApart) {
  GgufModel gguf = small_open();
  gguf.remove("blk.0.ffn_up_exps.weight");
  gguf.blocks("blk.0.ffn_up_exps.weight", {64, 32, 2}, testing::kGgmlQ8_0, 64 * 68);
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const std::string experts = "model.layers.0.mlp.experts.";
  EXPECT_EQ(imported.weight(experts + "*.up_proj")->scheme, Scheme::kInt8);
  EXPECT_EQ(imported.weight(experts + "*.gate_proj")->scheme, Scheme::kMxfp4);
  const std::vector<float> bias = imported.values(experts + "1.up_proj.bias");
  ASSERT_EQ(bias.size(), 32u);
  EXPECT_EQ(bias[0], gguf.rows("blk.0.ffn_up_exps.bias", 1, {32})[0]);
}

TEST(GgufOpenStacks, BiasIsMissing) {
  GgufModel gguf = small_open();
  gguf.remove("blk.0.ffn_up_exps.bias");
  expect_refused(gguf, ErrorKind::kMissingTensor, "blk.0.ffn_up_exps.weight", "bias");
}

}  // namespace
}  // namespace imp::model
