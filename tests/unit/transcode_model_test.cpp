// The model once weights are quantised anew: which tensors it has, in which order and of which
// form, what became of those they replace, what stays as it was.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "tests/unit/transcode_run.h"

namespace imp::testing {
namespace {

using artifact::ComponentKind;
using model::Disposition;
using model::PlaneSet;
using model::SourceTensor;
using model::Weight;

constexpr const char* kMoe = "other-bf16-qwen3next";
const std::string kLayer = "model.layers.0.";
const std::string kExperts = kLayer + "mlp.experts.";

std::vector<std::string> names_of(const model::Model& model, const PlaneSet& set) {
  std::vector<std::string> names;
  for (const uint32_t t : set.tensors) names.push_back(model.source.tensors[t].name);
  return names;
}

/// "name DTYPE [shape]" of the tensors of a plane; empty if there is no such plane.
std::vector<std::string> forms_of(const model::Model& model, const Weight& weight,
                                  ComponentKind kind) {
  std::vector<std::string> forms;
  if (const PlaneSet* set = weight.find(kind))
    for (const uint32_t t : set->tensors) {
      const SourceTensor& tensor = model.source.tensors[t];
      forms.push_back(tensor.name + " " + std::string(dtype_name(tensor.dtype)) + " " +
                      tensor.shape.to_string());
      EXPECT_EQ(tensor.disposition, Disposition::kConverted) << tensor.name;
    }
  return forms;
}

using Forms = std::vector<std::string>;

const SourceTensor& only(const model::Model& model, const std::string& name,
                         Disposition disposition) {
  const SourceTensor* found = nullptr;
  for (const SourceTensor& t : model.source.tensors)
    if (t.name == name && t.disposition == disposition) {
      EXPECT_EQ(found, nullptr) << name << " twice";
      found = &t;
    }
  if (found == nullptr) throw std::runtime_error("no " + name);
  return *found;
}

TEST(TranscodedModel, ExpertsOfTheirOwnAsModelOptHoldsThem) {
  Imported imported(kMoe);
  ASSERT_TRUE(transcode_model(imported, {"layers\\.0\\..*experts.*down_proj=nvfp4"}).ok());
  const model::Model& model = *imported.model;
  const Weight& weight = *imported.find(kExperts + "*.down_proj");
  EXPECT_EQ(weight.scheme, model::Scheme::kNvfp4);
  EXPECT_EQ(weight.group_size, 16u);
  EXPECT_EQ(weight.group_rows, 1u);
  EXPECT_EQ(weight.dtype, Dtype::kU8);
  EXPECT_EQ(weight.shape, (Shape{64, 16}));
  EXPECT_EQ(weight.n, 64u);
  EXPECT_EQ(weight.k, 32u);
  EXPECT_EQ(weight.why, "transcoded from bf16 to nvfp4");
  const std::string e0 = kExperts + "0.down_proj.", e1 = kExperts + "1.down_proj.";
  EXPECT_EQ(forms_of(model, weight, ComponentKind::kCodes),
            (Forms{e0 + "weight U8 [64, 16]", e1 + "weight U8 [64, 16]"}));
  EXPECT_EQ(forms_of(model, weight, ComponentKind::kBlockScale),
            (Forms{e0 + "weight_scale F8_E4M3 [64, 2]", e1 + "weight_scale F8_E4M3 [64, 2]"}));
  EXPECT_EQ(forms_of(model, weight, ComponentKind::kMultiplier),
            (Forms{e0 + "weight_scale_2 F32 []", e1 + "weight_scale_2 F32 []"}));
  ASSERT_EQ(weight.multipliers.size(), 2u);
  CheckpointEditor source(kMoe);
  for (const int e : {0, 1}) {
    float amax = 0;
    for (const float v :
         floats_of(source.tensor(kExperts + std::to_string(e) + ".down_proj.weight")))
      amax = std::max(amax, std::fabs(v));
    EXPECT_EQ(weight.multipliers[e].bits, std::bit_cast<uint32_t>(amax / (6.0f * 448.0f)));
    EXPECT_EQ(weight.multipliers[e].state, artifact::ScalarState::kMultiplier);
  }
  const SourceTensor& old = only(model, e0 + "weight", Disposition::kIgnored);
  EXPECT_EQ(old.dtype, Dtype::kBF16);
  EXPECT_EQ(old.reason, "transcoded to nvfp4");
}

TEST(TranscodedModel, SpellingAndDtypesOfEachTarget) {
  const std::string name = kLayer + "linear_attn.out_proj", at = name + ".";
  struct Case {
    const char* target;
    model::Scheme scheme;
    Forms codes, scales, globals;
    uint32_t group;
  };
  const Case cases[] = {
      {"nvfp4",
       model::Scheme::kNvfp4,
       {at + "weight U8 [64, 32]"},
       {at + "weight_scale F8_E4M3 [64, 4]"},
       {at + "weight_scale_2 F32 []"},
       16},
      {"nvfp4-ct",
       model::Scheme::kNvfp4,
       {at + "weight_packed U8 [64, 32]"},
       {at + "weight_scale F8_E4M3 [64, 4]"},
       {at + "weight_global_scale F32 []"},
       16},
      {"mxfp4",
       model::Scheme::kMxfp4,
       {at + "weight U8 [64, 32]"},
       {at + "weight_scale U8 [64, 2]"},
       {},
       32},
      {"mxfp4-ct",
       model::Scheme::kMxfp4,
       {at + "weight_packed U8 [64, 32]"},
       {at + "weight_scale U8 [64, 2]"},
       {},
       32},
      {"int8",
       model::Scheme::kInt8,
       {at + "weight I8 [64, 64]"},
       {at + "weight_scale F32 [64, 1]"},
       {},
       64},
      {"fp8",
       model::Scheme::kFp8,
       {at + "weight F8_E4M3 [64, 64]"},
       {at + "weight_scale F32 [64, 1]"},
       {},
       64},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.target);
    Imported imported(kMoe);
    ASSERT_TRUE(
        transcode_model(imported, {"layers\\.0\\..*out_proj=" + std::string(c.target)}).ok());
    const Weight& weight = *imported.find(name);
    EXPECT_EQ(weight.scheme, c.scheme);
    EXPECT_EQ(weight.group_size, c.group);
    EXPECT_FALSE(weight.activations_8bit);
    EXPECT_EQ(forms_of(*imported.model, weight, ComponentKind::kCodes), c.codes);
    EXPECT_EQ(forms_of(*imported.model, weight, ComponentKind::kBlockScale), c.scales);
    EXPECT_EQ(forms_of(*imported.model, weight, ComponentKind::kMultiplier), c.globals);
    EXPECT_EQ(weight.multipliers.size(), c.globals.size());
    for (const model::Scalar& scalar : weight.multipliers)
      EXPECT_EQ(scalar.state, std::string(c.target) == "nvfp4-ct"
                                  ? artifact::ScalarState::kDivisor
                                  : artifact::ScalarState::kMultiplier);
    EXPECT_EQ(weight.find(ComponentKind::kCodes)->encoding, std::string(c.target) == "int8"
                                                                ? quant::Encoding::kSignedBytes
                                                                : quant::Encoding::kRows);
  }
}

/// What a tensor was before its model was transcoded.
struct Seen {
  uint64_t offset_bytes, size_bytes;
  Dtype dtype;
  Shape shape;
  bool operator==(const Seen&) const = default;
};
Seen seen(const SourceTensor& t) { return {t.offset_bytes, t.size_bytes, t.dtype, t.shape}; }

TEST(TranscodedModel, ComputedTensorsStandBehindTheirLastSource) {
  Imported before(kMoe), imported(kMoe);
  ASSERT_TRUE(transcode_model(imported, {"layers\\.0\\..*experts.*down_proj=nvfp4-ct"}).ok());
  const auto& was = before.model->source.tensors;
  const auto& tensors = imported.model->source.tensors;
  const std::string last = kExperts + "1.down_proj.weight";
  Forms made;
  size_t old = 0;
  for (const SourceTensor& t : tensors) {
    if (t.made == nullptr) {
      ASSERT_LT(old, was.size());
      EXPECT_EQ(t.name, was[old].name);
      EXPECT_EQ(seen(t), seen(was[old]));
      ++old;
      continue;
    }
    EXPECT_EQ(was[old - 1].name, last) << t.name;
    EXPECT_EQ(tensors[t.made->made_from()].name, last);
    EXPECT_EQ(t.offset_bytes, was[old - 1].offset_bytes);
    made.push_back(t.name);
  }
  EXPECT_EQ(old, was.size());
  Forms want;
  for (const char* expert : {"0", "1"})
    for (const char* suffix : {"weight_packed", "weight_scale", "weight_global_scale"})
      want.push_back(kExperts + expert + ".down_proj." + suffix);
  EXPECT_EQ(made, want);
}

TEST(TranscodedModel, OtherWeightsKeepTheirTensors) {
  Imported before(kMoe), imported(kMoe);
  ASSERT_TRUE(transcode_model(imported, {"layers\\.0\\..*down_proj=int8", "out_proj=fp8"}).ok());
  size_t changed = 0;
  for (const Weight& was : before.model->weights) {
    const Weight* now = imported.find(was.name);
    ASSERT_NE(now, nullptr) << was.name;
    if (now->why.starts_with("transcoded")) {
      ++changed;
      continue;
    }
    ASSERT_EQ(now->planes.size(), was.planes.size()) << was.name;
    for (size_t p = 0; p < was.planes.size(); ++p)
      EXPECT_EQ(names_of(*imported.model, now->planes[p]), names_of(*before.model, was.planes[p]))
          << was.name;
  }
  EXPECT_EQ(changed, imported.model->transcoded.size());
  EXPECT_GE(changed, 3u);
}

/// The experts of one projection as one tensor [E, N, K] of that name.
void stack_experts(CheckpointEditor& editor, const std::string& projection) {
  EditedTensor stack{kExperts + projection, "BF16", {}, ""};
  for (const char* expert : {"0.", "1."}) {
    const std::string name = kExperts + expert + projection + ".weight";
    const EditedTensor& tensor = editor.tensor(name);
    stack.shape = {2, tensor.shape[0], tensor.shape[1]};
    stack.bytes += tensor.bytes;
    editor.remove(name);
  }
  editor.add(stack);
}

TEST(TranscodedModel, AStackStaysOneTensorOfEachKind) {
  CheckpointEditor editor(kMoe);
  stack_experts(editor, "down_proj");
  const std::string name = kExperts + "down_proj";
  for (const std::string target : {"nvfp4", "nvfp4-ct"}) {
    Imported imported(editor);
    ASSERT_TRUE(transcode_model(imported, {"layers\\.0\\..*experts.*down_proj=" + target}).ok());
    const Weight& weight = *imported.find(name);
    ASSERT_TRUE(weight.stacked);
    EXPECT_EQ(weight.shape, (Shape{64, 16}));
    EXPECT_EQ(forms_of(*imported.model, weight, ComponentKind::kCodes),
              Forms{name + " U8 [2, 64, 16]"});
    EXPECT_EQ(forms_of(*imported.model, weight, ComponentKind::kBlockScale),
              Forms{name + "_weight_scale F8_E4M3 [2, 64, 2]"});
    EXPECT_EQ(forms_of(*imported.model, weight, ComponentKind::kMultiplier),
              Forms{name + (target == "nvfp4" ? "_weight_scale_2 F32 [2]"
                                              : "_weight_global_scale F32 [2]")});
    EXPECT_EQ(weight.multipliers.size(), 2u);
  }
}

// By the ending imp-unpack knows that the hub has the values transposed.
TEST(TranscodedModel, AStackOfBlocksKeepsItsName) {
  Imported imported("other-mxfp4-gptoss");
  ASSERT_TRUE(transcode_model(imported, {"layers\\.0\\..*experts.*down_proj=int8"}).ok());
  const std::string name = kExperts + "down_proj";
  const Weight& weight = *imported.find(name);
  EXPECT_EQ(forms_of(*imported.model, weight, ComponentKind::kCodes),
            Forms{name + "_blocks I8 [4, 64, 96]"});
  EXPECT_EQ(forms_of(*imported.model, weight, ComponentKind::kBlockScale),
            Forms{name + "_blocks_weight_scale F32 [4, 64, 1]"});
  for (const char* ending : {"_blocks", "_scales"})
    EXPECT_EQ(only(*imported.model, name + ending, Disposition::kIgnored).reason,
              "transcoded to int8");
  EXPECT_EQ(forms_of(*imported.model, weight, ComponentKind::kBias).size(), 1u);
}

TEST(TranscodedModel, WhatIsNoPartOfTheCodesStays) {
  struct Case {
    const char* fixture;
    std::string module;
    ComponentKind kind;
    const char* suffix;
  };
  const Case cases[] = {
      {"modelopt-nvfp4-llama-odd", kLayer + "mlp.up_proj", ComponentKind::kBias, ".bias"},
      {"modelopt-nvfp4-llama-odd", kLayer + "mlp.up_proj", ComponentKind::kInputScale,
       ".input_scale"},
      {"modelopt-other-nvfp4svd-llama", kLayer + "mlp.up_proj", ComponentKind::kKScale,
       ".pre_quant_scale"},
      {"modelopt-other-nvfp4svd-llama", kLayer + "mlp.up_proj", ComponentKind::kSvdA,
       ".weight_quantizer._svdquant_lora_a"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.module + c.suffix);
    Imported before(c.fixture), imported(c.fixture);
    ASSERT_TRUE(transcode_model(imported, {"layers\\.0\\..*up_proj=int8"}).ok());
    const Weight& weight = *imported.find(c.module);
    const PlaneSet* kept = weight.find(c.kind);
    ASSERT_NE(kept, nullptr);
    EXPECT_EQ(names_of(*imported.model, *kept), Forms{c.module + c.suffix});
    EXPECT_EQ(weight.input_scales, before.find(c.module)->input_scales);
    EXPECT_EQ(weight.k_scales, before.find(c.module)->k_scales);
    EXPECT_TRUE(weight.multipliers.empty());
    EXPECT_EQ(weight.find(ComponentKind::kMultiplier), nullptr);
    for (const char* old : {".weight_scale", ".weight_scale_2"})
      EXPECT_EQ(only(*imported.model, c.module + old, Disposition::kIgnored).reason,
                "transcoded to int8");
  }
}

TEST(TranscodedModel, ActOrderGoesWithTheCodes) {
  Imported imported("ct-v012-w4a16asym-g32-actordergroup-llama-small");
  const std::string module = kLayer + "mlp.up_proj";
  ASSERT_FALSE(imported.find(module)->k_gather.empty());
  ASSERT_TRUE(transcode_model(imported, {"layers\\.0\\..*up_proj=nvfp4"}).ok());
  const Weight& weight = *imported.find(module);
  EXPECT_TRUE(weight.k_gather.empty());
  for (const ComponentKind gone : {ComponentKind::kGroupIndex, ComponentKind::kZeroPoint})
    EXPECT_EQ(weight.find(gone), nullptr);
  EXPECT_EQ(only(*imported.model, module + ".weight_g_idx", Disposition::kIgnored).reason,
            "transcoded to nvfp4");
}

TEST(TranscodedModel, EmbeddingsRoutersAndLatentAttentionAreNotMeant) {
  Imported imported(kMoe);
  const std::string as_mla = kLayer + "linear_attn.out_proj";
  for (Weight& weight : imported.model->weights)
    if (weight.name == as_mla) weight.role = model::Role::kMlaKvB;
  ASSERT_TRUE(transcode_model(imported, {".*=int8"}).ok());
  size_t untouched = 0;
  for (const Weight& weight : imported.model->weights) {
    const bool meant = weight.gemm && weight.role != model::Role::kTokenEmbedding &&
                       weight.role != model::Role::kRouter && weight.name != as_mla;
    EXPECT_EQ(weight.scheme == model::Scheme::kInt8, meant) << weight.name;
    untouched += weight.role == model::Role::kRouter ||
                 weight.role == model::Role::kTokenEmbedding || weight.name == as_mla;
  }
  EXPECT_GE(untouched, 3u);
}

TEST(TranscodedModel, TheFirstRuleThatMatchesCounts) {
  Imported imported(kMoe);
  ASSERT_TRUE(
      transcode_model(imported, {"layers\\.0\\..*shared_expert\\.up=fp8", "up_proj=int8"}).ok());
  EXPECT_EQ(imported.find(kLayer + "mlp.shared_expert.up_proj")->scheme, model::Scheme::kFp8);
  EXPECT_EQ(imported.find(kExperts + "*.up_proj")->scheme, model::Scheme::kInt8);
}

TEST(TranscodedModel, NoRuleChangesNothing) {
  Imported before(kMoe), imported(kMoe);
  ASSERT_TRUE(transcode_model(imported, {}).ok());
  EXPECT_EQ(imported.model->source.tensors.size(), before.model->source.tensors.size());
  EXPECT_TRUE(imported.model->transcoded.empty());
}

}  // namespace
}  // namespace imp::testing
