// Traps of quantized checkpoints that show only behind the importer, or in front of it; each starts
// from a fixture that converts and changes one thing. The others are in model_traps_*_test.cpp and
// model_config_*_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "src/quant/e4m3.h"
#include "tests/unit/model_import.h"
#include "tests/unit/unpack_run.h"

namespace imp::testing {
namespace {

constexpr const char* kDense = "modelopt-nvfp4-llama";
const std::string kUp = "model.layers.0.mlp.up_proj";

TEST(Traps, T06WeightOnlyHasNoInputScale) {
  CheckpointEditor editor(kDense);
  std::vector<std::string> names;
  for (const EditedTensor& t : editor.tensors())
    if (t.name.ends_with(".input_scale")) names.push_back(t.name);
  ASSERT_EQ(names.size(), 14u);
  for (const std::string& name : names) editor.remove(name);
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_TRUE(imported.find(kUp)->input_scales.empty());
  EXPECT_FALSE(any_has(imported.log.warnings, "input scale"));
}

/// Converts with one block scale byte changed.
Result<std::string> converted_with_scale_byte(uint8_t byte, CollectingLog& log) {
  CheckpointEditor editor(kDense);
  editor.tensor(kUp + ".weight_scale").bytes[3 * 16 + 5] = static_cast<char>(byte);
  const TempFolder folder;
  return convert_to_memory(options_for(editor.write(folder.path()), {89}), log);
}

TEST(Traps, T13ANanBlockScaleIsRefusedAtItsPlace) {
  CollectingLog log;
  const auto result = converted_with_scale_byte(0x7F, log);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kBadScale);
  EXPECT_EQ(result.error().tensor, kUp + ".weight_scale");
  EXPECT_NE(result.error().message.find("[3, 5] is NaN"), std::string::npos)
      << result.error().message;
}

TEST(Traps, T13AZeroBlockScaleIsCounted) {
  CollectingLog log;
  ASSERT_TRUE(converted_with_scale_byte(0x00, log).ok());
  EXPECT_TRUE(any_has(log.warnings, "1 block scales are zero in 1 tensors"));
}

TEST(Traps, T19ExpertsWithoutMlpInTheirNames) {
  CheckpointEditor editor("modelopt-nvfp4-qwen3moe");
  editor.set_architecture("SomethingElseForCausalLM");
  editor.rename_prefix("model.layers.0.mlp.experts.", "model.layers.0.experts.");
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const model::Weight* up = imported.find("model.layers.0.experts.*.up_proj");
  ASSERT_NE(up, nullptr);
  EXPECT_EQ(up->experts, 4u);
  EXPECT_EQ(up->scheme, model::Scheme::kNvfp4);
  EXPECT_EQ(up->role, model::Role::kExpertUp);
}

TEST(Traps, T30AnIndexWithoutScalesIsNoTruth) {
  CheckpointEditor editor("modelopt-nvfp4-sharded-llama");
  const TempFolder folder;
  const auto path = editor.write(folder.path());
  const auto index_path = path / "model.safetensors.index.json";
  nlohmann::json index = nlohmann::json::parse(std::ifstream(index_path));
  const size_t before = index["weight_map"].size();
  for (const EditedTensor& t : editor.tensors())
    if (t.name.find("_scale") != std::string::npos) index["weight_map"].erase(t.name);
  ASSERT_LT(index["weight_map"].size(), before);
  std::ofstream(index_path) << index.dump();
  CollectingLog log;
  const auto model = model::import_checkpoint(path, {}, log);
  ASSERT_TRUE(model.ok()) << model.error().to_line();
  EXPECT_EQ(model->source.tensors.size(), editor.tensors().size());
}

TEST(Traps, T32ADivisorWithoutAReciprocalIsRefused) {
  for (const char* suffix : {".weight_global_scale", ".input_global_scale"}) {
    CheckpointEditor editor("ct-v012-nvfp4-llama-small");
    const std::string name = kUp + suffix;
    editor.set_f32_bits(name, 0x00000001);  // 2^-149: 1 / x is infinite
    const Imported imported(editor);
    ASSERT_FALSE(imported.ok()) << suffix;
    EXPECT_EQ(imported.model.error().kind, ErrorKind::kBadScale);
    EXPECT_EQ(imported.model.error().tensor, name);
    EXPECT_NE(imported.model.error().message.find("reciprocal is infinite"), std::string::npos);
  }
}

TEST(Traps, T44AGlobalScaleThatNoKernelCanHoldIsRefused) {
  CheckpointEditor editor(kDense);
  editor.set_f32(kUp + ".weight_scale_2", 0x1p120f);
  const Imported imported(editor);
  ASSERT_FALSE(imported.ok());
  EXPECT_EQ(imported.model.error().kind, ErrorKind::kBadScale);
  EXPECT_EQ(imported.model.error().tensor, kUp + ".weight_scale_2");
}

TEST(Codes, OneThatNeedsMoreBitsThanTheConfigurationGives) {
  CheckpointEditor editor("ct-w4a8-llama-small");
  const std::string name = kUp + ".weight";
  const uint64_t columns = editor.tensor(name).shape.at(1);
  editor.tensor(name).bytes[3 * columns + 7] = 19;
  const TempFolder folder;
  CollectingLog log;
  const auto result = convert_to_memory(options_for(editor.write(folder.path()), {89}), log);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kUnsupportedScheme);
  EXPECT_EQ(result.error().tensor, name);
  EXPECT_NE(result.error().message.find("code [3, 7] is 19"), std::string::npos)
      << result.error().message;
}

TEST(Traps, T39ValuesAreThoseOfTheCodesAndTheScaleOfTheActivationsStays) {
  const std::string name = "modelopt-other-nvfp4awq-llama";
  const std::string scale = "model.layers.0.self_attn.o_proj.pre_quant_scale";
  UnpackCase values(artifact_of(fixture(name), {89}));
  values.options.mode = unpack::Mode::kDequantizeBf16;
  CheckpointEditor got = values.checkpoint();
  CheckpointEditor source(name);
  ASSERT_EQ(source.tensor(scale).dtype, "BF16");
  EXPECT_EQ(got.tensor(scale).bytes, source.tensor(scale).bytes);
  EXPECT_TRUE(got.has("model.layers.0.self_attn.o_proj.weight"));
}

TEST(Traps, T44AGlobalScaleAboveOneIsOnlyWarnedAbout) {
  CheckpointEditor editor(kDense);
  editor.set_f32(kUp + ".weight_scale_2", 2.0f);
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_FALSE(imported.log.warnings.empty());
}

TEST(Traps, T47E4m3ReachesTo448) {
  EXPECT_EQ(quant::e4m3_to_float(0x7E), 448.0f);
  EXPECT_EQ(quant::e4m3_to_float(0x77), 240.0f);
}

TEST(Traps, T48AnUnknownDtypeIsRefusedByName) {
  CheckpointEditor editor(kDense);
  editor.tensor("model.norm.weight").dtype = "BF17";
  const TempFolder folder;
  CollectingLog log;
  const auto model = model::import_checkpoint(editor.write(folder.path()), {}, log);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().kind, ErrorKind::kUnknownDtype);
  EXPECT_EQ(model.error().tensor, "model.norm.weight");
}

TEST(Traps, T55ADownloadThatDidNotEndIsSeen) {
  CheckpointEditor editor(kDense);
  editor.set_file("model-00002-of-00002.safetensors.incomplete", "half");
  const TempFolder folder;
  CollectingLog log;
  const auto model = model::import_checkpoint(editor.write(folder.path()), {}, log);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().kind, ErrorKind::kTruncated);
}

}  // namespace
}  // namespace imp::testing
