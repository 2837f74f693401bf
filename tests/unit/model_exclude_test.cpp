// Exclude lists: the tensors decide, the user is told.
#include <gtest/gtest.h>

#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

using testing::any_has;
using testing::CheckpointEditor;
using testing::Imported;

constexpr const char* kLlama = "modelopt-nvfp4-compress-llama";

TEST(ImportExclude, AgreementIsSilent) {
  for (const char* fixture :
       {"modelopt-nvfp4-mlponly-llama", "modelopt-nvfp4-qwen2moe", "modelopt-nvfp4-qwen3moe",
        "modelopt-nvfp4-lmhead-llama", "modelopt-nvfp4-llama-odd"}) {
    const Imported imported(fixture);
    ASSERT_TRUE(imported.ok()) << imported.error_line();
    EXPECT_TRUE(imported.log.warnings.empty()) << fixture << ": " << imported.log.warnings[0];
    EXPECT_TRUE(imported.log.notes.empty()) << fixture << ": " << imported.log.notes[0];
  }
}

TEST(ImportExclude, QuantizedThoughExcluded) {
  CheckpointEditor editor("modelopt-nvfp4-lmhead-llama");
  editor.set_exclude_modules({"lm_head", "model.embed_tokens"});
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(
      imported.log.warnings,
      std::vector<std::string>{"module 'lm_head' is quantized although config.json excludes it"});
  EXPECT_EQ(imported.find("lm_head")->scheme, Scheme::kNvfp4);
}

TEST(ImportExclude, NotQuantizedThoughNotExcluded) {
  CheckpointEditor editor(kLlama);
  editor.set_exclude_modules({"model.embed_tokens"});
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.log.warnings,
            std::vector<std::string>{
                "module 'lm_head' is not quantized although config.json does not exclude it"});
  EXPECT_EQ(imported.find("lm_head")->scheme, Scheme::kBf16);
}

TEST(ImportExclude, RoutersWereNotListedBeforeVersion045) {
  CheckpointEditor editor("modelopt-nvfp4-qwen3moe");
  editor.set_exclude_modules({"lm_head", "model.embed_tokens"});
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_TRUE(imported.log.warnings.empty());
}

TEST(ImportExclude, AnEntryThatMatchesNothingIsANote) {
  CheckpointEditor editor(kLlama);
  editor.set_exclude_modules({"lm_head", "model.embed_tokens", "model.visual*"});
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_TRUE(imported.log.warnings.empty());
  EXPECT_EQ(
      imported.log.notes,
      std::vector<std::string>{"exclude pattern 'model.visual*' in config.json matches no module"});
}

TEST(ImportExclude, ABrokenPatternIsAWarning) {
  CheckpointEditor editor(kLlama);
  editor.set_exclude_modules({"lm_head", "model.embed_tokens", "model.[z-a]"});
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  ASSERT_EQ(imported.log.warnings.size(), 1u);
  EXPECT_NE(imported.log.warnings[0].find("exclude pattern 'model.[z-a]' cannot be read"),
            std::string::npos);
}

TEST(ImportExclude, ListsThatDifferAreAWarning) {
  CheckpointEditor editor(kLlama);
  editor.hf_quant_config()["quantization"]["exclude_modules"].push_back("model.norm");
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_TRUE(any_has(imported.log.warnings,
                      "config.json and hf_quant_config.json exclude different modules"));
}

// DeltaNet's gates: an MLP's matrix under the name of one stands for them.
TEST(ImportExclude, T51QuantizedGatesOfDeltaNet) {
  for (const char* leaf : {"in_proj_a", "in_proj_b", "in_proj_ba"}) {
    CheckpointEditor editor(kLlama);
    editor.set_architecture("Other");
    const std::string module = "model.layers.0.linear_attn." + std::string(leaf);
    editor.rename_prefix("model.layers.0.mlp.down_proj.", module + ".");
    const Imported imported(editor);
    ASSERT_TRUE(imported.ok()) << imported.error_line();
    EXPECT_TRUE(any_has(imported.log.warnings, "module '" + module + "' is quantized, which"));
  }
}

TEST(ImportExclude, ATiedHeadThatIsListedIsNoNote) {
  const Imported imported("modelopt-nvfp4-llama-odd");
  ASSERT_TRUE(imported.ok());
  EXPECT_TRUE(imported.log.notes.empty()) << "lm_head is excluded and, being tied, not in the file";
}

}  // namespace
}  // namespace imp::model
