// Importing GGUF: names of the hub checkpoint, rows in its order, the configuration, --as-is.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/gguf_model.h"

namespace imp::model {
namespace {

using nlohmann::json;
using testing::GgufModel;
using testing::ImportedGguf;
using testing::small_llama;

json config_of(const ImportedGguf& imported) {
  for (const auto& [name, bytes] : imported.model->source.made_companions)
    if (name == "config.json") return json::parse(bytes);
  return {};
}

TEST(GgufImport, LlamaHasTheNamesAndShapesOfTheHub) {
  const ImportedGguf imported(small_llama());
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const std::vector<std::string> names = {"lm_head.weight",
                                          "model.embed_tokens.weight",
                                          "model.layers.0.input_layernorm.weight",
                                          "model.layers.0.mlp.down_proj.weight",
                                          "model.layers.0.mlp.gate_proj.weight",
                                          "model.layers.0.mlp.up_proj.weight",
                                          "model.layers.0.post_attention_layernorm.weight",
                                          "model.layers.0.self_attn.k_proj.weight",
                                          "model.layers.0.self_attn.o_proj.weight",
                                          "model.layers.0.self_attn.q_proj.weight",
                                          "model.layers.0.self_attn.v_proj.weight",
                                          "model.norm.weight"};
  EXPECT_EQ(imported.names(), names);
  EXPECT_EQ(imported.tensor("model.layers.0.mlp.down_proj.weight")->shape, (Shape{8, 6}));
  EXPECT_EQ(imported.tensor("model.norm.weight")->shape, Shape{8});
  EXPECT_EQ(imported.model->architecture, "LlamaForCausalLM");
  EXPECT_EQ(imported.model->producer, "gguf");
  EXPECT_EQ(imported.model->quantization, "none");
  EXPECT_EQ(imported.model->groups.size(), 2u);  // q, k, v; gate, up
}

// Heads of 4 rows: converters write rows 0, 2, 1, 3 of the hub (gguf.md, 5.1, D = 4).
TEST(GgufImport, RowsOfQueryAndKeyAreInTheOrderOfTheHub) {
  GgufModel gguf = small_llama();
  gguf.f32("blk.0.attn_q.bias", {8});
  gguf.f32("blk.0.attn_k.bias", {4});
  gguf.f32("blk.0.attn_v.bias", {4});
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  EXPECT_EQ(imported.values("model.layers.0.self_attn.q_proj.weight"),
            gguf.rows("blk.0.attn_q.weight", 8, {0, 2, 1, 3, 4, 6, 5, 7}));
  EXPECT_EQ(imported.values("model.layers.0.self_attn.k_proj.weight"),
            gguf.rows("blk.0.attn_k.weight", 8, {0, 2, 1, 3}));
  EXPECT_EQ(imported.values("model.layers.0.self_attn.v_proj.weight"),
            gguf.rows("blk.0.attn_v.weight", 8, {0, 1, 2, 3}));
  EXPECT_EQ(imported.values("model.layers.0.self_attn.q_proj.bias"),
            gguf.rows("blk.0.attn_q.bias", 1, {0, 2, 1, 3, 4, 6, 5, 7}));
  EXPECT_EQ(imported.tensor("model.layers.0.self_attn.q_proj.bias")->shape, Shape{8});
}

TEST(GgufImport, AssumedUnpermutedRowsStay) {
  GgufModel gguf = small_llama();
  const ImportedGguf imported(gguf, {false, true});
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  EXPECT_EQ(imported.values("model.layers.0.self_attn.q_proj.weight"),
            gguf.rows("blk.0.attn_q.weight", 8, {0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(GgufImport, OtherFamiliesHaveTheirRowsInOrder) {
  GgufModel gguf = small_llama("qwen3");
  gguf.f32("blk.0.attn_q_norm.weight", {4});
  gguf.f32("blk.0.attn_k_norm.weight", {4});
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  EXPECT_EQ(imported.values("model.layers.0.self_attn.q_proj.weight"),
            gguf.rows("blk.0.attn_q.weight", 8, {0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_NE(imported.tensor("model.layers.0.self_attn.q_norm.weight"), nullptr);
}

// Rows of q (2 heads), k and v (1 head each), 4 a head.
TEST(GgufImport, FusedProjectionsAreTakenApart) {
  GgufModel gguf = small_llama();
  for (const char* name : {"blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"})
    gguf.remove(name);
  gguf.f32("blk.0.attn_qkv.weight", {8, 16});
  gguf.f32("blk.0.attn_qkv.bias", {16});
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const std::string layer = "model.layers.0.self_attn.";
  EXPECT_EQ(imported.values(layer + "q_proj.weight"),
            gguf.rows("blk.0.attn_qkv.weight", 8, {0, 2, 1, 3, 4, 6, 5, 7}));
  EXPECT_EQ(imported.values(layer + "k_proj.weight"),
            gguf.rows("blk.0.attn_qkv.weight", 8, {8, 10, 9, 11}));
  EXPECT_EQ(imported.values(layer + "v_proj.weight"),
            gguf.rows("blk.0.attn_qkv.weight", 8, {12, 13, 14, 15}));
  EXPECT_EQ(imported.values(layer + "k_proj.bias"),
            gguf.rows("blk.0.attn_qkv.bias", 1, {8, 10, 9, 11}));
  EXPECT_EQ(config_of(imported)["attention_bias"], true);
}

TEST(GgufImport, PhiKeepsItsFusedProjections) {
  GgufModel gguf = small_llama("phi3");
  for (const char* name : {"blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight",
                           "blk.0.ffn_gate.weight", "blk.0.ffn_up.weight"})
    gguf.remove(name);
  gguf.f32("blk.0.attn_qkv.weight", {8, 16});
  gguf.f32("blk.0.ffn_up.weight", {8, 12});
  gguf.f32("rope_factors_long.weight", {2});
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  EXPECT_EQ(imported.weight("model.layers.0.self_attn.qkv_proj")->role, Role::kAttnQkv);
  EXPECT_EQ(imported.weight("model.layers.0.mlp.gate_up_proj")->n, 12u);
  EXPECT_EQ(imported.tensor("rope_factors_long.weight")->shape, Shape{2});
  const std::vector<float> factors = imported.values("rope_factors_long.weight");
  EXPECT_EQ(config_of(imported)["gguf"]["rope_factors"]["rope_factors_long.weight"], json(factors));
}

TEST(GgufImport, NormsOfSomeFamiliesAreStoredPlusOne) {
  GgufModel gemma = small_llama("gemma3");
  gemma.remove("output.weight");
  for (const char* name : {"post_attention_norm", "post_ffw_norm"})
    gemma.f32("blk.0." + std::string(name) + ".weight", {8});
  gemma.f32("blk.0.attn_q_norm.weight", {4});
  gemma.f32("blk.0.attn_k_norm.weight", {4});
  const ImportedGguf imported(gemma);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const std::string layer = "model.layers.0.";
  for (const std::string& name :
       {layer + "input_layernorm", layer + "post_attention_layernorm",
        layer + "pre_feedforward_layernorm", layer + "post_feedforward_layernorm",
        layer + "self_attn.q_norm", std::string("model.norm")})
    EXPECT_EQ(imported.weight(name + ".weight")->stored_as, StoredAs::kPlusOne) << name;
  EXPECT_EQ(imported.weight(layer + "self_attn.q_proj")->stored_as, StoredAs::kItself);
  // In gemma 3 ffn_norm comes before the feed-forward part, not behind attention.
  EXPECT_EQ(imported.values(layer + "pre_feedforward_layernorm.weight"),
            gemma.rows("blk.0.ffn_norm.weight", 8, {0}));
  EXPECT_EQ(imported.weight(layer + "post_attention_layernorm.weight")->role, Role::kPostAttnNorm);
  EXPECT_EQ(ImportedGguf(small_llama()).weight("model.norm.weight")->stored_as, StoredAs::kItself);
}

TEST(GgufImport, WithoutAHeadTheEmbeddingIsTied) {
  GgufModel gguf = small_llama();
  gguf.remove("output.weight");
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  EXPECT_TRUE(imported.weight("model.embed_tokens")->tied_head);
  EXPECT_EQ(config_of(imported)["tie_word_embeddings"], true);
  EXPECT_EQ(config_of(ImportedGguf(small_llama()))["tie_word_embeddings"], false);
}

TEST(GgufImport, ConfigurationSaysWhatTheMetadataSays) {
  GgufModel gguf = small_llama();
  gguf.number("context_length", 512);
  gguf.text("general.name", "Small");
  gguf.text("tokenizer.ggml.model", "none");
  gguf.text("tokenizer.chat_template", "{{ x }}");
  gguf.f32("rope_freqs.weight", {2});
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const json config = config_of(imported);
  EXPECT_EQ(config["architectures"], json({"LlamaForCausalLM"}));
  EXPECT_EQ(config["model_type"], "llama");
  EXPECT_EQ(config["num_hidden_layers"], 1);
  EXPECT_EQ(config["hidden_size"], 8);
  EXPECT_EQ(config["intermediate_size"], 6);
  EXPECT_EQ(config["num_attention_heads"], 2);
  EXPECT_EQ(config["num_key_value_heads"], 1);
  EXPECT_EQ(config["max_position_embeddings"], 512);
  EXPECT_EQ(config["vocab_size"], 5);
  EXPECT_EQ(config["gguf"]["general"]["name"], "Small");
  EXPECT_EQ(config["gguf"]["tokenizer"]["ggml.model"], "none");
  EXPECT_FALSE(config["gguf"]["tokenizer"].contains("chat_template"));
  const std::vector<std::string>& companions = imported.model->source.companions;
  ASSERT_GE(companions.size(), 2u);
  EXPECT_EQ(companions[0], "chat_template.jinja");
  EXPECT_EQ(companions[1], "config.json");
  EXPECT_EQ(imported.model->source.made_companions[0].second, "{{ x }}");
}

TEST(GgufImport, TensorsAreInTheOrderInWhichTheyEnd) {
  GgufModel gguf = small_llama();
  gguf.remove("blk.0.ffn_down.weight");
  gguf.blocks("blk.0.ffn_down.weight", {32, 8}, testing::kGgmlQ4_0, 8 * 18);
  gguf.number("feed_forward_length", 32);
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const auto& tensors = imported.model->source.tensors;
  EXPECT_EQ(tensors.front().name, "model.embed_tokens.weight");
  EXPECT_EQ(tensors[tensors.size() - 2].name, "model.layers.0.mlp.down_proj.weight");
  EXPECT_EQ(tensors.back().name, "model.layers.0.mlp.down_proj.weight_scale");
  for (size_t i = 1; i < tensors.size(); ++i)
    EXPECT_LE(tensors[i - 1].offset_bytes, tensors[i].offset_bytes) << tensors[i].name;
}

TEST(GgufAsIs, KeepsNamesAndOrder) {
  GgufModel gguf = small_llama("no-such-model");
  const ImportedGguf imported(gguf, {true, false});
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  std::vector<std::string> names;
  for (const testing::GgufTensor& t : gguf.file.tensors) names.push_back(t.name);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(imported.names(), names);
  EXPECT_EQ(imported.values("blk.0.attn_q.weight"),
            gguf.rows("blk.0.attn_q.weight", 8, {0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(imported.model->architecture, "gguf");
  EXPECT_TRUE(imported.model->groups.empty());
}

TEST(GgufAsIs, MatricesComeApartAndOthersStay) {
  GgufModel gguf("fixture");
  gguf.blocks("t.q4.weight", {64, 3}, testing::kGgmlQ4_0, 3 * 36);
  gguf.blocks("t.stack.weight", {32, 3, 2}, testing::kGgmlQ8_0, 6 * 34);
  gguf.blocks("t.iq.weight", {256, 2}, testing::kGgmlIq2Xxs, 2 * 66);
  gguf.blocks("token_embd.weight", {32, 5}, testing::kGgmlQ8_0, 5 * 34);
  gguf.f32("t.four.weight", {5, 1, 3, 2});
  const ImportedGguf imported(gguf, {true, false});
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const Weight* planes = imported.weight("t.q4");
  ASSERT_NE(planes, nullptr);
  EXPECT_TRUE(planes->gemm);
  EXPECT_EQ(planes->scheme, Scheme::kInt4);
  EXPECT_EQ(planes->group_size, 32u);
  EXPECT_EQ(imported.tensor("t.q4.weight")->shape, (Shape{3, 32}));
  EXPECT_EQ(imported.tensor("t.q4.weight_scale")->shape, (Shape{3, 2}));
  EXPECT_EQ(imported.tensor("t.q4.weight_scale")->dtype, Dtype::kF16);
  const Weight* stack = imported.weight("t.stack.weight");
  ASSERT_NE(stack, nullptr);
  EXPECT_FALSE(stack->gemm);
  EXPECT_EQ(stack->scheme, blocks_scheme(GgmlType::kQ8_0));
  EXPECT_EQ(stack->shape, (Shape{2, 3, 34}));
  EXPECT_EQ(stack->k, 32u);
  EXPECT_EQ(imported.weight("t.iq.weight")->scheme, blocks_scheme(GgmlType::kIq2Xxs));
  EXPECT_EQ(imported.weight("token_embd.weight")->scheme, blocks_scheme(GgmlType::kQ8_0));
  EXPECT_EQ(imported.tensor("t.four.weight")->shape, (Shape{2, 3, 1, 5}));
}

}  // namespace
}  // namespace imp::model
