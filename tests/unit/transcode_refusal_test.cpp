// Weights that cannot be quantised anew: what is said of which tensor.
#include <gtest/gtest.h>

#include "tests/unit/transcode_run.h"

namespace imp::testing {
namespace {

constexpr const char* kMoe = "other-bf16-qwen3next";
const std::string kLayer = "model.layers.0.";
const std::string kExperts = kLayer + "mlp.experts.";

TEST(TranscodeRefusals, ARuleWithoutAWeightIsAUsageError) {
  for (const auto& rules :
       {std::vector<std::string>{"no_such=int8"}, std::vector<std::string>{"embed_tokens=int8"},
        std::vector<std::string>{"up_proj=int8", "shared_expert\\.up=fp8"}}) {
    Imported imported(kMoe);
    const Status status = transcode_model(imported, rules);
    ASSERT_FALSE(status.ok()) << rules.back();
    EXPECT_EQ(status.error().kind, ErrorKind::kUsage);
    EXPECT_NE(status.error().message.find("'" + rules.back() + "' matches no weight"),
              std::string::npos)
        << status.error().message;
  }
}

void expect_no_transcode(Imported& imported, const std::string& rule, ErrorKind kind,
                         const std::string& tensor, const std::string& words) {
  const Status status = transcode_model(imported, {rule});
  ASSERT_FALSE(status.ok()) << rule;
  EXPECT_EQ(error_kind_name(status.error().kind), error_kind_name(kind))
      << status.error().to_line();
  EXPECT_EQ(status.error().tensor, tensor);
  EXPECT_NE(status.error().message.find(words), std::string::npos) << status.error().message;
}

TEST(TranscodeRefusals, ColumnsThatAreNoWholeGroups) {
  Imported imported("modelopt-nvfp4-llama-odd");
  expect_no_transcode(imported, "layers\\.0\\..*up_proj=mxfp4", ErrorKind::kUnsupportedScheme,
                      kLayer + "mlp.up_proj.weight", "rows of 208 columns");
}

TEST(TranscodeRefusals, StacksThatAreTransposedOrInterleaved) {
  Imported transposed("other-bf16-gptoss");
  expect_no_transcode(transposed, "layers\\.0\\..*down_proj=nvfp4", ErrorKind::kUnsupportedScheme,
                      kExperts + "down_proj", "row by row");
  Imported interleaved("other-mxfp4-gptoss");
  expect_no_transcode(interleaved, "layers\\.0\\..*gate_up_proj=nvfp4",
                      ErrorKind::kUnsupportedScheme, kExperts + "gate_up_proj_blocks",
                      "row by row");
}

TEST(TranscodeRefusals, SparseWeights) {
  Imported imported("ct-v012-sparse24-bf16-llama-small");
  expect_no_transcode(imported, "layers\\.0\\..*up_proj=int8", ErrorKind::kUnsupportedScheme,
                      kLayer + "mlp.up_proj.compressed", "row by row");
}

TEST(TranscodeRefusals, ValuesThatAreNotFiniteWithTheirPlace) {
  const std::string name = kExperts + "1.up_proj.weight";
  for (const char* high : {"\xC0\x7F", "\x80\xFF"}) {
    CheckpointEditor editor(kMoe);
    editor.tensor(name).bytes.replace(2 * (3 * 64 + 5), 2, high, 2);
    Imported imported(editor);
    expect_no_transcode(imported, "layers\\.0\\..*experts.*up_proj=nvfp4", ErrorKind::kBadScale,
                        name, "row 3: value 5 is ");
  }
}

}  // namespace
}  // namespace imp::testing
