// --include and --exclude: what goes, why, and what stays consistent.
#include <gtest/gtest.h>

#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

using testing::Imported;

constexpr const char* kMoe = "modelopt-nvfp4-qwen2moe";

size_t count(const Model& model, Disposition disposition) {
  return static_cast<size_t>(
      std::count_if(model.source.tensors.begin(), model.source.tensors.end(),
                    [&](const SourceTensor& t) { return t.disposition == disposition; }));
}

const SourceTensor& tensor(const Model& model, std::string_view name) {
  for (const SourceTensor& t : model.source.tensors)
    if (t.name == name) return t;
  throw std::runtime_error("no tensor " + std::string(name));
}

TEST(Select, NothingAskedNothingChanged) {
  Imported imported(kMoe);
  ASSERT_TRUE(imported.ok());
  const size_t weights = imported.model->weights.size();
  ASSERT_TRUE(select_weights(*imported.model, {}, {}).ok());
  EXPECT_EQ(imported.model->weights.size(), weights);
  EXPECT_EQ(count(*imported.model, Disposition::kIgnored), 0u);
}

TEST(Select, ExcludedTensorsAreIgnoredWithTheReason) {
  Imported imported(kMoe);
  ASSERT_TRUE(imported.ok());
  Model& model = *imported.model;
  ASSERT_TRUE(
      select_weights(model, {}, {"layers\\.1\\..*experts\\.\\*\\.up_proj", "lm_head"}).ok());
  // Four experts of four tensors, and the head.
  EXPECT_EQ(count(model, Disposition::kIgnored), 17u);
  const SourceTensor& scale = tensor(model, "model.layers.1.mlp.experts.3.up_proj.weight_scale");
  EXPECT_EQ(scale.disposition, Disposition::kIgnored);
  EXPECT_EQ(scale.reason, "excluded by --exclude 'layers\\.1\\..*experts\\.\\*\\.up_proj'");
  EXPECT_EQ(tensor(model, "lm_head.weight").reason, "excluded by --exclude 'lm_head'");
  EXPECT_EQ(tensor(model, "model.layers.0.mlp.experts.3.up_proj.weight").disposition,
            Disposition::kConverted);
  EXPECT_EQ(imported.find("lm_head"), nullptr);
  for (const FusionGroup& group : model.groups) {
    EXPECT_NE(group.name, "model.layers.1.mlp.experts.*.gate_up_proj") << "a group of one is none";
    for (const uint32_t w : group.weights) ASSERT_LT(w, model.weights.size());
  }
  EXPECT_EQ(model.groups.size(), 5u);
}

TEST(Select, OnlyWhatIsIncluded) {
  Imported imported(kMoe);
  ASSERT_TRUE(imported.ok());
  Model& model = *imported.model;
  ASSERT_TRUE(select_weights(model, {"self_attn\\.[qk]_proj$"}, {}).ok());
  EXPECT_EQ(model.weights.size(), 4u);
  EXPECT_EQ(count(model, Disposition::kConverted), 4u * 5) << "weight, three scales, bias";
  EXPECT_EQ(tensor(model, "model.norm.weight").reason, "matches no --include");
  ASSERT_EQ(model.groups.size(), 2u);
  EXPECT_EQ(model.weights[model.groups[0].weights[0]].name, "model.layers.0.self_attn.q_proj");
  EXPECT_EQ(model.weights[model.groups[0].weights[1]].name, "model.layers.0.self_attn.k_proj");
}

TEST(Select, ExcludeWinsOverInclude) {
  Imported imported(kMoe);
  ASSERT_TRUE(imported.ok());
  ASSERT_TRUE(select_weights(*imported.model, {"layers\\.0\\.", "lm_head"}, {"self_attn"}).ok());
  EXPECT_EQ(tensor(*imported.model, "model.layers.0.self_attn.q_proj.bias").reason,
            "excluded by --exclude 'self_attn'");
  EXPECT_EQ(tensor(*imported.model, "model.layers.1.self_attn.q_proj.bias").reason,
            "excluded by --exclude 'self_attn'");
  EXPECT_EQ(tensor(*imported.model, "model.layers.1.mlp.gate.weight").reason,
            "matches no --include");
  EXPECT_EQ(tensor(*imported.model, "lm_head.weight").disposition, Disposition::kCopied);
}

TEST(Select, PatternsAreRegularExpressionsOfPartOfTheName) {
  Imported imported(kMoe);
  ASSERT_TRUE(imported.ok());
  ASSERT_TRUE(select_weights(*imported.model, {}, {"^norm", "ROUTER"}).ok());
  EXPECT_EQ(count(*imported.model, Disposition::kIgnored), 0u) << "anchored, and case-sensitive";
}

TEST(Select, BrokenPatternsAreUsage) {
  for (const bool include : {true, false}) {
    Imported imported(kMoe);
    ASSERT_TRUE(imported.ok());
    const std::vector<std::string> broken = {"lm_head", "(oops"};
    const Status status = include ? select_weights(*imported.model, broken, {})
                                  : select_weights(*imported.model, {}, broken);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kUsage);
    EXPECT_NE(status.error().message.find(include ? "--include '(oops'" : "--exclude '(oops'"),
              std::string::npos)
        << status.error().message;
  }
}

TEST(Select, NothingLeftIsUsage) {
  Imported imported(kMoe);
  ASSERT_TRUE(imported.ok());
  const Status status = select_weights(*imported.model, {"no such module"}, {});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kUsage);
  EXPECT_NE(status.error().message.find("leave no tensor"), std::string::npos);
}

}  // namespace
}  // namespace imp::model
