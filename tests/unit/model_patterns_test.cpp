// Exclude patterns: what each form matches and, as important, what it does not.
#include <gtest/gtest.h>

#include "src/model/patterns.h"

namespace imp::model {
namespace {

struct PatternRow {
  const char* pattern;
  const char* module;
  bool matches;
};

constexpr PatternRow kRows[] = {
    // Exact names: whole, case-sensitive, never a substring.
    {"lm_head", "lm_head", true},
    {"lm_head", "lm_head2", false},
    {"lm_head", "xlm_head", false},
    {"LM_HEAD", "lm_head", false},
    {"mlp.gate", "model.layers.0.mlp.gate", false},
    {"", "lm_head", false},
    // "prefix*", the form that exporters write.
    {"model.layers.0.self_attn*", "model.layers.0.self_attn.q_proj", true},
    {"model.layers.0.self_attn*", "model.layers.0.self_attn", true},
    {"model.layers.0.self_attn*", "model.layers.0.self_att", false},
    {"model.layers.0.self_attn*", "model.layers.10.self_attn.q_proj", false},
    {"model.layers.1*", "model.layers.11.mlp.up_proj", true},
    // "prefix.*" stands for the pair prefix, prefix.*
    {"model.layers.0.mlp.*", "model.layers.0.mlp.up_proj", true},
    {"model.layers.0.mlp.*", "model.layers.0.mlp", true},
    {"model.layers.0.mlp.*", "model.layers.0.mlp2", false},
    {"model.layers.0.mlp.*", "model.layers.0.ml", false},
    // Hand-edited.
    {"*mlp.gate", "model.layers.3.mlp.gate", true},
    {"*mlp.gate", "model.layers.3.mlp.gate_proj", false},
    {"*.self_attn.*", "model.layers.3.self_attn.q_proj", true},
    {"*lm_head*", "lm_head", true},
    {"*", "anything.at.all", true},
    {"model.layers.?.mlp.up_proj", "model.layers.7.mlp.up_proj", true},
    {"model.layers.?.mlp.up_proj", "model.layers.17.mlp.up_proj", false},
    {"model.layers.?.mlp.up_proj", "model.layers..mlp.up_proj", false},
    {"model.layers.[0-3].mlp.up_proj", "model.layers.2.mlp.up_proj", true},
    {"model.layers.[0-3].mlp.up_proj", "model.layers.4.mlp.up_proj", false},
    {"*.[qk]_proj", "a.k_proj", true},
    {"*.[qk]_proj", "a.v_proj", false},
    {"*.[!qk]_proj", "a.v_proj", true},
    {"*.[!qk]_proj", "a.q_proj", false},
    {"a[]]b", "a]b", true},
    {"a[]b", "a[]b", true},
    {"a[", "a[", true},
    // Metacharacters of regular expressions are letters like any other.
    {"model.layers", "modelxlayers", false},
    {"a+b", "a+b", true},
    {"a+b", "aab", false},
    {"(a|b)", "(a|b)", true},
    {"(a|b)", "a", false},
    {"a{2}$^\\d", "a{2}$^\\d", true},
    {"a{2}", "aa", false},
    {"x.*", "xyz", false},
    // Both sides are normalised.
    {"model.language_model.layers.0.mlp*", "model.layers.0.mlp.up_proj", true},
    {"language_model.lm_head", "lm_head", true},
    {"language_model.layers.0.self_attn*", "model.layers.0.self_attn.o_proj", true},
};

TEST(Patterns, MatchAsFnmatchDoes) {
  for (const PatternRow& row : kRows) {
    CollectingLog log;
    ModulePatterns patterns({row.pattern}, PatternStyle::kWholeName, log);
    EXPECT_EQ(patterns.matches(row.module), row.matches)
        << row.pattern << " against " << row.module;
    EXPECT_TRUE(log.warnings.empty()) << row.pattern;
  }
}

// modules_to_not_convert: any run of whole components.
constexpr PatternRow kComponentRows[] = {
    {"lm_head", "lm_head", true},
    {"lm_head", "lm_head2", false},
    {"mlp.gate", "model.layers.3.mlp.gate", true},
    {"mlp.gate", "model.layers.3.mlp.gate_proj", false},
    {"gate", "model.layers.3.mlp.gate", true},
    {"gate", "model.layers.3.mlp.gate.x", true},
    {"visual", "model.visual.blocks.0.attn", true},
    {"visual", "model.visualx.blocks", false},
    {"model.layers.1", "model.layers.1.mlp.up_proj", true},
    {"model.layers.1", "model.layers.11.mlp.up_proj", false},
    {"model.layers.*.self_attn", "model.layers.7.self_attn.q_proj", true},
    {"model.layers.*.self_attn", "model.layers.7.mlp.up_proj", false},
    {"language_model.model.layers.0", "model.layers.0.mlp.up_proj", true},
    {"", "lm_head", false},
};

TEST(Patterns, OfComponents) {
  for (const PatternRow& row : kComponentRows) {
    CollectingLog log;
    ModulePatterns patterns({row.pattern}, PatternStyle::kComponents, log);
    EXPECT_EQ(patterns.matches(row.module), row.matches)
        << row.pattern << " against " << row.module;
  }
}

TEST(Patterns, OneThatCannotBeReadIsDroppedWithAWarning) {
  for (const char* broken : {"a[z-a]b", "a[!]b", "\xFF*"}) {
    CollectingLog log;
    ModulePatterns patterns({broken, "lm_head"}, PatternStyle::kWholeName, log);
    ASSERT_EQ(log.warnings.size(), 1u) << broken;
    EXPECT_NE(log.warnings[0].find(std::string("'") + broken + "' cannot be read"),
              std::string::npos)
        << log.warnings[0];
    EXPECT_TRUE(patterns.matches("lm_head")) << "the others stay";
    EXPECT_FALSE(patterns.matches("a!b"));
  }
}

TEST(Patterns, RemembersWhichMatchedNothing) {
  CollectingLog log;
  ModulePatterns patterns({"lm_head", "model.language_model.norm", "never*", "*_proj"},
                          PatternStyle::kWholeName, log);
  EXPECT_FALSE(patterns.matches("something"));
  EXPECT_EQ(patterns.unmatched().size(), 4u);
  EXPECT_TRUE(patterns.matches("lm_head"));
  EXPECT_TRUE(patterns.matches("model.norm"));
  EXPECT_TRUE(patterns.matches("a.q_proj"));
  EXPECT_EQ(patterns.unmatched(), std::vector<std::string>{"never*"});
}

TEST(Patterns, EveryPatternThatMatchesIsMarked) {
  CollectingLog log;
  ModulePatterns patterns({"lm_head", "lm_*", "*"}, PatternStyle::kWholeName, log);
  EXPECT_TRUE(patterns.matches("lm_head"));
  EXPECT_TRUE(patterns.unmatched().empty());
}

}  // namespace
}  // namespace imp::model
