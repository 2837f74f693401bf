// Importing GGUF: MLA's halves of kv_b_proj, and the heads of Gated DeltaNet.
#include <gtest/gtest.h>

#include "tests/unit/gguf_model.h"

namespace imp::model {
namespace {

using testing::expect_refused;
using testing::GgufModel;
using testing::ImportedGguf;
using testing::small_latent;
using testing::small_llama;

// Head 0: columns 0 and 1 of its K (rows of 2), then row 0 of V; head 1 likewise.
TEST(GgufLatent, HalvesAreOneMatrix) {
  GgufModel gguf = small_latent();
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const std::vector<float> k = gguf.rows("blk.0.attn_k_b.weight", 12, {0});
  const std::vector<float> v = gguf.rows("blk.0.attn_v_b.weight", 6, {0});
  const std::vector<float> expected = {k[0], k[2], k[4],  k[1], k[3], k[5],  v[0], v[1], v[2],
                                       k[6], k[8], k[10], k[7], k[9], k[11], v[3], v[4], v[5]};
  const std::string name = "model.layers.0.self_attn.kv_b_proj.weight";
  EXPECT_EQ(imported.values(name), expected);
  EXPECT_EQ(imported.tensor(name)->shape, (Shape{6, 3}));
  EXPECT_EQ(imported.weight("model.layers.0.self_attn.kv_b_proj")->role, Role::kMlaKvB);
  EXPECT_EQ(imported.model->architecture, "DeepseekV2ForCausalLM");
}

TEST(GgufLatent, QuantizedHalvesStayTwo) {
  GgufModel gguf = small_latent();
  gguf.remove("blk.0.attn_k_b.weight");
  gguf.remove("blk.0.attn_v_b.weight");
  gguf.blocks("blk.0.attn_k_b.weight", {32, 64, 2}, testing::kGgmlQ8_0, 128 * 34);
  gguf.blocks("blk.0.attn_v_b.weight", {64, 5, 2}, testing::kGgmlQ8_0, 10 * 68);
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const Weight* key = imported.weight("model.layers.0.self_attn.kv_b_proj.k_b");
  const Weight* value = imported.weight("model.layers.0.self_attn.kv_b_proj.v_b");
  ASSERT_NE(key, nullptr);
  ASSERT_NE(value, nullptr);
  EXPECT_EQ(key->role, Role::kMlaKvB);
  EXPECT_FALSE(key->gemm);
  EXPECT_EQ(key->stored_as, StoredAs::kMlaKey);
  EXPECT_EQ(key->scheme, blocks_scheme(GgmlType::kQ8_0));
  EXPECT_EQ(key->shape, (Shape{128, 34}));
  EXPECT_EQ(value->stored_as, StoredAs::kMlaValue);
  EXPECT_EQ(value->n, 10u);
  EXPECT_EQ(value->k, 64u);
}

TEST(GgufLatent, OldFilesHaveTheWhole) {
  GgufModel gguf = small_latent();
  gguf.remove("blk.0.attn_k_b.weight");
  gguf.remove("blk.0.attn_v_b.weight");
  gguf.f32("blk.0.attn_kv_b.weight", {3, 6});
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  EXPECT_EQ(imported.values("model.layers.0.self_attn.kv_b_proj.weight"),
            gguf.rows("blk.0.attn_kv_b.weight", 18, {0}));
}

TEST(GgufLatent, OneHalfIsMissing) {
  GgufModel gguf = small_latent();
  gguf.remove("blk.0.attn_k_b.weight");
  expect_refused(gguf, ErrorKind::kMissingTensor, "blk.0.attn_v_b.weight", "attn_k_b");
}

TEST(GgufLatent, HalvesOfOtherHeads) {
  GgufModel gguf = small_latent();
  gguf.remove("blk.0.attn_v_b.weight");
  gguf.f32("blk.0.attn_v_b.weight", {4, 1, 2});
  expect_refused(gguf, ErrorKind::kShapeMismatch, "blk.0.attn_k_b.weight", "2 heads");
}

/// One layer of Gated DeltaNet: 2 heads of K with 1 column each, 4 of V with 2.
GgufModel small_delta(std::string_view architecture) {
  GgufModel gguf = small_llama(architecture);
  for (const char* name : {"q", "k", "v", "output"})
    gguf.remove("blk.0.attn_" + std::string(name) + ".weight");
  gguf.remove("blk.0.ffn_norm.weight");
  gguf.number("ssm.group_count", 2);
  gguf.number("ssm.time_step_rank", 4);
  gguf.number("ssm.state_size", 1);
  gguf.number("ssm.inner_size", 8);
  gguf.f32("blk.0.post_attention_norm.weight", {8});
  gguf.f32("blk.0.attn_qkv.weight", {8, 12});
  gguf.f32("blk.0.attn_gate.weight", {8, 8});
  gguf.f32("blk.0.ssm_conv1d.weight", {3, 12});
  gguf.f32("blk.0.ssm_dt.bias", {4});
  gguf.f32("blk.0.ssm_a", {4});
  gguf.f32("blk.0.ssm_norm.weight", {2});
  gguf.f32("blk.0.ssm_out.weight", {8, 8});
  return gguf;
}

GgufModel small_tiled() {
  GgufModel gguf = small_delta("qwen35");
  gguf.f32("blk.0.ssm_alpha.weight", {8, 4});
  gguf.f32("blk.0.ssm_beta.weight", {8, 4});
  return gguf;
}

// V head g * 2 + j of the hub is stored head j * 2 + g: heads 0, 2, 1, 3 of the file.
TEST(GgufDelta, HeadsOfQwen35AreInTheOrderOfTheirKHeads) {
  GgufModel gguf = small_tiled();
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  const std::string attn = "model.layers.0.linear_attn.";
  EXPECT_EQ(imported.values(attn + "in_proj_qkv.weight"),
            gguf.rows("blk.0.attn_qkv.weight", 8, {0, 1, 2, 3, 4, 5, 8, 9, 6, 7, 10, 11}));
  EXPECT_EQ(imported.values(attn + "in_proj_z.weight"),
            gguf.rows("blk.0.attn_gate.weight", 8, {0, 1, 4, 5, 2, 3, 6, 7}));
  EXPECT_EQ(imported.values(attn + "in_proj_a.weight"),
            gguf.rows("blk.0.ssm_alpha.weight", 8, {0, 2, 1, 3}));
  EXPECT_EQ(imported.values(attn + "in_proj_b.weight"),
            gguf.rows("blk.0.ssm_beta.weight", 8, {0, 2, 1, 3}));
  EXPECT_EQ(imported.values(attn + "conv1d.weight"),
            gguf.rows("blk.0.ssm_conv1d.weight", 3, {0, 1, 2, 3, 4, 5, 8, 9, 6, 7, 10, 11}));
  EXPECT_EQ(imported.tensor(attn + "conv1d.weight")->shape, (Shape{12, 1, 3}));
  EXPECT_EQ(imported.values(attn + "A_log"), gguf.rows("blk.0.ssm_a", 1, {0, 2, 1, 3}));
  EXPECT_EQ(imported.values(attn + "dt_bias"), gguf.rows("blk.0.ssm_dt.bias", 1, {0, 2, 1, 3}));
  // Of each row the columns, two a head.
  const std::vector<float> out = imported.values(attn + "out_proj.weight");
  const std::vector<float> row = gguf.rows("blk.0.ssm_out.weight", 8, {1});
  EXPECT_EQ(std::vector<float>(out.begin() + 8, out.begin() + 16),
            (std::vector<float>{row[0], row[1], row[4], row[5], row[2], row[3], row[6], row[7]}));
  EXPECT_EQ(imported.weight(attn + "A_log")->stored_as, StoredAs::kNegExp);
  EXPECT_EQ(imported.weight(attn + "norm.weight")->stored_as, StoredAs::kItself);
  EXPECT_EQ(imported.weight("model.layers.0.input_layernorm.weight")->stored_as,
            StoredAs::kPlusOne);
}

TEST(GgufDelta, AsManyHeadsOfVAsOfKStay) {
  GgufModel gguf = small_tiled();
  gguf.number("ssm.group_count", 4);
  for (const char* name : {"blk.0.attn_qkv.weight", "blk.0.ssm_conv1d.weight"}) gguf.remove(name);
  gguf.f32("blk.0.attn_qkv.weight", {8, 16});
  gguf.f32("blk.0.ssm_conv1d.weight", {3, 16});
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  EXPECT_EQ(imported.values("model.layers.0.linear_attn.A_log"),
            gguf.rows("blk.0.ssm_a", 1, {0, 1, 2, 3}));
}

// Per K head: a row of q, of k, two heads of two rows of v, and of z.
TEST(GgufDelta, ProjectionsOfQwen3NextAreOneAgain) {
  GgufModel gguf = small_delta("qwen3next");
  gguf.f32("blk.0.ssm_ba.weight", {8, 8});
  const ImportedGguf imported(gguf);
  // Its only layer is dense, which the family allows; the number of experts is needed all the same.
  EXPECT_FALSE(imported.model.ok());
  gguf.number("expert_count", 2);
  const ImportedGguf whole(gguf);
  ASSERT_TRUE(whole.model.ok()) << whole.error_line();
  const std::string attn = "model.layers.0.linear_attn.";
  const auto qkv = [&](std::vector<uint64_t> rows) {
    return gguf.rows("blk.0.attn_qkv.weight", 8, rows);
  };
  const auto z = [&](std::vector<uint64_t> rows) {
    return gguf.rows("blk.0.attn_gate.weight", 8, rows);
  };
  std::vector<float> expected;
  for (const std::vector<float>& part : {qkv({0}), qkv({2}), qkv({4, 5, 6, 7}), z({0, 1, 2, 3}),
                                         qkv({1}), qkv({3}), qkv({8, 9, 10, 11}), z({4, 5, 6, 7})})
    expected.insert(expected.end(), part.begin(), part.end());
  EXPECT_EQ(whole.values(attn + "in_proj_qkvz.weight"), expected);
  EXPECT_EQ(whole.values(attn + "in_proj_ba.weight"),
            gguf.rows("blk.0.ssm_ba.weight", 8, {0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(whole.values(attn + "A_log"), gguf.rows("blk.0.ssm_a", 1, {0, 1, 2, 3}));
}

// The draft layer of the Qwen families has a number and a projection of its own in the hub.
TEST(GgufDelta, DraftLayersHaveTheNamesOfTheHub) {
  GgufModel gguf = small_tiled();
  gguf.number("block_count", 2);
  gguf.number("nextn_predict_layers", 1);
  gguf.f32("blk.1.nextn.eh_proj.weight", {16, 8});
  for (const char* norm :
       {"nextn.enorm", "nextn.hnorm", "nextn.shared_head_norm", "attn_norm", "post_attention_norm"})
    gguf.f32("blk.1." + std::string(norm) + ".weight", {8});
  gguf.f32("blk.1.attn_q.weight", {8, 16});
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  EXPECT_EQ(imported.tensor("mtp.fc.weight")->shape, (Shape{8, 16}));
  EXPECT_EQ(imported.values("mtp.pre_fc_norm_embedding.weight"),
            gguf.rows("blk.1.nextn.enorm.weight", 8, {0}));
  EXPECT_EQ(imported.values("mtp.pre_fc_norm_hidden.weight"),
            gguf.rows("blk.1.nextn.hnorm.weight", 8, {0}));
  EXPECT_EQ(imported.weight("mtp.norm.weight")->stored_as, StoredAs::kPlusOne);
  EXPECT_EQ(imported.values("mtp.layers.0.self_attn.q_proj.weight"),
            gguf.rows("blk.1.attn_q.weight", 16 * 8, {0}));
  EXPECT_NE(imported.tensor("mtp.layers.0.input_layernorm.weight"), nullptr);
}

// V heads of 2 columns, blocks of 32.
TEST(GgufDelta, ColumnsInsideABlockCannotMove) {
  GgufModel gguf = small_tiled();
  gguf.number("ssm.inner_size", 32);
  gguf.number("ssm.state_size", 1);
  for (const char* name : {"blk.0.attn_qkv.weight", "blk.0.attn_gate.weight",
                           "blk.0.ssm_conv1d.weight", "blk.0.ssm_out.weight"})
    gguf.remove(name);
  gguf.f32("blk.0.attn_qkv.weight", {8, 36});
  gguf.f32("blk.0.attn_gate.weight", {8, 32});
  gguf.f32("blk.0.ssm_conv1d.weight", {3, 36});
  gguf.blocks("blk.0.ssm_out.weight", {32, 8}, testing::kGgmlQ8_0, 8 * 34);
  expect_refused(gguf, ErrorKind::kUnsupportedScheme, "blk.0.ssm_out.weight", "--as-is");
}

TEST(GgufDelta, RowsOfOtherHeads) {
  GgufModel gguf = small_tiled();
  gguf.number("ssm.state_size", 2);
  expect_refused(gguf, ErrorKind::kShapeMismatch, "blk.0.attn_qkv.weight", "16 rows");
}

}  // namespace
}  // namespace imp::model
