// What config.json says of the model's shape, and that every module of that shape is there.
#include <gtest/gtest.h>

#include "src/model/architecture.h"
#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

using nlohmann::json;
using testing::CheckpointEditor;
using testing::expect_refused;
using testing::Imported;

constexpr const char* kLlama = "modelopt-nvfp4-compress-llama";
constexpr const char* kMoe = "modelopt-nvfp4-qwen3moe";
constexpr const char* kSharedMoe = "modelopt-nvfp4-qwen2moe";

TEST(Architecture, TheSixThatAreSupported) {
  struct Row {
    const char* name;
    bool moe, shared_expert, qk_norm;
  };
  const Row rows[] = {
      {"LlamaForCausalLM", false, false, false}, {"MistralForCausalLM", false, false, false},
      {"Qwen2ForCausalLM", false, false, false}, {"Qwen2MoeForCausalLM", true, true, false},
      {"Qwen3ForCausalLM", false, false, true},  {"Qwen3MoeForCausalLM", true, false, true}};
  for (const Row& row : rows) {
    const auto result = read_architecture(json{{"architectures", json::array({row.name})},
                                               {"num_hidden_layers", 5u},
                                               {"num_experts", 8u},
                                               {"tie_word_embeddings", true}},
                                          "in");
    ASSERT_TRUE(result.ok()) << row.name;
    EXPECT_EQ(result->name, row.name);
    EXPECT_EQ(result->num_layers, 5u);
    EXPECT_EQ(result->num_experts, row.moe ? 8u : 0u) << row.name;
    EXPECT_EQ(result->has_shared_expert, row.shared_expert) << row.name;
    EXPECT_EQ(result->has_qk_norm, row.qk_norm) << row.name;
    EXPECT_TRUE(result->tied_embeddings);
  }
}

TEST(Architecture, OthersAreRefusedByName) {
  for (const char* name : {"Phi3ForCausalLM", "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration",
                           "MixtralForCausalLM", "DeepseekV3ForCausalLM", "GptOssForCausalLM",
                           "Llama4ForConditionalGeneration", "Qwen3NextForCausalLM",
                           "Qwen3VLForConditionalGeneration", "NemotronHForCausalLM",
                           "Glm4MoeForCausalLM", "llamaforcausallm", "LlamaForCausalLM2", ""}) {
    CheckpointEditor editor(kLlama);
    editor.set_architecture(name);
    expect_refused(editor, ErrorKind::kUnsupportedArchitecture, "", "",
                   "architecture is '" + std::string(name) + "'; supported are Llama");
  }
}

TEST(Architecture, OneThatIsNotNamed) {
  for (const json& value :
       {json::array(), json("LlamaForCausalLM"), json::array({1}), json(nullptr)}) {
    CheckpointEditor editor(kLlama);
    editor.config()["architectures"] = value;
    expect_refused(editor, ErrorKind::kUnsupportedArchitecture, "", "", "architecture is ''");
  }
  CheckpointEditor editor(kLlama);
  editor.remove_file("config.json");
  expect_refused(editor, ErrorKind::kUnsupportedArchitecture, "", "",
                 "no config.json to name the architecture");
}

TEST(Architecture, NumbersThatMustBeThere) {
  for (const json& value : {json(nullptr), json(-1), json("2"), json(2.5)}) {
    CheckpointEditor editor(kLlama);
    editor.config()["num_hidden_layers"] = value;
    expect_refused(editor, ErrorKind::kBadConfig, "config.json", "",
                   "has no number 'num_hidden_layers'");
  }
  CheckpointEditor editor(kMoe);
  editor.config().erase("num_experts");
  editor.config().erase("num_local_experts");
  expect_refused(editor, ErrorKind::kBadConfig, "config.json", "", "has no number 'num_experts'");
}

TEST(Architecture, AbsurdNumbersOfLayers) {
  for (const uint64_t layers : {uint64_t{1} << 32, ~uint64_t{0}}) {
    CheckpointEditor editor(kLlama);
    editor.config()["num_hidden_layers"] = layers;
    expect_refused(editor, ErrorKind::kBadConfig, "config.json", "",
                   "num_hidden_layers is " + std::to_string(layers));
  }
}

TEST(Architecture, TyingIsFalseUnlessSaid) {
  for (const json& value : {json(false), json(nullptr), json("true"), json(1)}) {
    const auto result = read_architecture(json{{"architectures", json::array({"LlamaForCausalLM"})},
                                               {"num_hidden_layers", 1u},
                                               {"tie_word_embeddings", value}},
                                          "in");
    ASSERT_TRUE(result.ok());
    EXPECT_FALSE(result->tied_embeddings) << value;
  }
}

TEST(Completeness, EveryModuleOfADenseModelIsNeeded) {
  for (const char* module :
       {"model.embed_tokens", "model.norm", "lm_head", "model.layers.0.input_layernorm",
        "model.layers.0.post_attention_layernorm", "model.layers.0.self_attn.q_proj",
        "model.layers.0.self_attn.k_proj", "model.layers.0.self_attn.v_proj",
        "model.layers.0.self_attn.o_proj", "model.layers.0.mlp.gate_proj",
        "model.layers.0.mlp.up_proj", "model.layers.0.mlp.down_proj"}) {
    CheckpointEditor editor(kLlama);
    editor.remove_prefix(std::string(module) + ".");
    expect_refused(editor, ErrorKind::kMissingTensor, "", std::string(module) + ".weight",
                   "is missing");
  }
}

TEST(Completeness, EveryModuleOfAMoeLayerIsNeeded) {
  for (const char* module : {"self_attn.q_norm", "self_attn.k_norm", "mlp.gate"}) {
    CheckpointEditor editor(kMoe);
    editor.remove_prefix("model.layers.1." + std::string(module) + ".");
    expect_refused(editor, ErrorKind::kMissingTensor, "",
                   "model.layers.1." + std::string(module) + ".weight", "is missing");
  }
  for (const char* module : {"mlp.shared_expert.gate_proj", "mlp.shared_expert.up_proj",
                             "mlp.shared_expert.down_proj", "mlp.shared_expert_gate"}) {
    CheckpointEditor editor(kSharedMoe);
    editor.remove_prefix("model.layers.1." + std::string(module) + ".");
    expect_refused(editor, ErrorKind::kMissingTensor, "",
                   "model.layers.1." + std::string(module) + ".weight", "is missing");
  }
  CheckpointEditor editor(kMoe);
  for (int e = 0; e < 4; ++e)
    editor.remove_prefix("model.layers.1.mlp.experts." + std::to_string(e) + ".up_proj.");
  expect_refused(editor, ErrorKind::kMissingTensor, "",
                 "model.layers.1.mlp.experts.*.up_proj.weight", "is missing");
}

TEST(Completeness, ALayerThatConfigPromises) {
  CheckpointEditor editor(kLlama);
  editor.config()["num_hidden_layers"] = 2;
  expect_refused(editor, ErrorKind::kMissingTensor, "", "model.layers.1.input_layernorm.weight",
                 "truncated checkpoint?");
}

TEST(Completeness, ALayerThatConfigDoesNotKnow) {
  CheckpointEditor editor("modelopt-nvfp4-llama");
  editor.config()["num_hidden_layers"] = 1;
  expect_refused(editor, ErrorKind::kUnknownTensor, "model.safetensors",
                 "model.layers.1.input_layernorm.weight",
                 "is in layer 1, config.json has 1 layers");
}

TEST(Completeness, ADenseLayerInAMoeModel) {
  // Qwen's mlp_only_layers: layer 1 has one MLP (here what was its shared expert) and neither
  // router nor experts.
  CheckpointEditor editor(kSharedMoe);
  editor.remove_prefix("model.layers.1.mlp.experts.");
  editor.remove("model.layers.1.mlp.gate.weight");
  editor.remove("model.layers.1.mlp.shared_expert_gate.weight");
  editor.rename_prefix("model.layers.1.mlp.shared_expert.", "model.layers.1.mlp.");
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.find("model.layers.1.mlp.up_proj")->role, Role::kFfnUp);
  EXPECT_EQ(imported.find("model.layers.0.mlp.experts.*.up_proj")->experts, 4u);
}

TEST(Completeness, BiasesThatTheArchitectureOrConfigPromises) {
  for (const char* part : {"q_proj", "k_proj", "v_proj"}) {
    const std::string name = std::string("model.layers.1.self_attn.") + part + ".bias";
    CheckpointEditor qwen(kSharedMoe);  // Qwen2-MoE has them unless qkv_bias says no
    qwen.config().erase("qkv_bias");
    qwen.remove(name);
    expect_refused(qwen, ErrorKind::kMissingTensor, "", name, "truncated");
    qwen.config()["qkv_bias"] = false;
    EXPECT_TRUE(Imported(qwen).ok());
    CheckpointEditor llama("modelopt-nvfp4-llama-odd");  // attention_bias is true there
    llama.remove(name);
    expect_refused(llama, ErrorKind::kMissingTensor, "", name, "truncated");
  }
}

TEST(Completeness, TiedHeads) {
  const Imported tied("modelopt-nvfp4-llama-odd");
  ASSERT_TRUE(tied.ok()) << tied.error_line();
  EXPECT_TRUE(tied.find("model.embed_tokens")->tied_head);
  EXPECT_EQ(tied.find("lm_head"), nullptr);

  const Imported untied(kLlama);
  ASSERT_TRUE(untied.ok());
  EXPECT_FALSE(untied.find("model.embed_tokens")->tied_head);
  EXPECT_TRUE(untied.find("lm_head")->gemm);

  CheckpointEditor without_word("modelopt-nvfp4-llama-odd");
  without_word.config()["tie_word_embeddings"] = false;
  expect_refused(without_word, ErrorKind::kMissingTensor, "", "lm_head.weight", "is missing");

  CheckpointEditor both(kLlama);
  both.config()["tie_word_embeddings"] = true;
  const Imported with_both(both);
  ASSERT_TRUE(with_both.ok()) << with_both.error_line();
  EXPECT_FALSE(with_both.find("model.embed_tokens")->tied_head)
      << "the head that is stored is the head";
  EXPECT_NE(with_both.find("lm_head"), nullptr);
  EXPECT_TRUE(testing::any_has(with_both.log.warnings, "both are kept"));
}

}  // namespace
}  // namespace imp::model
