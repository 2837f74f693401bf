// What the canonical model keeps: absence as absence, differing multipliers, groups, names of other
// packagings.
#include <gtest/gtest.h>

#include <bit>

#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

using testing::CheckpointEditor;
using testing::Imported;

constexpr const char* kLlama = "modelopt-nvfp4-compress-llama";
constexpr const char* kMoe = "modelopt-nvfp4-qwen3moe";

std::vector<std::string> groups_of(const Model& model) {
  std::vector<std::string> lines;
  for (const FusionGroup& group : model.groups) {
    std::string line = group.name + " (" + std::string(role_name(group.role)) + "):";
    for (const uint32_t w : group.weights)
      line += " " + model.weights[w].name.substr(model.weights[w].name.rfind('.') + 1);
    lines.push_back(line);
  }
  return lines;
}

TEST(InputScales, OneExpertWithoutStaysWithout) {
  CheckpointEditor editor(kMoe);
  editor.remove("model.layers.0.mlp.experts.2.up_proj.input_scale");
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight& up = *imported.find("model.layers.0.mlp.experts.*.up_proj");
  ASSERT_EQ(up.input_scales.size(), 4u);
  for (size_t e = 0; e < 4; ++e)
    EXPECT_EQ(up.input_scales[e].state, e == 2 ? ScalarState::kAbsent : ScalarState::kMultiplier)
        << e;
  EXPECT_EQ(up.input_scales[2].bits, 0u);
  EXPECT_EQ(up.find(ComponentKind::kInputScale)->tensors[2], kNone);
  EXPECT_NE(up.find(ComponentKind::kInputScale)->tensors[3], kNone);
  EXPECT_EQ(up.multipliers.size(), 4u);
}

TEST(InputScales, NowhereIsWeightOnly) {
  CheckpointEditor editor(kMoe);
  for (int e = 0; e < 4; ++e)
    editor.remove("model.layers.0.mlp.experts." + std::to_string(e) + ".up_proj.input_scale");
  editor.remove("model.layers.0.self_attn.o_proj.input_scale");
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  for (const char* name :
       {"model.layers.0.mlp.experts.*.up_proj", "model.layers.0.self_attn.o_proj"}) {
    const Weight& weight = *imported.find(name);
    EXPECT_TRUE(weight.input_scales.empty()) << name;
    EXPECT_EQ(weight.find(ComponentKind::kInputScale), nullptr) << name;
  }
}

TEST(Multipliers, DifferBetweenExpertsAndParts) {
  CheckpointEditor editor(kMoe);
  for (int e = 0; e < 4; ++e)
    editor.set_f32_bits(
        "model.layers.0.mlp.experts." + std::to_string(e) + ".down_proj.weight_scale_2",
        0x3A000000u + static_cast<uint32_t>(e));
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const Weight& down = *imported.find("model.layers.0.mlp.experts.*.down_proj");
  for (uint32_t e = 0; e < 4; ++e)
    EXPECT_EQ(down.multipliers[e], (Scalar{0x3A000000u + e, ScalarState::kMultiplier}));
  EXPECT_EQ(down.experts, 4u);
  EXPECT_EQ(down.n, 128u);
  EXPECT_EQ(down.k, 64u);
  EXPECT_EQ(down.shape, Shape({128, 32}));
  EXPECT_EQ(down.layer, 0u);
  EXPECT_TRUE(down.gemm);
}

TEST(KvScales, AreValuesOfTheirOwn) {
  const Imported imported("modelopt-nvfp4-kvfp8-llama");
  ASSERT_TRUE(imported.ok());
  const Weight* scale = imported.find("model.layers.1.self_attn.v_proj.v_scale");
  ASSERT_NE(scale, nullptr);
  EXPECT_EQ(scale->role, Role::kKvVScale);
  EXPECT_FALSE(scale->gemm);
  EXPECT_EQ(scale->scheme, Scheme::kF32);
  EXPECT_EQ(scale->shape, Shape()) << "rank as in the source";
  EXPECT_EQ(scale->planes.size(), 1u);
  EXPECT_EQ(imported.find("model.layers.1.self_attn.v_proj")->planes.size(), 4u)
      << "and no part of the GEMM";
}

TEST(Groups, OfADenseModel) {
  const Imported imported(kLlama);
  ASSERT_TRUE(imported.ok());
  EXPECT_EQ(groups_of(*imported.model),
            (std::vector<std::string>{
                "model.layers.0.self_attn.qkv_proj (attn_qkv): q_proj k_proj v_proj",
                "model.layers.0.mlp.gate_up_proj (ffn_gate_up): gate_proj up_proj"}));
}

TEST(Groups, OfAMixtureOfExperts) {
  const Imported imported("modelopt-nvfp4-qwen2moe");
  ASSERT_TRUE(imported.ok());
  const auto groups = groups_of(*imported.model);
  ASSERT_EQ(groups.size(), 6u);
  EXPECT_EQ(groups[0], "model.layers.0.self_attn.qkv_proj (attn_qkv): q_proj k_proj v_proj");
  EXPECT_EQ(groups[1],
            "model.layers.0.mlp.experts.*.gate_up_proj (expert_gate_up): gate_proj up_proj");
  EXPECT_EQ(groups[2],
            "model.layers.0.mlp.shared_expert.gate_up_proj (shared_gate_up): gate_proj up_proj");
}

TEST(Names, PrefixesOfMultimodalPackagingsMeanTheSame) {
  const Imported plain(kLlama);
  ASSERT_TRUE(plain.ok());
  for (const char* prefix : {"model.language_model.", "language_model.model."}) {
    CheckpointEditor editor(kLlama);
    editor.rename_prefix("model.", prefix);
    editor.rename("lm_head.weight", "language_model.lm_head.weight");
    const Imported imported(editor);
    ASSERT_TRUE(imported.ok()) << imported.error_line();
    ASSERT_EQ(imported.model->weights.size(), plain.model->weights.size());
    for (size_t w = 0; w < plain.model->weights.size(); ++w)
      EXPECT_EQ(imported.model->weights[w].name, plain.model->weights[w].name);
    EXPECT_TRUE(imported.log.warnings.empty()) << imported.log.warnings[0];
    bool any = false;
    for (const SourceTensor& t : imported.model->source.tensors)
      any = any || t.name == std::string(prefix) + "norm.weight";
    EXPECT_TRUE(any) << "the source keeps its own names";
  }
}

TEST(Shards, DoNotMatter) {
  const Imported imported("modelopt-nvfp4-sharded-llama");
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.model->source.files.size(), 5u);
  const Weight& q = *imported.find("model.layers.0.self_attn.q_proj");
  EXPECT_EQ(q.planes.size(), 4u);
  EXPECT_EQ(imported.model->groups.size(), 4u);
}

TEST(Shards, AModuleMayStraddleTwo) {
  CheckpointEditor editor("modelopt-nvfp4-sharded-llama");
  editor.tensor("model.layers.0.self_attn.q_proj.weight_scale_2").shard =
      "model-00005-of-00005.safetensors";
  editor.tensor("model.layers.0.self_attn.q_proj.weight").shard =
      "model-00001-of-00005.safetensors";
  const Imported moved(editor);
  ASSERT_TRUE(moved.ok()) << moved.error_line();
  const Imported unmoved("modelopt-nvfp4-sharded-llama");
  EXPECT_EQ(moved.find("model.layers.0.self_attn.q_proj")->multipliers,
            unmoved.find("model.layers.0.self_attn.q_proj")->multipliers);
}

TEST(Import, ASlashBehindTheFolderIsNothing) {
  CollectingLog log;
  const auto model = import_checkpoint(std::filesystem::path(IMP_TEST_DATA) / kLlama / "", {}, log);
  ASSERT_TRUE(model.ok()) << model.error().to_line();
  EXPECT_EQ(model->source.folder, std::filesystem::path(IMP_TEST_DATA) / kLlama);
}

}  // namespace
}  // namespace imp::model
