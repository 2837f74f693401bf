// ModelOpt's two documents through an import.
#include <gtest/gtest.h>

#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

using testing::any_has;
using testing::CheckpointEditor;
using testing::expect_refused;
using testing::Imported;

constexpr const char* kLlama = "modelopt-nvfp4-compress-llama";

TEST(ImportConfig, EachDocumentAloneIsEnough) {
  CheckpointEditor without_hf(kLlama);
  without_hf.remove_file("hf_quant_config.json");
  const Imported first(without_hf);
  ASSERT_TRUE(first.ok()) << first.error_line();
  EXPECT_EQ(first.model->producer, "modelopt 0.47.0");
  CheckpointEditor without_section(kLlama);
  without_section.config().erase("quantization_config");
  const Imported second(without_section);
  ASSERT_TRUE(second.ok()) << second.error_line();
  EXPECT_EQ(second.model->quantization, "NVFP4");
  EXPECT_TRUE(second.log.warnings.empty());
}

TEST(ImportConfig, AnUnknownAlgorithmIsRefusedByName) {
  CheckpointEditor editor(kLlama);
  editor.set_quant_algo("NVFP4_ARC");
  expect_refused(editor, ErrorKind::kUnsupportedScheme, "config.json", "",
                 "quant_algo is 'NVFP4_ARC'");
}

TEST(ImportConfig, AKvCacheWithoutScalesIsNormal) {
  CheckpointEditor editor(kLlama);
  editor.config()["quantization_config"]["kv_cache_scheme"] = "NVFP4";
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  for (const Weight& weight : imported.model->weights)
    EXPECT_TRUE(weight.role != Role::kKvKScale && weight.role != Role::kKvVScale)
        << "absent stays absent";
}

TEST(ImportConfig, T31AForeignSectionBesideModeloptsFileIsAWarning) {
  CheckpointEditor editor(kLlama);
  editor.config()["quantization_config"] = {{"quant_method", "fp8"},
                                            {"activation_scheme", "dynamic"}};
  const Imported imported(editor);
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  EXPECT_EQ(imported.model->quantization, "NVFP4");
  EXPECT_TRUE(any_has(imported.log.warnings, "config.json names quant_method 'fp8'"));
}

TEST(ImportConfig, T40ComfyUisMetadataIsRefused) {
  CheckpointEditor editor(kLlama);
  editor.metadata()["_quantization_metadata"] = "{}";
  expect_refused(editor, ErrorKind::kUnsupportedFormat, "", "", "_quantization_metadata");
}

TEST(ImportConfig, MalformedJson) {
  CheckpointEditor editor(kLlama);
  editor.set_file("hf_quant_config.json", "{\"quantization\": ");
  expect_refused(editor, ErrorKind::kBadConfig, "hf_quant_config.json", "", "");
}

}  // namespace
}  // namespace imp::model
