// Tensor names: prefixes, layers, experts, suffixes.
#include <gtest/gtest.h>

#include <algorithm>

#include "src/model/names.h"

namespace imp::model {
namespace {

constexpr uint32_t kNoNumber = 0xFFFFFFFFu;

struct Rename {
  const char* from;
  const char* to;
};

// Checkpoint formats, section 7.1.
constexpr Rename kPrefixes[] = {
    {"model.layers.0.mlp.up_proj", "model.layers.0.mlp.up_proj"},
    {"model.language_model.layers.0.mlp.up_proj", "model.layers.0.mlp.up_proj"},
    {"model.language_model.embed_tokens", "model.embed_tokens"},
    {"model.language_model.norm", "model.norm"},
    {"language_model.model.layers.0.mlp.up_proj", "model.layers.0.mlp.up_proj"},
    {"language_model.model.embed_tokens", "model.embed_tokens"},
    {"language_model.model.norm", "model.norm"},
    {"language_model.layers.3.self_attn*", "model.layers.3.self_attn*"},
    {"language_model.embed_tokens", "model.embed_tokens"},
    {"language_model.norm", "model.norm"},
    {"language_model.lm_head", "lm_head"},
    {"model.lm_head", "lm_head"},
    {"model.language_model.lm_head", "lm_head"},
    {"lm_head", "lm_head"},
    {"backbone.layers.1.mixer.in_proj", "model.layers.1.mixer.in_proj"},
    {"backbone.embeddings", "model.embed_tokens"},
    {"backbone.norm_f", "model.norm"},
    // Native files of Mistral and DeepSeek.
    {"layers.4.attention.wq", "model.layers.4.attention.wq"},
    {"layers.4.ffn.experts", "model.layers.4.ffn.experts"},
    {"tok_embeddings", "model.embed_tokens"},
    {"embed", "model.embed_tokens"},
    {"embed.weight", "model.embed_tokens.weight"},
    {"head", "lm_head"},
    {"output.weight", "lm_head.weight"},
    {"norm.weight", "model.norm.weight"},
    {"embed_tokens.weight", "model.embed_tokens.weight"},
    // Wrappers.
    {"model.layers.0.mlp.up_proj.base_layer.weight", "model.layers.0.mlp.up_proj.weight"},
    {"_orig_mod.model.layers.0.mlp", "model.layers.0.mlp"},
    {"module.model.norm", "model.norm"},
    {"model._fsdp_wrapped_module.layers.0._fsdp_wrapped_module.mlp", "model.layers.0.mlp"},
    // Patterns.
    {"layers*", "model.layers*"},
    {"head*", "lm_head*"},
    {"backbone.*", "model.*"},
    // Only a whole prefix, and only once.
    {"model.language_models.layers.0", "model.language_models.layers.0"},
    {"xlanguage_model.model.norm", "xlanguage_model.model.norm"},
    {"model.language_model.language_model.model.norm", "model.language_model.model.norm"},
    {"layers2.norm", "layers2.norm"},
    {"header.weight", "header.weight"},
    {"output_layer", "output_layer"},
    {"modules.weight", "modules.weight"},
    // Towers stay.
    {"model.visual.blocks.0.attn.qkv", "model.visual.blocks.0.attn.qkv"},
    {"vision_tower.encoder.layers.0.norm", "vision_tower.encoder.layers.0.norm"},
    {"", ""},
};

TEST(Names, PrefixesAreNormalised) {
  for (const Rename& row : kPrefixes) EXPECT_EQ(normalise_prefix(row.from), row.to) << row.from;
}

TEST(Names, NormalisingTwiceIsNormalisingOnce) {
  for (const Rename& row : kPrefixes)
    if (std::string(row.from) != "model.language_model.language_model.model.norm") {
      EXPECT_EQ(normalise_prefix(row.to), row.to);
    }
}

TEST(Names, WrappersAreSeen) {
  EXPECT_TRUE(has_wrapper_segment("model.layers.0.mlp.up_proj.base_layer.weight"));
  EXPECT_TRUE(has_wrapper_segment("_orig_mod.lm_head.weight"));
  EXPECT_FALSE(has_wrapper_segment("model.layers.0.mlp.up_proj.weight"));
  EXPECT_FALSE(has_wrapper_segment("model.base_layers.weight"));
}

TEST(Names, OtherSpellingsAreThoseThatNormaliseToTheName) {
  for (const char* name :
       {"model.layers.3.mlp.up_proj", "lm_head", "model.embed_tokens", "model.norm"}) {
    const auto spellings = other_spellings(name);
    EXPECT_FALSE(spellings.empty()) << name;
    for (const std::string& spelling : spellings) {
      EXPECT_EQ(normalise_prefix(spelling), name) << spelling;
      EXPECT_NE(spelling, name);
    }
  }
  const auto list = other_spellings("model.layers.3.mlp.up_proj");
  for (const char* wanted :
       {"model.language_model.layers.3.mlp.up_proj", "language_model.model.layers.3.mlp.up_proj",
        "language_model.layers.3.mlp.up_proj", "backbone.layers.3.mlp.up_proj",
        "layers.3.mlp.up_proj"})
    EXPECT_NE(std::find(list.begin(), list.end(), wanted), list.end()) << wanted;
  EXPECT_TRUE(other_spellings("model.visual.blocks.0.attn.qkv").empty());
}

TEST(Names, ATensorOfALayer) {
  const auto name = parse_name("model.layers.12.self_attn.q_proj.weight_scale_2");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->module, "model.layers.12.self_attn.q_proj");
  EXPECT_EQ(name->leaf, "self_attn.q_proj");
  EXPECT_EQ(name->suffix, Suffix::kWeightScale2);
  EXPECT_EQ(name->layer, 12u);
  EXPECT_EQ(name->expert, kNoNumber);
}

TEST(Names, ATensorOfAnExpert) {
  const auto name = parse_name("language_model.model.layers.3.mlp.experts.17.gate_proj.weight");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->module, "model.layers.3.mlp.experts.*.gate_proj");
  EXPECT_EQ(name->leaf, "mlp.experts.*.gate_proj");
  EXPECT_EQ(name->suffix, Suffix::kWeight);
  EXPECT_EQ(name->layer, 3u);
  EXPECT_EQ(name->expert, 17u);
  // Gemma 4 and Mistral have no parent between the layer and its experts.
  const auto bare = parse_name("layers.3.experts.17.w1.weight");
  ASSERT_TRUE(bare.has_value());
  EXPECT_EQ(bare->module, "model.layers.3.experts.*.w1");
  EXPECT_EQ(bare->expert, 17u);
}

TEST(Names, ATensorOfNoLayer) {
  const auto name = parse_name("model.embed_tokens.weight");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->module, "model.embed_tokens");
  EXPECT_EQ(name->leaf, "model.embed_tokens");
  EXPECT_EQ(name->layer, kNoNumber);
  EXPECT_EQ(parse_name("model.lm_head.weight")->module, "lm_head");
}

struct Spelling {
  const char* tensor;
  const char* module;
  Suffix suffix;
};

// Every suffix in every spelling: checkpoint formats, sections 3 to 6.
constexpr Spelling kSpellings[] = {
    {"a.q.weight", "a.q", Suffix::kWeight},
    {"a.q.weight_packed", "a.q", Suffix::kWeightPacked},
    {"a.q.compressed", "a.q", Suffix::kCompressed},
    {"a.q.blocks", "a.q", Suffix::kBlocks},
    {"a.q.scales", "a.q", Suffix::kScales},
    {"a.q.qscale_weight", "a.q", Suffix::kScales},
    {"a.q.weight_scale", "a.q", Suffix::kWeightScale},
    {"a.q.scale", "a.q", Suffix::kScale},
    {"a.q.weight_scale_inv", "a.q", Suffix::kWeightScaleInv},
    {"a.q.weight_scale_2", "a.q", Suffix::kWeightScale2},
    {"a.q.weight_min", "a.q", Suffix::kWeightMin},
    {"a.q.weight_super_scale", "a.q", Suffix::kWeightSuperScale},
    {"a.q.weight_super_min", "a.q", Suffix::kWeightSuperMin},
    {"a.q.weight_global_scale", "a.q", Suffix::kGlobalScale},
    {"a.q.input_scale", "a.q", Suffix::kInputScale},
    {"a.q.activation_scale", "a.q", Suffix::kInputScale},
    {"a.q.qscale_act", "a.q", Suffix::kInputScale},
    {"a.q.input_global_scale", "a.q", Suffix::kInputGlobalScale},
    {"a.q.weight_zero_point", "a.q", Suffix::kWeightZeroPoint},
    {"a.q.input_zero_point", "a.q", Suffix::kInputZeroPoint},
    {"a.q.weight_shape", "a.q", Suffix::kWeightShape},
    {"a.q.shape", "a.q", Suffix::kWeightShape},
    {"a.q.weight_g_idx", "a.q", Suffix::kGroupIndex},
    {"a.q.bitmask", "a.q", Suffix::kBitmask},
    {"a.q.row_offsets", "a.q", Suffix::kRowOffsets},
    {"a.q.pre_quant_scale", "a.q", Suffix::kPreQuantScale},
    {"a.q.weight_quantizer._svdquant_lora_a", "a.q", Suffix::kSvdA},
    {"a.q.weight_quantizer._svdquant_lora_b", "a.q", Suffix::kSvdB},
    {"a.q.svdquant_lora_a", "a.q", Suffix::kSvdA},
    {"a.q.svdquant_lora_b", "a.q", Suffix::kSvdB},
    {"a.k_proj.output_scale", "a.k_proj", Suffix::kOutputScale},
    {"a.q.bias", "a.q", Suffix::kBias},
    // KV caches.
    {"model.layers.0.self_attn.k_proj.k_scale", "model.layers.0.self_attn.k_proj", Suffix::kKScale},
    {"model.layers.0.self_attn.v_proj.v_scale", "model.layers.0.self_attn.v_proj", Suffix::kVScale},
    {"model.layers.0.self_attn.k_scale", "model.layers.0.self_attn", Suffix::kKScale},
    {"model.layers.0.self_attn.v_scale", "model.layers.0.self_attn", Suffix::kVScale},
    {"model.layers.0.self_attn.q_scale", "model.layers.0.self_attn", Suffix::kQScale},
    {"model.layers.0.self_attn.qkv_proj.k_scale", "model.layers.0.self_attn.qkv_proj",
     Suffix::kKScale},
    {"model.layers.0.mixer.k_proj.k_scale", "model.layers.0.mixer.k_proj", Suffix::kKScale},
    {"model.layers.0.self_attn.k_proj.k_bias", "model.layers.0.self_attn.k_proj", Suffix::kKBias},
    {"model.layers.0.self_attn.v_proj.v_bias", "model.layers.0.self_attn.v_proj", Suffix::kVBias},
    {"layers.0.attention.k_fake_quantizer.qscale_act", "model.layers.0.attention", Suffix::kKScale},
    {"layers.0.attention.v_fake_quantizer.qscale_act", "model.layers.0.attention", Suffix::kVScale},
    {"layers.0.attention.wq.qscale_act", "model.layers.0.attention.wq", Suffix::kInputScale},
    // Stacks of experts: an underscore, or nothing for the stack itself.
    {"model.layers.0.mlp.experts.gate_up_proj", "model.layers.0.mlp.experts.gate_up_proj",
     Suffix::kWeight},
    {"model.layers.0.mlp.experts.gate_up_proj_weight_scale",
     "model.layers.0.mlp.experts.gate_up_proj", Suffix::kWeightScale},
    {"model.layers.0.mlp.experts.gate_up_proj_weight_scale_2",
     "model.layers.0.mlp.experts.gate_up_proj", Suffix::kWeightScale2},
    {"model.layers.0.mlp.experts.gate_up_proj_input_scale",
     "model.layers.0.mlp.experts.gate_up_proj", Suffix::kInputScale},
    {"model.layers.0.mlp.experts.gate_up_proj_bias", "model.layers.0.mlp.experts.gate_up_proj",
     Suffix::kBias},
    {"model.layers.0.mlp.experts.down_proj_blocks", "model.layers.0.mlp.experts.down_proj",
     Suffix::kBlocks},
    {"model.layers.0.mlp.experts.down_proj_scales", "model.layers.0.mlp.experts.down_proj",
     Suffix::kScales},
    {"model.layers.0.feed_forward.experts.down_proj",
     "model.layers.0.feed_forward.experts.down_proj", Suffix::kWeight},
    {"model.layers.0.mlp.experts.gate_up_proj.weight_packed",
     "model.layers.0.mlp.experts.gate_up_proj", Suffix::kWeightPacked},
    {"model.layers.0.moe.up_proj.weight_scale_2", "model.layers.0.moe.up_proj",
     Suffix::kWeightScale2},
    // Parameters: no suffix, the whole name is the module.
    {"model.layers.0.self_attn.sinks", "model.layers.0.self_attn.sinks", Suffix::kParameter},
    {"model.layers.0.linear_attn.A_log", "model.layers.0.linear_attn.A_log", Suffix::kParameter},
    {"model.layers.0.linear_attn.dt_bias", "model.layers.0.linear_attn.dt_bias",
     Suffix::kParameter},
    {"model.layers.0.mlp.gate.e_score_correction_bias",
     "model.layers.0.mlp.gate.e_score_correction_bias", Suffix::kParameter},
    {"model.layers.0.mlp.experts.e_score_correction_bias",
     "model.layers.0.mlp.experts.e_score_correction_bias", Suffix::kParameter},
    {"model.layers.0.router.scale", "model.layers.0.router.scale", Suffix::kParameter},
    {"model.layers.0.router.per_expert_scale", "model.layers.0.router.per_expert_scale",
     Suffix::kParameter},
    {"model.layers.0.layer_scalar", "model.layers.0.layer_scalar", Suffix::kParameter},
    {"logit_scale", "logit_scale", Suffix::kParameter},
    {"vision_tower.class_embedding", "vision_tower.class_embedding", Suffix::kParameter},
    // A word that only looks like a suffix.
    {"a.q.weight_scale_3", "a.q.weight_scale_3", Suffix::kParameter},
    {"a.q.my_weight", "a.q.my_weight", Suffix::kParameter},
    {"a.q.qweight", "a.q.qweight", Suffix::kParameter},
    {"a.q.weight_quantizer._scale", "a.q.weight_quantizer._scale", Suffix::kParameter},
    {"model.layers.0.mlp.experts.gate_up_proj_scale_inv",
     "model.layers.0.mlp.experts.gate_up_proj_scale_inv", Suffix::kParameter},
    {"model.layers.0.mlp.experts.gate_up_projection",
     "model.layers.0.mlp.experts.gate_up_projection", Suffix::kParameter},
};

TEST(Names, SuffixesInEverySpelling) {
  for (const Spelling& row : kSpellings) {
    const auto name = parse_name(row.tensor);
    ASSERT_TRUE(name.has_value()) << row.tensor;
    EXPECT_EQ(name->module, row.module) << row.tensor;
    EXPECT_EQ(static_cast<int>(name->suffix), static_cast<int>(row.suffix)) << row.tensor;
    EXPECT_EQ(name->expert, kNoNumber) << row.tensor;
  }
}

TEST(Names, EverySuffixHasASpelling) {
  for (size_t suffix = 0; suffix < kSuffixCount; ++suffix)
    EXPECT_TRUE(std::any_of(std::begin(kSpellings), std::end(kSpellings), [&](const Spelling& row) {
      return static_cast<size_t>(row.suffix) == suffix;
    })) << suffix;
}

// One layer or expert has one name: no leading zeros, no signs, and kNone (2^32 - 1) stays "no
// layer".
TEST(Names, NumbersThatAreNone) {
  for (const char* number : {"00", "01", "-1", "+1", "", "1x", "x", "0x1", " 1", "1 ", "4294967295",
                             "4294967296", "99999999999999999999", "*", "?"}) {
    const std::string text = number;
    EXPECT_FALSE(parse_name("model.layers." + text + ".mlp.up_proj.weight").has_value()) << text;
    EXPECT_FALSE(parse_name("layers." + text + ".attention.wq.weight").has_value()) << text;
    if (text == "x") continue;  // a module of that name
    EXPECT_FALSE(parse_name("model.layers.0.mlp.experts." + text + ".up_proj.weight").has_value())
        << text;
  }
  EXPECT_EQ(parse_name("model.layers.4294967294.mlp.up_proj.weight")->layer, 4294967294u);
  EXPECT_EQ(parse_name("model.layers.0.mlp.experts.4294967294.up_proj.weight")->expert,
            4294967294u);
  EXPECT_EQ(parse_name("model.layers.0.mlp.experts.0.up_proj.weight")->expert, 0u);
}

TEST(Names, WithoutMeaning) {
  for (const char* name : {"", ".", ".weight", "a.", "model.layers.0", "model.layers.0.",
                           "model.layers..weight", "module"})
    EXPECT_FALSE(parse_name(name).has_value()) << name;
}

TEST(Names, TowersAreNoText) {
  for (const char* name :
       {"model.visual.blocks.0.attn.qkv", "visual.patch_embed.proj", "vision_tower.x",
        "model.vision_tower.x", "vision_model.x", "vision_encoder.x", "vision_adapter.x",
        "multi_modal_projector.linear_1", "model.multi_modal_projector.x", "mm_projector.0",
        "model.embed_vision.x", "audio_tower.x", "model.audio_tower.x", "patch_merger.x"})
    EXPECT_TRUE(is_tower(name)) << name;
  for (const char* name : {"model.layers.0.visual.x", "visualx.y", "model.visuals.x", "lm_head"})
    EXPECT_FALSE(is_tower(name)) << name;
  const auto name = parse_name("vision_tower.encoder.layers.3.mlp.experts.0.weight");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->layer, kNoNumber) << "layers of a tower are none of the text model's";
  for (const char* tensor :
       {"model.visual.blocks.0.attn.qkv.weight", "vision_tower.encoder.fc1.weight_scale",
        "vision_tower.experts.0.up_proj.weight"}) {
    EXPECT_EQ(parse_name(tensor)->module, tensor) << "each tensor of a tower is its own";
    EXPECT_EQ(parse_name(tensor)->suffix, Suffix::kParameter);
  }
}

}  // namespace
}  // namespace imp::model
