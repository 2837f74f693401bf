#include "src/model/architecture_table.h"

namespace imp::model {
namespace {

using enum Role;

// Norms of a layer.
constexpr Role kPreNorms[] = {kAttnNorm, kFfnNorm};
constexpr Role kSandwichNorms[] = {kAttnNorm, kPostAttnNorm, kFfnNorm, kPostFfnNorm};
constexpr Role kOneNorm[] = {kMixerNorm};
constexpr Role kFirstNorm[] = {kAttnNorm};
constexpr Role kBackNorms[] = {kPostAttnNorm, kPostFfnNorm};

// What mixes tokens.
constexpr Role kGqaParts[] = {kAttnQ, kAttnK, kAttnV, kAttnO};
constexpr Role kNormedGqaParts[] = {kAttnQ, kAttnK, kAttnV, kAttnO, kAttnQNorm, kAttnKNorm};
constexpr Role kSinkGqaParts[] = {kAttnQ, kAttnK, kAttnV, kAttnO, kAttnSinks};
// Layers may take V from K, or both from an earlier layer.
constexpr Role kSharedKvParts[] = {kAttnQ, kAttnO, kAttnQNorm};
constexpr Role kFusedGqaParts[] = {kAttnQkv, kAttnO};
constexpr Role kMlaParts[] = {kMlaQA, kMlaQANorm, kMlaQB, kMlaKvA, kMlaKvANorm, kMlaKvB, kAttnO};
constexpr Role kPlainQMlaParts[] = {kMlaQ, kMlaKvA, kMlaKvANorm, kMlaKvB, kAttnO};
constexpr Role kGdnFusedParts[] = {kGdnQkvz,   kGdnBa,   kGdnConv, kGdnALog,
                                   kGdnDtBias, kGdnNorm, kGdnOut};
constexpr Role kGdnSplitParts[] = {kGdnQkv,  kGdnZ,      kGdnB,    kGdnA,  kGdnConv,
                                   kGdnALog, kGdnDtBias, kGdnNorm, kGdnOut};
// Of two types of blocks in GGUF: q, k, v and z stay apart.
constexpr Role kGdnMixedParts[] = {kGdnQkv,  kGdnZ,      kGdnBa,   kGdnConv,
                                   kGdnALog, kGdnDtBias, kGdnNorm, kGdnOut};
constexpr Role kMambaParts[] = {kMambaIn,     kMambaConv, kMambaALog, kMambaD,
                                kMambaDtBias, kMambaNorm, kMambaOut};

// Feed-forward parts.
constexpr Role kDenseParts[] = {kFfnGate, kFfnUp, kFfnDown};
constexpr Role kFusedDenseParts[] = {kFfnGateUp, kFfnDown};
constexpr Role kUngatedParts[] = {kFfnUp, kFfnDown};
constexpr Role kMoeParts[] = {kRouter, kExpertGate, kExpertUp, kExpertDown};
constexpr Role kStackParts[] = {kRouter, kExpertGateUp, kExpertDown};
constexpr Role kSharedMoeParts[] = {kRouter,     kExpertGate, kExpertUp,  kExpertDown,
                                    kSharedGate, kSharedUp,   kSharedDown};
constexpr Role kSharedStackParts[] = {kRouter,     kExpertGateUp, kExpertDown,
                                      kSharedGate, kSharedUp,     kSharedDown};
constexpr Role kGatedSharedMoeParts[] = {kRouter,     kExpertGate, kExpertUp,   kExpertDown,
                                         kSharedGate, kSharedUp,   kSharedDown, kSharedGateScalar};
constexpr Role kGatedSharedStackParts[] = {kRouter,   kExpertGateUp, kExpertDown,      kSharedGate,
                                           kSharedUp, kSharedDown,   kSharedGateScalar};
constexpr Role kUngatedMoeParts[] = {kRouter, kExpertUp, kExpertDown, kSharedUp, kSharedDown};
constexpr Role kBothParts[] = {kRouter,  kExpertGate, kExpertUp, kExpertDown,
                               kFfnGate, kFfnUp,      kFfnDown};
constexpr Role kBothStackParts[] = {kRouter,  kExpertGateUp, kExpertDown,
                                    kFfnGate, kFfnUp,        kFfnDown};

constexpr Roles kGqa[] = {kGqaParts};
constexpr Roles kNormedGqa[] = {kNormedGqaParts};
constexpr Roles kSinkGqa[] = {kSinkGqaParts};
constexpr Roles kSharedKvGqa[] = {kSharedKvParts};
constexpr Roles kFusedGqa[] = {kFusedGqaParts};
constexpr Roles kMla[] = {kMlaParts, kPlainQMlaParts};
constexpr Roles kGdnHybrid[] = {kNormedGqaParts, kGdnFusedParts, kGdnSplitParts, kGdnMixedParts};
// One norm and one of these a layer.
constexpr Roles kNemotronH[] = {kMambaParts, kGqaParts, kUngatedParts, kUngatedMoeParts};

constexpr Roles kDense[] = {kDenseParts};
constexpr Roles kFusedDense[] = {kFusedDenseParts};
constexpr Roles kUngated[] = {kUngatedParts};
constexpr Roles kMoe[] = {kMoeParts, kStackParts, kDenseParts};
constexpr Roles kSharedMoe[] = {kSharedMoeParts, kSharedStackParts, kDenseParts};
constexpr Roles kGatedSharedMoe[] = {kGatedSharedMoeParts, kGatedSharedStackParts, kDenseParts};
constexpr Roles kDenseAndMoe[] = {kDenseParts, kBothParts, kBothStackParts};

constexpr auto kShared = static_cast<uint32_t>(Trait::kSharedExpert);
constexpr auto kQkNorm = static_cast<uint32_t>(Trait::kQkNorm);
constexpr auto kQkvBias = static_cast<uint32_t>(Trait::kQkvBias);
constexpr auto kTied = static_cast<uint32_t>(Trait::kTied);
constexpr auto kInFirst = static_cast<uint32_t>(Trait::kInFirstStacks);
constexpr auto kInterleaved = static_cast<uint32_t>(Trait::kInterleavedGateUp);
constexpr auto kNever = Experts::kNever;
constexpr auto kSometimes = Experts::kSometimes;
constexpr auto kAlways = Experts::kAlways;

// clang-format off
constexpr Family kFamilies[] = {
    {"LlamaForCausalLM", "llama", kPreNorms, kGqa, kDense},
    {"SmolLM3ForCausalLM", "smollm3", kPreNorms, kGqa, kDense},
    {"MiniCPMForCausalLM", "minicpm", kPreNorms, kGqa, kDense},
    {"CohereForCausalLM", "cohere", kFirstNorm, kGqa, kDense, kNever, kTied},
    {"Cohere2ForCausalLM", "cohere2", kFirstNorm, kGqa, kDense, kNever, kTied},
    {"Olmo2ForCausalLM", "olmo2", kBackNorms, kNormedGqa, kDense, kNever, kQkNorm},
    {"Olmo3ForCausalLM", "olmo3", kBackNorms, kNormedGqa, kDense, kNever, kQkNorm},
    {"OlmoeForCausalLM", "olmoe", kPreNorms, kNormedGqa, kMoe, kAlways, kQkNorm},
    {"DeepseekForCausalLM", "deepseek", kPreNorms, kGqa, kSharedMoe, kSometimes, kShared},
    {"GraniteForCausalLM", "granite", kPreNorms, kGqa, kDense},
    {"ArceeForCausalLM", "arcee", kPreNorms, kGqa, kUngated},
    {"NemotronForCausalLM", "nemotron", kPreNorms, kGqa, kUngated},
    {"GemmaForCausalLM", "gemma", kPreNorms, kGqa, kDense, kNever, kTied},
    {"MistralForCausalLM", "mistral", kPreNorms, kGqa, kDense},
    {"Mistral3ForConditionalGeneration", "mistral3", kPreNorms, kGqa, kDense},
    {"Ministral3ForCausalLM", "ministral3", kPreNorms, kGqa, kDense},
    {"MixtralForCausalLM", "mixtral", kPreNorms, kGqa, kMoe, kAlways},
    {"Qwen2ForCausalLM", "qwen2", kPreNorms, kGqa, kDense, kNever, kQkvBias},
    {"Qwen2VLForConditionalGeneration", "qwen2_vl", kPreNorms, kGqa, kDense, kNever, kQkvBias},
    {"Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl", kPreNorms, kGqa, kDense, kNever, kQkvBias},
    {"Qwen2MoeForCausalLM", "qwen2_moe", kPreNorms, kGqa, kGatedSharedMoe, kAlways,
     kShared | kQkvBias},
    {"Qwen3ForCausalLM", "qwen3", kPreNorms, kNormedGqa, kDense, kNever, kQkNorm},
    {"Qwen3MoeForCausalLM", "qwen3_moe", kPreNorms, kNormedGqa, kMoe, kAlways, kQkNorm},
    {"Qwen3VLForConditionalGeneration", "qwen3_vl", kPreNorms, kNormedGqa, kDense, kNever, kQkNorm},
    {"Qwen3VLMoeForConditionalGeneration", "qwen3_vl_moe", kPreNorms, kNormedGqa, kMoe, kAlways,
     kQkNorm},
    {"Qwen3NextForCausalLM", "qwen3_next", kPreNorms, kGdnHybrid, kGatedSharedMoe, kAlways,
     kShared | kQkNorm},
    {"Qwen3_5ForCausalLM", "qwen3_5_text", kPreNorms, kGdnHybrid, kDense, kNever, kQkNorm},
    {"Qwen3_5ForConditionalGeneration", "qwen3_5", kPreNorms, kGdnHybrid, kDense, kNever, kQkNorm},
    {"Qwen3_5MoeForCausalLM", "qwen3_5_moe_text", kPreNorms, kGdnHybrid, kGatedSharedMoe, kAlways,
     kShared | kQkNorm},
    {"Qwen3_5MoeForConditionalGeneration", "qwen3_5_moe", kPreNorms, kGdnHybrid, kGatedSharedMoe,
     kAlways, kShared | kQkNorm},
    {"Gemma2ForCausalLM", "gemma2", kSandwichNorms, kGqa, kDense, kNever, kTied},
    {"Gemma3ForCausalLM", "gemma3_text", kSandwichNorms, kNormedGqa, kDense, kNever,
     kQkNorm | kTied},
    {"Gemma3ForConditionalGeneration", "gemma3", kSandwichNorms, kNormedGqa, kDense, kNever,
     kQkNorm | kTied},
    {"Gemma4ForCausalLM", "gemma4_text", kSandwichNorms, kSharedKvGqa, kDenseAndMoe, kSometimes,
     kQkNorm | kTied},
    {"Gemma4ForConditionalGeneration", "gemma4", kSandwichNorms, kSharedKvGqa, kDenseAndMoe,
     kSometimes, kQkNorm | kTied},
    {"Phi3ForCausalLM", "phi3", kPreNorms, kFusedGqa, kFusedDense},
    {"DeepseekV2ForCausalLM", "deepseek_v2", kPreNorms, kMla, kSharedMoe, kSometimes, kShared},
    {"DeepseekV3ForCausalLM", "deepseek_v3", kPreNorms, kMla, kSharedMoe, kSometimes, kShared},
    {"DeepseekV32ForCausalLM", "deepseek_v32", kPreNorms, kMla, kSharedMoe, kSometimes, kShared},
    {"KimiK2ForCausalLM", "kimi_k2", kPreNorms, kMla, kSharedMoe, kSometimes, kShared},
    {"KimiK25ForConditionalGeneration", "kimi_k25", kPreNorms, kMla, kSharedMoe, kSometimes,
     kShared},
    {"GlmMoeDsaForCausalLM", "glm_moe_dsa", kPreNorms, kMla, kSharedMoe, kSometimes, kShared},
    {"GlmForCausalLM", "glm", kPreNorms, kGqa, kFusedDense},
    {"Glm4ForCausalLM", "glm4", kSandwichNorms, kGqa, kFusedDense},
    {"Glm4MoeForCausalLM", "glm4_moe", kPreNorms, kGqa, kSharedMoe, kSometimes, kShared},
    {"GptOssForCausalLM", "gpt_oss", kPreNorms, kSinkGqa, kMoe, kAlways,
     kQkvBias | kInFirst | kInterleaved},
    {"Llama4ForCausalLM", "llama4_text", kPreNorms, kGqa, kSharedMoe, kSometimes,
     kShared | kInFirst},
    {"Llama4ForConditionalGeneration", "llama4", kPreNorms, kGqa, kSharedMoe, kSometimes,
     kShared | kInFirst},
    {"NemotronHForCausalLM", "nemotron_h", kOneNorm, kNemotronH, {}, kSometimes},
};
// clang-format on

}  // namespace

const Family* find_family(std::string_view architecture) {
  for (const Family& family : kFamilies)
    if (family.architecture == architecture) return &family;
  return nullptr;
}

const Family* find_family_of_type(std::string_view model_type) {
  for (const Family& family : kFamilies)
    if (family.model_type == model_type) return &family;
  return nullptr;
}

}  // namespace imp::model
