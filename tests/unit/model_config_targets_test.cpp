// compressed-tensors' configuration: which modules its groups mean.
#include <gtest/gtest.h>

#include "tests/unit/model_ct_section.h"

namespace imp::model {
namespace {

using namespace imp::testing;

json two_groups(json first_targets, json second_targets) {
  json section = section_json();
  section["config_groups"]["group_0"]["targets"] = std::move(first_targets);
  section["config_groups"]["group_1"] = group_json(
      R"({"num_bits": 8, "type": "float", "strategy": "channel"})", R"({"num_bits": 8})");
  section["config_groups"]["group_1"]["targets"] = std::move(second_targets);
  section["format"] = "mixed-precision";
  return section;
}

TEST(CompressedTensorsConfig, ANameGoesBeforeAnExpressionBeforeAClass) {
  for (const auto& [first, second, wins] :
       std::vector<std::tuple<json, json, uint32_t>>{{{"Linear"}, {"re:.*up_proj"}, 8u},
                                                     {{"re:.*up_proj"}, {"Linear"}, 4u},
                                                     {{"re:.*up_proj"}, {kUp}, 8u},
                                                     {{kUp}, {"re:.*up_proj"}, 4u},
                                                     {{kUp}, {"Linear"}, 4u},
                                                     {{"Linear"}, {kUp}, 8u}}) {
    const ReadConfig read(with_section(two_groups(first, second)));
    EXPECT_EQ(read->expect(kUp).bits, wins) << first << second;
    EXPECT_TRUE(read->ambiguous().empty()) << first << second;
  }
}

TEST(CompressedTensorsConfig, T12GroupsWithEqualRight) {
  const ReadConfig read(with_section(two_groups({"re:.*up_proj"}, {"re:.*mlp.*"})));
  EXPECT_EQ(read->expect(kUp).bits, 4u);
  EXPECT_EQ(read->expect("model.layers.0.mlp.down_proj").bits, 8u);
  EXPECT_EQ(read->ambiguous(), std::vector<std::string>{kUp});
  // Two groups of one scheme contradict each other in nothing.
  json same = two_groups({"re:.*up_proj"}, {"re:.*mlp.*"});
  same["config_groups"]["group_1"]["weights"] = same["config_groups"]["group_0"]["weights"];
  const ReadConfig agreeing(with_section(same));
  agreeing->expect(kUp);
  EXPECT_TRUE(agreeing->ambiguous().empty());
}

TEST(CompressedTensorsConfig, ExpressionsMatchFromTheStartOnly) {
  const std::tuple<const char*, const char*, bool> rows[] = {
      {"re:.*self_attn.(q|k|v)_proj$", kQ, true},
      {"re:.*self_attn.(k|v)_proj$", kQ, false},
      {"re:self_attn", kQ, false},                // no search
      {"re:model.layers.0.self_attn", kQ, true},  // no full match
      {"re:model\\.layers\\.0\\.self_attn\\.q_proj", kQ, true},
      {"re:model.language_model.layers.0.self_attn", kQ, true},  // another spelling of the name
      {"re:language_model.model.layers.0", kQ, true},
      {"re:^layers.0", kQ, true},
      {"re:.*visual.*", kQ, false},
      {"re:.*layers.1.*", kQ, false},
      {"re:a|model", kQ, true},  // the anchor holds for every branch
      {"re:a|layer_s", kQ, false},
  };
  for (const auto& [target, module, matches] : rows) {
    json section = section_json();
    section["config_groups"]["group_0"]["targets"] = {target};
    EXPECT_EQ(expect_of(section, module).quantized, matches) << target;
  }
}

TEST(CompressedTensorsConfig, AnExpressionThatCannotBeReadIsAWarning) {
  json section = section_json();
  section["config_groups"]["group_0"]["targets"] = {"re:(?!mtp).*", "Linear"};
  const ReadConfig read(with_section(section));
  ASSERT_EQ(read.log.warnings.size(), 1u);
  EXPECT_NE(read.log.warnings[0].find("target 're:(?!mtp).*' in config.json cannot be read"),
            std::string::npos);
  EXPECT_TRUE(read->expect(kUp).quantized) << "the others stay";
}

// T49: "Linear" without what is ignored is a partition.
TEST(CompressedTensorsConfig, T49TheClassLinear) {
  const ReadConfig read(with_section(section_json()));
  for (const char* module :
       {kUp, kQ, "model.layers.0.mlp.experts.3.up_proj", "model.layers.0.self_attn.kv_b_proj",
        "model.layers.0.mixer.in_proj", "model.layers.0.what.ever", "model.visual.merger.fc1"})
    EXPECT_TRUE(read->expect(module).quantized) << module;
  for (const char* module :
       {"model.embed_tokens", "model.norm", "model.layers.0.mlp.gate",
        "model.layers.0.mlp.shared_expert_gate", "model.layers.0.linear_attn.conv1d",
        "model.layers.0.self_attn.sinks", "model.layers.0.mlp.experts.gate_up_proj"})
    EXPECT_FALSE(read->expect(module).quantized) << module;
}

TEST(CompressedTensorsConfig, TheClassEmbedding) {
  json section = section_json();
  section["config_groups"]["group_0"]["targets"] = {"Linear", "Embedding"};
  const ReadConfig read(with_section(section));
  EXPECT_TRUE(read->expect("model.embed_tokens").quantized);
  EXPECT_TRUE(read->expect(kUp).quantized);
  EXPECT_FALSE(read->expect("model.norm").quantized);
}

TEST(CompressedTensorsConfig, T11IgnoreWinsInEverySpelling) {
  json section = section_json();
  section["ignore"] = {"model.language_model.layers.0.mlp.up_proj", "re:.*visual.*", "LlamaMLP",
                       "nothing"};
  const ReadConfig read(with_section(section));
  EXPECT_FALSE(read->expect(kUp).quantized);
  EXPECT_FALSE(read->expect("model.visual.merger.fc1").quantized);
  EXPECT_TRUE(read->expect(kQ).quantized);
  EXPECT_EQ(read->unmatched(), std::vector<std::string>{"nothing"})
      << "of a class nothing can be missed";
}

TEST(CompressedTensorsConfig, AutoRoundKeepsTheHead) {
  json section = section_json();
  section["ignore"] = json::array();
  EXPECT_TRUE(expect_of(section, "lm_head").quantized);
  section["provider"] = "auto-round";
  EXPECT_FALSE(expect_of(section, "lm_head").quantized);
  EXPECT_TRUE(expect_of(section).quantized);
  section["config_groups"]["group_0"]["targets"] = {"lm_head"};
  EXPECT_TRUE(expect_of(section, "lm_head").quantized) << "unless it is named";
}

}  // namespace
}  // namespace imp::model
