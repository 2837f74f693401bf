// Execution order, roles in their layer, and which weights share their input.
#include <gtest/gtest.h>

#include <algorithm>

#include "src/model/grouping.h"
#include "src/model/names.h"

namespace imp::model {
namespace {

/// Weights of these names, with the roles that their names give; those that end in ".weight" or
/// have no known linear role are taken by no GEMM.
Model model_of(const char* architecture, const std::vector<std::string>& names) {
  Model model;
  model.architecture = architecture;
  for (const std::string& name : names) {
    std::string one = name;  // of the experts
    if (const size_t star = one.find('*'); star != std::string::npos) one[star] = '0';
    const auto parsed = parse_name(one);
    const auto role = role_of_leaf(parsed->leaf);
    Weight weight;
    weight.name = name;
    weight.layer = parsed->layer;
    weight.role = role ? role->role : Role::kOther;
    weight.gemm = role && role->kind == ModuleKind::kLinear && !name.ends_with(".weight");
    model.weights.push_back(std::move(weight));
  }
  order_and_group(model);
  return model;
}

std::vector<std::string> groups_of(const Model& model) {
  std::vector<std::string> list;
  for (const FusionGroup& group : model.groups) {
    std::string line = group.name + " " + std::string(role_name(group.role)) + ":";
    for (const uint32_t w : group.weights) {
      const std::string& name = model.weights[w].name;
      line += " " + name.substr(name.rfind('.') + 1);
    }
    list.push_back(line);
  }
  return list;
}

std::vector<std::string> in_layer(std::initializer_list<const char*> leaves) {
  std::vector<std::string> names;
  for (const char* leaf : leaves) names.push_back("model.layers.0." + std::string(leaf));
  return names;
}

TEST(Grouping, WhatSharesItsInput) {
  EXPECT_EQ(
      groups_of(model_of(
          "LlamaForCausalLM",
          in_layer({"self_attn.v_proj", "self_attn.q_proj", "self_attn.k_proj", "self_attn.o_proj",
                    "mlp.up_proj", "mlp.gate_proj", "mlp.down_proj"}))),
      (std::vector<std::string>{"model.layers.0.self_attn.qkv_proj attn_qkv: q_proj k_proj v_proj",
                                "model.layers.0.mlp.gate_up_proj ffn_gate_up: gate_proj up_proj"}));
  EXPECT_EQ(groups_of(model_of("MixtralForCausalLM", in_layer({"block_sparse_moe.experts.*.w1",
                                                               "block_sparse_moe.experts.*.w2",
                                                               "block_sparse_moe.experts.*.w3"}))),
            (std::vector<std::string>{
                "model.layers.0.block_sparse_moe.experts.*.gate_up_proj expert_gate_up: w1 w3"}));
  EXPECT_EQ(
      groups_of(model_of("Gemma4ForCausalLM", in_layer({"self_attn.q_proj", "self_attn.k_proj"}))),
      (std::vector<std::string>{"model.layers.0.self_attn.qkv_proj attn_qkv: q_proj k_proj"}))
      << "v may be missing";
}

TEST(Grouping, LatentAttention) {
  const Model model =
      model_of("DeepseekV3ForCausalLM",
               in_layer({"self_attn.q_a_proj", "self_attn.kv_a_proj_with_mqa", "self_attn.q_b_proj",
                         "self_attn.kv_b_proj", "self_attn.o_proj", "mlp.shared_experts.gate_proj",
                         "mlp.shared_experts.up_proj"}));
  EXPECT_EQ(groups_of(model),
            (std::vector<std::string>{
                "model.layers.0.self_attn.q_kv_a_proj mla_q_kv_a: q_a_proj kv_a_proj_with_mqa",
                "model.layers.0.mlp.shared_experts.gate_up_proj shared_gate_up: gate_proj "
                "up_proj"}));
  // Without a low-rank step q shares its input too, but no consumer fuses it.
  const Model lite = model_of("DeepseekV2ForCausalLM",
                              in_layer({"self_attn.q_proj", "self_attn.kv_a_proj_with_mqa"}));
  EXPECT_TRUE(lite.groups.empty());
  EXPECT_EQ(lite.weights[0].role, Role::kMlaQ);
}

TEST(Grouping, OnlyWithinOneParentAndOneLayer) {
  EXPECT_TRUE(
      model_of("LlamaForCausalLM", {"model.layers.0.mlp.gate_proj", "model.layers.1.mlp.up_proj"})
          .groups.empty());
  EXPECT_TRUE(model_of("LlamaForCausalLM",
                       {"model.layers.0.mlp.gate_proj", "model.layers.0.feed_forward.up_proj"})
                  .groups.empty());
}

TEST(Grouping, AnUnknownArchitectureHasNone) {
  for (const char* architecture : {"", "GraniteSpeechForCausalLM", "llama"})
    EXPECT_TRUE(model_of(architecture, in_layer({"mlp.gate_proj", "mlp.up_proj"})).groups.empty())
        << architecture;
}

TEST(Grouping, WhatNoGemmTakesIsInNoGroup) {
  Model model;
  model.architecture = "LlamaForCausalLM";
  for (const char* leaf : {"mlp.gate_proj", "mlp.up_proj"}) {
    Weight weight;
    weight.name = "model.layers.0." + std::string(leaf);
    weight.layer = 0;
    weight.role = role_of_leaf(leaf)->role;
    weight.gemm = leaf == std::string("mlp.gate_proj");
    model.weights.push_back(weight);
  }
  order_and_group(model);
  EXPECT_TRUE(model.groups.empty());
}

TEST(Grouping, RolesOfNormsDependOnTheLayer) {
  Model model = model_of(
      "Gemma3ForCausalLM",
      {"model.layers.0.post_attention_layernorm.weight",
       "model.layers.0.pre_feedforward_layernorm.weight", "model.layers.0.input_layernorm.weight",
       "model.layers.0.post_feedforward_layernorm.weight",
       "model.layers.1.post_attention_layernorm.weight", "model.layers.0.self_attn.o_proj",
       "model.layers.0.mlp.up_proj"});
  std::vector<std::string> order;
  for (const Weight& weight : model.weights)
    order.push_back(std::to_string(weight.layer) + " " + std::string(role_name(weight.role)));
  EXPECT_EQ(order,
            (std::vector<std::string>{"0 attn_norm", "0 attn_o", "0 post_attn_norm", "0 ffn_norm",
                                      "0 ffn_up", "0 post_ffn_norm", "1 ffn_norm"}));
  // Doing it again, as after a selection, changes nothing.
  std::erase_if(model.weights, [](const Weight& w) {
    return w.role == Role::kFfnNorm || w.role == Role::kPostFfnNorm;
  });
  order_and_group(model);
  EXPECT_TRUE(std::any_of(model.weights.begin(), model.weights.end(),
                          [](const Weight& w) { return w.role == Role::kPostAttnNorm; }));
}

TEST(Grouping, EmbeddingFirstThenLayersThenTheRest) {
  const Model model =
      model_of("LlamaForCausalLM", {"lm_head", "model.norm.weight", "model.visual.merger.weight",
                                    "model.layers.10.mlp.up_proj", "model.layers.2.mlp.up_proj",
                                    "model.layers.2.input_layernorm.weight", "model.embed_tokens"});
  std::vector<std::string> order;
  for (const Weight& weight : model.weights) order.push_back(weight.name);
  EXPECT_EQ(order, (std::vector<std::string>{
                       "model.embed_tokens", "model.layers.2.input_layernorm.weight",
                       "model.layers.2.mlp.up_proj", "model.layers.10.mlp.up_proj",
                       "model.visual.merger.weight", "model.norm.weight", "lm_head"}));
}

}  // namespace
}  // namespace imp::model
