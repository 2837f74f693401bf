// What config.json says of the model's shape, and what is known of its architecture.
#include <gtest/gtest.h>

#include "src/model/architecture.h"
#include "src/model/architecture_table.h"
#include "tests/unit/model_configs.h"
#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

using testing::any_has;
using testing::CheckpointEditor;
using testing::configurations;
using testing::documents_of;
using testing::Imported;
using testing::json;

constexpr const char* kLlama = "modelopt-nvfp4-compress-llama";

struct Read {
  CollectingLog log;
  Result<Architecture> result;
  explicit Read(const ConfigDocuments& documents)
      : result(read_architecture(documents, "in", log)) {}
  explicit Read(const json& config) : Read(ConfigDocuments{config, {}, {}, {}}) {}
  const Architecture* operator->() const { return &*result; }
};

json config_of(const char* architecture) {
  return json{{"architectures", {architecture}}, {"num_hidden_layers", 5}, {"num_experts", 8}};
}

struct Row {
  const char* name;
  bool moe, shared_expert, qk_norm, qkv_bias, tied;
};

// Checkpoint formats, section 7.3.
constexpr Row kRows[] = {
    {"LlamaForCausalLM", false, false, false, false, false},
    {"MistralForCausalLM", false, false, false, false, false},
    {"Mistral3ForConditionalGeneration", false, false, false, false, false},
    {"MixtralForCausalLM", true, false, false, false, false},
    {"Qwen2ForCausalLM", false, false, false, true, false},
    {"Qwen2MoeForCausalLM", true, true, false, true, false},
    {"Qwen3ForCausalLM", false, false, true, false, false},
    {"Qwen3MoeForCausalLM", true, false, true, false, false},
    {"Qwen3NextForCausalLM", true, true, true, false, false},
    {"Qwen3_5ForCausalLM", false, false, true, false, false},
    {"Qwen3_5MoeForConditionalGeneration", true, true, true, false, false},
    {"Qwen3VLForConditionalGeneration", false, false, true, false, false},
    {"Gemma2ForCausalLM", false, false, false, false, true},
    {"Gemma3ForCausalLM", false, false, true, false, true},
    {"Gemma4ForConditionalGeneration", true, false, true, false, true},
    {"Phi3ForCausalLM", false, false, false, false, false},
    {"DeepseekV2ForCausalLM", true, true, false, false, false},
    {"DeepseekV3ForCausalLM", true, true, false, false, false},
    {"GlmMoeDsaForCausalLM", true, true, false, false, false},
    {"GptOssForCausalLM", true, false, false, true, false},
    {"Llama4ForConditionalGeneration", true, true, false, false, false},
    {"GraniteForCausalLM", false, false, false, false, false},
    {"NemotronForCausalLM", false, false, false, false, false},
    {"ArceeForCausalLM", false, false, false, false, false},
    {"SmolLM3ForCausalLM", false, false, false, false, false},
    {"MiniCPMForCausalLM", false, false, false, false, false},
    {"GemmaForCausalLM", false, false, false, false, true},
    {"CohereForCausalLM", false, false, false, false, true},
    {"Cohere2ForCausalLM", false, false, false, false, true},
    {"Olmo2ForCausalLM", false, false, true, false, false},
    {"Olmo3ForCausalLM", false, false, true, false, false},
    {"OlmoeForCausalLM", true, false, true, false, false},
    {"DeepseekForCausalLM", true, true, false, false, false},
    {"NemotronHForCausalLM", true, false, false, false, false},
};

TEST(Architecture, ThoseThatAreKnown) {
  for (const Row& row : kRows) {
    const Read read(config_of(row.name));
    ASSERT_TRUE(read.result.ok()) << row.name;
    EXPECT_EQ(read->name, row.name);
    EXPECT_FALSE(read->generic) << row.name;
    EXPECT_TRUE(is_known_architecture(row.name));
    EXPECT_EQ(read->num_layers, 5u);
    EXPECT_EQ(read->num_experts, row.moe ? 8u : 0u) << row.name;
    EXPECT_EQ(read->has_shared_expert, row.shared_expert) << row.name;
    EXPECT_EQ(read->has_qk_norm, row.qk_norm) << row.name;
    EXPECT_EQ(read->has_qkv_bias, row.qkv_bias) << row.name;
    EXPECT_EQ(read->tied_embeddings, row.tied) << row.name;
    const std::string name = row.name;
    EXPECT_EQ(read->in_first_stacks, name.starts_with("Llama4") || name.starts_with("GptOss"));
    EXPECT_EQ(read->interleaved_gate_up, name.starts_with("GptOss")) << row.name;
    EXPECT_TRUE(read.log.warnings.empty()) << row.name;
  }
}

TEST(Architecture, ThoseOfTheFixtures) {
  for (const auto& [fixture, entry] : configurations().items()) {
    const Read read(documents_of(fixture));
    ASSERT_TRUE(read.result.ok()) << fixture;
    EXPECT_FALSE(read->generic) << fixture;
    EXPECT_TRUE(read.log.warnings.empty()) << fixture;
    EXPECT_GT(read->num_layers, 0u) << fixture;
  }
  EXPECT_EQ(Read(documents_of("ct-nvfp4a16-qwen3vl"))->num_layers, 2u) << "inside text_config";
  EXPECT_EQ(Read(documents_of("other-bf16-deepseekv3"))->num_experts, 4u) << "n_routed_experts";
  EXPECT_EQ(Read(documents_of("other-bf16-gptoss"))->num_experts, 4u) << "num_local_experts";
}

TEST(Architecture, OneThatNobodyDescribedIsGeneric) {
  for (const char* name : {"GraniteSpeechForCausalLM", "llamaforcausallm", "LlamaForCausalLM2"}) {
    const Read read(config_of(name));
    ASSERT_TRUE(read.result.ok()) << name;
    EXPECT_TRUE(read->generic);
    EXPECT_EQ(read->name, name);
    EXPECT_EQ(read->num_layers, 5u);
    EXPECT_EQ(read->family, nullptr);
    EXPECT_FALSE(is_known_architecture(name));
    ASSERT_EQ(read.log.warnings.size(), 1u);
    EXPECT_NE(read.log.warnings[0].find("architecture '" + std::string(name) + "'"),
              std::string::npos);
  }
}

TEST(Architecture, OneThatIsNotNamed) {
  for (const json& value :
       {json::array(), json("LlamaForCausalLM"), json::array({1}), json(nullptr)}) {
    const Read read(json{{"architectures", value}});
    ASSERT_TRUE(read.result.ok()) << value;
    EXPECT_TRUE(read->generic);
    EXPECT_TRUE(any_has(read.log.warnings, "no architecture is named"));
    // The model's type tells as well.
    const Read typed(
        json{{"architectures", value}, {"model_type", "llama"}, {"num_hidden_layers", 3}});
    ASSERT_TRUE(typed.result.ok());
    EXPECT_EQ(typed->name, "LlamaForCausalLM");
    EXPECT_FALSE(typed->generic);
  }
  const Read nothing(ConfigDocuments{});
  ASSERT_TRUE(nothing.result.ok());
  EXPECT_TRUE(nothing->generic);
}

TEST(Architecture, NumbersThatMustBeThere) {
  for (const json& value : {json(nullptr), json(-1), json("2"), json(2.5)}) {
    json config = config_of("LlamaForCausalLM");
    config["num_hidden_layers"] = value;
    const Read read(config);
    ASSERT_FALSE(read.result.ok()) << value;
    EXPECT_EQ(read.result.error().kind, ErrorKind::kBadConfig);
    EXPECT_EQ(read.result.error().file, "in/config.json");
    EXPECT_NE(read.result.error().message.find("'num_hidden_layers'"), std::string::npos);
  }
  json config = config_of("Qwen3MoeForCausalLM");
  config.erase("num_experts");
  const Read read(config);
  ASSERT_FALSE(read.result.ok());
  EXPECT_NE(read.result.error().message.find("has no number 'num_experts'"), std::string::npos);
  // Some families come with and without experts.
  json gemma = config_of("Gemma4ForCausalLM");
  gemma.erase("num_experts");
  EXPECT_EQ(Read(gemma)->num_experts, 0u);
}

TEST(Architecture, AbsurdNumbersOfLayers) {
  for (const char* name : {"LlamaForCausalLM", "Unknown"})
    for (const uint64_t layers : {(uint64_t{1} << 20) + 1, uint64_t{1} << 32, ~uint64_t{0}}) {
      json config = config_of(name);
      config["num_hidden_layers"] = layers;
      const Read read(config);
      ASSERT_FALSE(read.result.ok());
      EXPECT_EQ(read.result.error().message, "num_hidden_layers is " + std::to_string(layers));
    }
}

TEST(Architecture, NumbersUnderTheirOtherNames) {
  for (const char* key :
       {"num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"}) {
    json config = config_of("Qwen3MoeForCausalLM");
    config.erase("num_experts");
    config[key] = 6;
    EXPECT_EQ(Read(config)->num_experts, 6u) << key;
  }
  for (const char* key : {"text_config", "llm_config"}) {
    const Read read(json{{"architectures", {"Qwen3VLForConditionalGeneration"}},
                         {"num_hidden_layers", 99},
                         {key, {{"num_hidden_layers", 7}}}});
    EXPECT_EQ(read->num_layers, 7u) << key;
  }
}

TEST(Architecture, T42TyingIsAsTheConfigurationSays) {
  const auto tied = [](const char* name, const json& top, const json& text) {
    json config = config_of(name);
    if (!top.is_discarded()) config["tie_word_embeddings"] = top;
    if (!text.is_discarded()) config["text_config"] = {{"tie_word_embeddings", text}};
    return Read(config)->tied_embeddings;
  };
  const json unsaid(json::value_t::discarded);
  for (const json& value : {json(false), json(nullptr), json("true"), json(1)})
    EXPECT_FALSE(tied("LlamaForCausalLM", value, unsaid)) << value;
  EXPECT_TRUE(tied("LlamaForCausalLM", true, unsaid));
  EXPECT_TRUE(tied("LlamaForCausalLM", unsaid, true));
  EXPECT_TRUE(tied("Qwen3VLForConditionalGeneration", false, true)) << "one yes is yes";
  EXPECT_TRUE(tied("Gemma3ForCausalLM", unsaid, unsaid)) << "the family's own way";
  EXPECT_FALSE(tied("Gemma3ForCausalLM", false, unsaid));
}

TEST(Architecture, SharedExpertsThatTheConfigurationDenies) {
  json config = config_of("DeepseekV3ForCausalLM");
  config["n_shared_experts"] = 0;
  EXPECT_FALSE(Read(config)->has_shared_expert);
  config["n_shared_experts"] = 2;
  EXPECT_TRUE(Read(config)->has_shared_expert);
}

TEST(Architecture, MistralsOwnParams) {
  ConfigDocuments documents;
  documents.params = json{{"dim", 64}, {"n_layers", 3}};
  EXPECT_EQ(Read(documents)->name, "MistralForCausalLM");
  EXPECT_EQ(Read(documents)->num_layers, 3u);
  (*documents.params)["moe"] = {{"num_experts", 8}};
  EXPECT_EQ(Read(documents)->name, "MixtralForCausalLM");
  EXPECT_EQ(Read(documents)->num_experts, 8u);
  (*documents.params)["kv_lora_rank"] = 512;
  EXPECT_EQ(Read(documents)->name, "DeepseekV3ForCausalLM");
  documents.params = json{{"dim", 64}};
  EXPECT_TRUE(Read(documents)->generic);
}

TEST(Architecture, EveryFamilyIsFoundByNameAndByType) {
  for (const Row& row : kRows) {
    const Family* family = find_family(row.name);
    ASSERT_NE(family, nullptr) << row.name;
    EXPECT_EQ(find_family_of_type(family->model_type), family) << row.name;
  }
  EXPECT_EQ(find_family(""), nullptr);
  EXPECT_EQ(find_family_of_type(""), nullptr);
}

// The same through an import.

TEST(ImportArchitecture, AGenericOneConvertsModuleByModule) {
  CheckpointEditor editor(kLlama);
  editor.set_architecture("GraniteSpeechForCausalLM");
  const Imported generic(editor);
  ASSERT_TRUE(generic.ok()) << generic.error_line();
  EXPECT_TRUE(generic.model->groups.empty());
  EXPECT_TRUE(any_has(generic.log.warnings, "architecture 'GraniteSpeechForCausalLM'"));
  const Imported known(kLlama);
  ASSERT_TRUE(known.ok());
  EXPECT_FALSE(known.model->groups.empty());
  ASSERT_EQ(generic.model->weights.size(), known.model->weights.size());
  for (size_t i = 0; i < known.model->weights.size(); ++i) {
    EXPECT_EQ(generic.model->weights[i].name, known.model->weights[i].name);
    EXPECT_EQ(generic.model->weights[i].scheme, known.model->weights[i].scheme);
    EXPECT_EQ(generic.model->weights[i].role, known.model->weights[i].role);
  }
}

TEST(ImportArchitecture, NoConfigurationAtAll) {
  CheckpointEditor editor(kLlama);
  editor.remove_file("config.json");
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_TRUE(any_has(imported.log.warnings, "no architecture is named"));
  EXPECT_EQ(imported.model->quantization, "NVFP4") << "hf_quant_config.json is still there";
}

/// The checkpoint as Mistral's own tools would have named it.
void rename_to_native(CheckpointEditor& editor) {
  editor.rename_prefix("model.layers.", "layers.");
  editor.rename("model.embed_tokens.weight", "tok_embeddings.weight");
  editor.rename("model.norm.weight", "norm.weight");
  editor.rename("lm_head.weight", "output.weight");
  const std::pair<const char*, const char*> leaves[] = {
      {"input_layernorm", "attention_norm"}, {"post_attention_layernorm", "ffn_norm"},
      {"self_attn.q_proj", "attention.wq"},  {"self_attn.k_proj", "attention.wk"},
      {"self_attn.v_proj", "attention.wv"},  {"self_attn.o_proj", "attention.wo"},
      {"mlp.gate_proj", "feed_forward.w1"},  {"mlp.up_proj", "feed_forward.w3"},
      {"mlp.down_proj", "feed_forward.w2"}};
  for (const auto& [from, to] : leaves)
    editor.rename_prefix("layers.0." + std::string(from) + ".",
                         "layers.0." + std::string(to) + ".");
}

TEST(ImportArchitecture, MistralsOwnFiles) {
  CheckpointEditor editor(kLlama);
  rename_to_native(editor);
  editor.remove_file("config.json");
  editor.set_file("params.json", R"({"dim": 128, "n_layers": 1})");
  const testing::TempFolder folder;
  const auto path = editor.write(folder.path());
  std::filesystem::rename(path / "model.safetensors", path / "consolidated.safetensors");
  CollectingLog log;
  const auto model = import_checkpoint(path, {}, log);
  ASSERT_TRUE(model.ok()) << model.error().to_line();
  EXPECT_EQ(model->architecture, "MistralForCausalLM");
  const Imported usual(kLlama);
  ASSERT_EQ(model->weights.size(), usual.model->weights.size());
  for (size_t i = 0; i < model->weights.size(); ++i) {
    EXPECT_EQ(role_name(model->weights[i].role), role_name(usual.model->weights[i].role)) << i;
    EXPECT_EQ(model->weights[i].n, usual.model->weights[i].n);
  }
  ASSERT_EQ(model->groups.size(), 2u);
  EXPECT_EQ(model->groups[0].name, "model.layers.0.attention.qkv_proj");
  EXPECT_EQ(model->groups[1].weights.size(), 2u);
}

TEST(ImportArchitecture, NamesOfAWrappedModel) {
  CheckpointEditor editor(kLlama);
  editor.rename_prefix("model.layers.0.self_attn.", "_orig_mod.model.layers.0.self_attn.");
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_NE(imported.find("model.layers.0.self_attn.q_proj"), nullptr);
  EXPECT_TRUE(any_has(imported.log.warnings, "have the names of a wrapped model"));
}

TEST(ImportArchitecture, T42TiedHeads) {
  const Imported tied("modelopt-nvfp4-llama-odd");
  ASSERT_TRUE(tied.ok()) << tied.error_line();
  EXPECT_TRUE(tied.find("model.embed_tokens")->tied_head);
  EXPECT_EQ(tied.find("lm_head"), nullptr);

  const Imported untied(kLlama);
  ASSERT_TRUE(untied.ok());
  EXPECT_FALSE(untied.find("model.embed_tokens")->tied_head);
  EXPECT_TRUE(untied.find("lm_head")->gemm);

  CheckpointEditor both(kLlama);
  both.config()["tie_word_embeddings"] = true;
  const Imported with_both(both);
  ASSERT_TRUE(with_both.ok()) << with_both.error_line();
  EXPECT_FALSE(with_both.find("model.embed_tokens")->tied_head)
      << "the head that is stored is the head";
  EXPECT_NE(with_both.find("lm_head"), nullptr);
  EXPECT_TRUE(any_has(with_both.log.warnings, "both are kept"));
}

}  // namespace
}  // namespace imp::model
