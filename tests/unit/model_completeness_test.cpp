// Every module that an architecture must have is there: each is taken away once.
#include <gtest/gtest.h>

#include <set>

#include "src/model/architecture.h"
#include "tests/unit/model_configs.h"
#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

using testing::CheckpointEditor;
using testing::documents_of;
using testing::expect_refused;
using testing::Imported;
using testing::json;
using testing::modules_of;
using testing::tensors_of;

constexpr const char* kLlama = "modelopt-nvfp4-compress-llama";
constexpr const char* kMoe = "modelopt-nvfp4-qwen3moe";
constexpr const char* kSharedMoe = "modelopt-nvfp4-qwen2moe";

Architecture architecture_of(const std::string& fixture) {
  CollectingLog log;
  auto result = read_architecture(documents_of(fixture), "in", log);
  EXPECT_TRUE(result.ok()) << fixture;
  return *result;
}

/// The tensor that is missing, or "" where nothing is.
std::string missing_of(const Architecture& architecture, const std::vector<std::string>& names) {
  const Status status = check_complete(architecture, modules_of(names), "in");
  if (status.ok()) return "";
  EXPECT_EQ(error_kind_name(status.error().kind), error_kind_name(ErrorKind::kMissingTensor));
  EXPECT_EQ(status.error().file, "in");
  return status.error().tensor;
}

std::vector<std::string> without(const std::vector<std::string>& names, const std::string& prefix) {
  std::vector<std::string> kept;
  for (const std::string& name : names)
    if (!name.starts_with(prefix)) kept.push_back(name);
  return kept;
}

struct Case {
  const char* fixture;
  std::vector<const char*> needed;  ///< modules; a parameter by its own name
};

// By hand, from checkpoint formats 7.2 and 7.3: every kind of layer of every family that there is a
// file of.
const Case kCases[] = {
    {"gguf-src-phi3",
     {"model.embed_tokens", "model.norm", "lm_head", "model.layers.0.input_layernorm",
      "model.layers.0.post_attention_layernorm", "model.layers.0.self_attn.qkv_proj",
      "model.layers.0.self_attn.o_proj", "model.layers.0.mlp.gate_up_proj",
      "model.layers.0.mlp.down_proj"}},
    {"modelopt-nvfp4-qwen3",
     {"model.layers.0.self_attn.q_norm", "model.layers.0.self_attn.k_norm",
      "model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj",
      "model.layers.0.mlp.gate_proj"}},
    {"modelopt-nvfp4-llama-odd",
     {"model.embed_tokens", "model.layers.0.self_attn.k_proj", "model.layers.0.mlp.up_proj"}},
    {"other-bf16-mixtral",
     {"model.layers.0.block_sparse_moe.gate", "model.layers.0.self_attn.o_proj"}},
    {"other-bf16-deepseekv3",
     {"model.layers.0.self_attn.q_a_proj", "model.layers.0.self_attn.q_a_layernorm",
      "model.layers.0.self_attn.q_b_proj", "model.layers.1.self_attn.kv_a_proj_with_mqa",
      "model.layers.1.self_attn.kv_a_layernorm", "model.layers.1.self_attn.kv_b_proj",
      "model.layers.1.self_attn.o_proj", "model.layers.0.mlp.gate_proj",
      "model.layers.1.mlp.gate.weight", "model.layers.1.mlp.shared_experts.gate_proj",
      "model.layers.1.mlp.shared_experts.down_proj"}},
    {"other-bf16-qwen3next",
     {"model.layers.0.linear_attn.in_proj_qkvz", "model.layers.0.linear_attn.in_proj_ba",
      "model.layers.0.linear_attn.conv1d", "model.layers.0.linear_attn.A_log",
      "model.layers.0.linear_attn.dt_bias", "model.layers.0.linear_attn.norm",
      "model.layers.0.linear_attn.out_proj", "model.layers.1.self_attn.q_proj",
      "model.layers.1.self_attn.q_norm", "model.layers.0.mlp.shared_expert_gate",
      "model.layers.1.mlp.shared_expert.up_proj", "model.layers.1.mlp.gate.weight"}},
    {"gguf-src-qwen35",
     {"model.layers.0.linear_attn.in_proj_qkv", "model.layers.0.linear_attn.in_proj_z",
      "model.layers.0.linear_attn.in_proj_a", "model.layers.0.linear_attn.in_proj_b",
      "model.layers.1.self_attn.k_norm", "model.layers.0.mlp.up_proj"}},
    {"other-bf16-gptoss",
     {"model.layers.0.self_attn.sinks", "model.layers.0.mlp.router",
      "model.layers.1.self_attn.v_proj"}},
    {"ct-w4a16-g32-gptoss", {"model.layers.0.self_attn.sinks", "model.layers.0.self_attn.o_proj"}},
    {"other-bf16-llama4text",
     {"model.layers.0.feed_forward.gate_proj", "model.layers.1.feed_forward.router",
      "model.layers.1.feed_forward.shared_expert.up_proj"}},
    {"modelopt-other-nvfp4-llama4",
     {"model.layers.0.feed_forward.router", "model.layers.0.feed_forward.shared_expert.gate_proj"}},
    {"ct-w4a16asym-g32-gemma3",
     {"model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm",
      "model.layers.0.pre_feedforward_layernorm", "model.layers.0.post_feedforward_layernorm",
      "model.layers.0.self_attn.q_norm", "model.layers.1.mlp.down_proj"}},
    {"ct-nvfp4-qwen2moe-shared",
     {"model.layers.0.mlp.shared_expert_gate", "model.layers.1.mlp.shared_expert.down_proj"}},
    {"ct-v012-sparse24-bf16-llama-small", {"model.layers.0.mlp.up_proj"}},
};

TEST(Completeness, TheFixturesAreWhole) {
  for (const Case& c : kCases)
    EXPECT_EQ(missing_of(architecture_of(c.fixture), tensors_of(c.fixture)), "") << c.fixture;
  for (const char* fixture : {"ct-nvfp4a16-qwen3vl", "other-bf16-sharded-qwen3moe",
                              "other-mxfp4-gptoss", "gguf-src-granite"})
    EXPECT_EQ(missing_of(architecture_of(fixture), tensors_of(fixture)), "") << fixture;
}

TEST(Completeness, EveryModuleOfEveryFamilyIsNeeded) {
  for (const Case& c : kCases) {
    const Architecture architecture = architecture_of(c.fixture);
    const auto names = tensors_of(c.fixture);
    for (const std::string module : c.needed) {
      const auto left = without(names, module);
      ASSERT_LT(left.size(), names.size()) << c.fixture << ": " << module;
      const std::string missing = missing_of(architecture, left);
      const bool itself = missing == module || missing == module + ".weight";
      EXPECT_TRUE(itself) << c.fixture << ": took " << module << ", missed " << missing;
    }
  }
}

TEST(Completeness, AllExpertsOfAKind) {
  const std::pair<const char*, const char*> rows[] = {
      {"other-bf16-mixtral", "block_sparse_moe.experts.*.w3"},
      {"other-bf16-deepseekv3", "mlp.experts.*.up_proj"},
      {"other-bf16-sharded-qwen3moe", "mlp.experts.*.down_proj"}};
  for (const auto& [fixture, leaf] : rows) {
    const std::string last = std::string(leaf).substr(std::string(leaf).rfind('.'));
    std::vector<std::string> left;
    for (const std::string& name : tensors_of(fixture))
      if (name.find(".experts.") == std::string::npos || name.find(last + ".") == std::string::npos)
        left.push_back(name);
    const std::string missing = missing_of(architecture_of(fixture), left);
    EXPECT_TRUE(missing.ends_with("." + last.substr(1) + ".weight")) << fixture << missing;
    EXPECT_NE(missing.find(".experts.*."), std::string::npos) << missing;
  }
  for (const char* stack : {"gate_up_proj", "down_proj"}) {
    const std::string name = std::string("model.layers.1.mlp.experts.") + stack;
    EXPECT_EQ(missing_of(architecture_of("other-bf16-gptoss"),
                         without(tensors_of("other-bf16-gptoss"), name)),
              name + ".weight");
    EXPECT_EQ(missing_of(architecture_of("other-mxfp4-gptoss"),
                         without(tensors_of("other-mxfp4-gptoss"), name)),
              name + ".weight");
  }
}

/// Nemotron-H: one norm and one mixer a layer.
std::vector<std::string> nemotron() {
  std::vector<std::string> names = {"backbone.embeddings.weight", "backbone.norm_f.weight",
                                    "lm_head.weight"};
  const std::pair<int, std::vector<const char*>> layers[] = {
      {0,
       {"in_proj.weight", "conv1d.weight", "conv1d.bias", "A_log", "D", "dt_bias", "norm.weight",
        "out_proj.weight"}},
      {1,
       {"gate.weight", "gate.e_score_correction_bias", "experts.0.up_proj.weight",
        "experts.0.down_proj.weight", "shared_experts.up_proj.weight",
        "shared_experts.down_proj.weight"}},
      {2, {"q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight"}},
      {3, {"up_proj.weight", "down_proj.weight"}}};
  for (const auto& [layer, leaves] : layers) {
    const std::string prefix = "backbone.layers." + std::to_string(layer) + ".";
    names.push_back(prefix + "norm.weight");
    for (const char* leaf : leaves) names.push_back(prefix + "mixer." + leaf);
  }
  return names;
}

Architecture nemotron_architecture() {
  CollectingLog log;
  ConfigDocuments documents;
  documents.config = json{{"architectures", {"NemotronHForCausalLM"}},
                          {"num_hidden_layers", 4},
                          {"n_routed_experts", 1},
                          {"n_shared_experts", 1}};
  return *read_architecture(documents, "in", log);
}

TEST(Completeness, LayersOfFourKinds) {
  const Architecture architecture = nemotron_architecture();
  const auto names = nemotron();
  EXPECT_EQ(missing_of(architecture, names), "");
  const std::set<std::string> optional = {
      "backbone.layers.0.mixer.conv1d.bias", "backbone.layers.1.mixer.gate.e_score_correction_bias",
      "backbone.layers.1.mixer.shared_experts.up_proj.weight",
      "backbone.layers.1.mixer.shared_experts.down_proj.weight"};
  for (const std::string& name : names) {
    if (optional.contains(name)) continue;
    EXPECT_NE(missing_of(architecture, without(names, name)), "") << name;
  }
  EXPECT_EQ(missing_of(architecture, without(names, "backbone.layers.2.mixer.k_proj")),
            "model.layers.2.mixer.k_proj.weight");
  EXPECT_EQ(missing_of(architecture, without(names, "backbone.layers.0.mixer.A_log")),
            "model.layers.0.mixer.A_log");
}

TEST(Completeness, ADeepSeekWithoutALowRankQuery) {
  std::vector<std::string> names;
  for (const std::string& name : tensors_of("other-bf16-deepseekv3"))
    if (name.find("q_a_") == std::string::npos)
      names.push_back(name.find("q_b_proj") == std::string::npos
                          ? name
                          : name.substr(0, name.find("q_b_proj")) + "q_proj.weight");
  const Architecture architecture = architecture_of("other-bf16-deepseekv3");
  EXPECT_EQ(missing_of(architecture, names), "");
  EXPECT_EQ(missing_of(architecture, without(names, "model.layers.1.self_attn.q_proj")),
            "model.layers.1.self_attn.q_proj.weight");
}

TEST(Completeness, T41ScalesOfAKvCacheAreNoProjections) {
  auto names = tensors_of("other-bf16-deepseekv3");
  for (const char* scale : {"k_proj.k_scale", "v_proj.v_scale"})
    names.push_back("model.layers.1.self_attn." + std::string(scale));
  const Architecture architecture = architecture_of("other-bf16-deepseekv3");
  EXPECT_EQ(missing_of(architecture, names), "");
  EXPECT_EQ(missing_of(architecture, without(names, "model.layers.1.self_attn.kv_b_proj")),
            "model.layers.1.self_attn.kv_b_proj.weight");
}

TEST(Completeness, DraftLayersBehindTheLast) {
  const Architecture architecture = architecture_of("other-bf16-deepseekv3");
  auto names = tensors_of("other-bf16-deepseekv3");
  for (const char* leaf : {"embed_tokens", "enorm", "hnorm", "eh_proj", "shared_head.norm",
                           "shared_head.head", "self_attn.o_proj"})
    names.push_back("model.layers.2." + std::string(leaf) + ".weight");
  EXPECT_EQ(missing_of(architecture, names), "");
  const auto left = without(names, "model.layers.2.eh_proj");
  const Status status = check_complete(architecture, modules_of(left), "in");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kUnknownTensor);
  EXPECT_NE(status.error().message.find("is in layer 2, config.json has 2 layers"),
            std::string::npos);
}

TEST(Completeness, OfAGenericArchitectureNothingIsMissed) {
  CollectingLog log;
  ConfigDocuments documents;
  documents.config = json{{"architectures", {"Other"}}, {"num_hidden_layers", 9}};
  EXPECT_EQ(missing_of(*read_architecture(documents, "in", log), {"model.layers.3.x.weight"}), "");
}

// The same through an import.

TEST(ImportCompleteness, EveryModuleOfADenseModelIsNeeded) {
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

TEST(ImportCompleteness, ALayerThatConfigPromises) {
  CheckpointEditor editor(kLlama);
  editor.config()["num_hidden_layers"] = 2;
  expect_refused(editor, ErrorKind::kMissingTensor, "", "model.layers.1.input_layernorm.weight",
                 "truncated checkpoint?");
}

TEST(ImportCompleteness, ALayerThatConfigDoesNotKnow) {
  CheckpointEditor editor("modelopt-nvfp4-llama");
  editor.config()["num_hidden_layers"] = 1;
  expect_refused(editor, ErrorKind::kUnknownTensor, "", "model.layers.1.input_layernorm",
                 "is in layer 1, config.json has 1 layers");
}

TEST(ImportCompleteness, ADenseLayerInAMoeModel) {
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

TEST(ImportCompleteness, ARouterIsNeededWhereExpertsAre) {
  CheckpointEditor editor(kMoe);
  editor.remove_prefix("model.layers.1.mlp.gate.");
  expect_refused(editor, ErrorKind::kMissingTensor, "", "model.layers.1.mlp.gate.weight",
                 "is missing");
}

TEST(ImportCompleteness, BiasesThatTheArchitectureOrConfigPromises) {
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

TEST(ImportCompleteness, AHeadThatIsNotTied) {
  CheckpointEditor editor("modelopt-nvfp4-llama-odd");
  editor.config()["tie_word_embeddings"] = false;
  expect_refused(editor, ErrorKind::kMissingTensor, "", "lm_head.weight", "is missing");
}

}  // namespace
}  // namespace imp::model
