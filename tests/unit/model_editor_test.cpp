// The test's own tool: an unchanged checkpoint is written as it was, and an edit that edits nothing
// throws.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tests/unit/checkpoint_editor.h"
#include "tests/unit/temp_folder.h"

namespace imp::testing {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(CheckpointEditor, WritesUnchangedFilesByteForByte) {
  for (const char* fixture : {"modelopt-nvfp4-qwen3moe", "modelopt-nvfp4-sharded-llama"}) {
    CheckpointEditor editor(fixture);
    const TempFolder folder;
    const fs::path copy = editor.write(folder.path());
    for (const auto& entry : fs::directory_iterator(fs::path(IMP_TEST_DATA) / fixture)) {
      const fs::path file = copy / entry.path().filename();
      if (file.filename() == "model.safetensors.index.json") {
        EXPECT_EQ(nlohmann::json::parse(contents(file))["weight_map"],
                  nlohmann::json::parse(contents(entry.path()))["weight_map"]);
        continue;
      }
      EXPECT_EQ(contents(file), contents(entry.path())) << file;
    }
  }
}

TEST(CheckpointEditor, ChangesWhatItIsToldTo) {
  CheckpointEditor editor("modelopt-nvfp4-compress-llama");
  const size_t count = editor.tensors().size();
  editor.rename("model.norm.weight", "model.renamed.weight");
  editor.remove("lm_head.weight");
  editor.add({"x.weight", "U8", {2, 2}, "abcd"});
  editor.set_f32("model.layers.0.mlp.up_proj.weight_scale_2", 0.5f);
  editor.config()["num_hidden_layers"] = 7;
  const TempFolder folder;
  const fs::path copy = editor.write(folder.path());
  EXPECT_EQ(editor.tensors().size(), count);
  const std::string file = contents(copy / "model.safetensors");
  EXPECT_NE(file.find("model.renamed.weight"), std::string::npos);
  EXPECT_EQ(file.find("model.norm.weight"), std::string::npos);
  EXPECT_EQ(file.find("lm_head"), std::string::npos);
  EXPECT_EQ(file.substr(file.size() - 4), "abcd");
  EXPECT_EQ(editor.tensor("model.layers.0.mlp.up_proj.weight_scale_2").bytes,
            std::string("\0\0\0\x3F", 4));
  EXPECT_EQ(nlohmann::json::parse(contents(copy / "config.json"))["num_hidden_layers"], 7);
}

TEST(CheckpointEditor, AnEditOfNothingThrows) {
  CheckpointEditor editor("modelopt-nvfp4-compress-llama");
  EXPECT_THROW(editor.tensor("none"), std::runtime_error);
  EXPECT_THROW(editor.remove("none"), std::runtime_error);
  EXPECT_THROW(editor.rename("none", "x"), std::runtime_error);
  EXPECT_THROW(editor.rename("lm_head.weight", "model.norm.weight"), std::runtime_error);
  EXPECT_THROW(editor.remove_prefix("none"), std::runtime_error);
  EXPECT_THROW(editor.rename_prefix("none", "x"), std::runtime_error);
  EXPECT_THROW(editor.add({"lm_head.weight", "U8", {1}, "a"}), std::runtime_error);
  EXPECT_THROW(editor.add({"x", "U8", {1}, "a", "model-9.safetensors"}), std::runtime_error);
  EXPECT_THROW(editor.set_f32("lm_head.weight", 1), std::runtime_error);
  EXPECT_THROW(editor.json("none.json"), std::runtime_error);
  EXPECT_THROW(editor.remove_file("none.json"), std::runtime_error);
  EXPECT_THROW(CheckpointEditor{"none"}, std::runtime_error);
}

}  // namespace
}  // namespace imp::testing
