// --as raw: the stored bytes, and an index that says what they are.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "formats/imp/reader.h"
#include "tests/unit/artifact_sample.h"
#include "tests/unit/unpack_run.h"

namespace imp::testing {
namespace {

using unpack::Mode;

nlohmann::json entry_of(const nlohmann::json& index, const std::string& file) {
  for (const auto& entry : index["files"])
    if (entry["file"] == file) return entry;
  ADD_FAILURE() << "no entry for " << file;
  return {};
}

TEST(UnpackRaw, PlainComponentsAreTheSourcesTensors) {
  convert::Options options = options_for(fixture("modelopt-nvfp4-llama"), {});
  options.plan.layout = layouts::LayoutId::kPlain;
  CollectingLog log;
  const auto artifact = convert_to_memory(options, log);
  ASSERT_TRUE(artifact.ok());
  UnpackCase unpacked(*artifact);
  unpacked.options.mode = Mode::kRaw;
  ASSERT_TRUE(unpacked.run().ok());
  const auto files = unpacked.files();
  CheckpointEditor source("modelopt-nvfp4-llama");
  const std::string down = "model.layers.0.mlp.down_proj";
  EXPECT_TRUE(files.at(down + ".plain.codes.bin") == source.tensor(down + ".weight").bytes);
  EXPECT_TRUE(files.at(down + ".plain.block_scale.bin") ==
              source.tensor(down + ".weight_scale").bytes);
  EXPECT_EQ(files.at(down + ".plain.multiplier.bin"),
            source.tensor(down + ".weight_scale_2").bytes);
  EXPECT_EQ(files.at(down + ".plain.input_scale.bin"), source.tensor(down + ".input_scale").bytes);
  const std::string qkv = "model.layers.0.self_attn.";
  EXPECT_TRUE(files.at(qkv + "qkv_proj.plain.codes.bin") ==
              source.tensor(qkv + "q_proj.weight").bytes +
                  source.tensor(qkv + "k_proj.weight").bytes +
                  source.tensor(qkv + "v_proj.weight").bytes);
}

TEST(UnpackRaw, EveryComponentOfEveryFormIsThere) {
  const std::string artifact = artifact_of(fixture("modelopt-nvfp4-qwen3moe"), {89, 120});
  UnpackCase unpacked(artifact);
  unpacked.options.mode = Mode::kRaw;
  const auto report = unpacked.run();
  ASSERT_TRUE(report.ok()) << report.error().to_line();
  const auto files = unpacked.files();
  const auto index = nlohmann::json::parse(files.at("index.json"));
  const auto reader = artifact::Reader::open(unpacked.options.artifact);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(index["files"].size(), reader->components().size());
  EXPECT_EQ(report->tensors, reader->components().size());
  EXPECT_EQ(files.size(), reader->components().size() + 1);
  EXPECT_EQ(report->files, files.size());
  for (const auto& entry : index["files"]) {
    const uint64_t offset = entry["offset_bytes"], size = entry["size_bytes"];
    EXPECT_TRUE(files.at(entry["file"]) == artifact.substr(offset, size)) << entry["file"];
  }
}

TEST(UnpackRaw, TheIndexSaysWhatAKernelNeeds) {
  UnpackCase unpacked(artifact_of(fixture("modelopt-nvfp4-qwen3moe"), {89}));
  unpacked.options.mode = Mode::kRaw;
  ASSERT_TRUE(unpacked.run().ok());
  const auto index = nlohmann::json::parse(unpacked.files().at("index.json"));
  const std::string file = "model.layers.0.mlp.experts.gate_up_proj.mma64.blocks.bin";
  const auto entry = entry_of(index, file);
  EXPECT_EQ(entry["operand"], "model.layers.0.mlp.experts.gate_up_proj");
  EXPECT_EQ(entry["layout"], "mma64");
  EXPECT_EQ(entry["major"], 1);
  EXPECT_EQ(entry["scheme"], "nvfp4");
  EXPECT_EQ(entry["component"], "blocks");
  EXPECT_EQ(entry["dtype"], "U8");
  EXPECT_EQ(entry["experts"], 4);
  EXPECT_EQ(entry["group_size"], 16);
  EXPECT_EQ(entry["group_rows"], 1);
  EXPECT_EQ(entry["k"], 128);
  EXPECT_EQ(entry["n"], 128);  // gate 64, up 64
  EXPECT_EQ(entry["padded_n"], 128);
  EXPECT_EQ(entry["padded_k"], 128);
  EXPECT_EQ(entry["shape"].get<std::vector<uint64_t>>(), (std::vector<uint64_t>{4, 2, 2, 2304}));
  EXPECT_EQ(entry["expert_stride_bytes"], 9216);
  EXPECT_EQ(entry["size_bytes"], 4 * 9216);
  ASSERT_EQ(entry["parts"].size(), 2u);
  EXPECT_TRUE(entry["parts"][0]["module"].get<std::string>().ends_with(".gate_proj"));
  EXPECT_EQ(entry["parts"][1]["n0"], 64);
  EXPECT_NE(entry["targets"].get<std::string>().find("sm_89"), std::string::npos);
}

TEST(UnpackRaw, NamesAreEncodedSoThatTheyStayInTheFolder) {
  ArtifactBuilder b;
  b.operand("../../etc/x y", 8, 1, 0);
  b.part("x", 0, 8);
  b.form(1, artifact::kTargetAny);
  b.component(artifact::ComponentKind::kCodes, Dtype::kU8, {8}, paint(8, 1));
  UnpackCase unpacked(b.bytes());
  unpacked.options.mode = Mode::kRaw;
  ASSERT_TRUE(unpacked.run().ok());
  EXPECT_EQ(unpacked.files().at("%2e.%2f..%2fetc%2fx%20y.plain.codes.bin"), paint(8, 1));
  EXPECT_EQ(files_in(unpacked.parent()).size(), 2u);  // the artifact and the folder
}

}  // namespace
}  // namespace imp::testing
