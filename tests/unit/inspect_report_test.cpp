// imp-inspect's reports, against numbers counted by hand from the source's bytes.
#include "src/inspect/inspect.h"
#include "src/model/schemes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "src/inspect/scale_audit.h"
#include "tests/unit/artifact_sample.h"
#include "tests/unit/checkpoint_editor.h"
#include "tests/unit/conversion.h"
#include "tests/unit/engine_line.h"

namespace imp::testing {
namespace {

using nlohmann::json;

std::string report_text(const std::filesystem::path& path, bool as_json, bool verbose = false) {
  std::ostringstream out;
  CollectingLog log;
  const Status status = inspect::report(path, {as_json, verbose}, out, log);
  EXPECT_TRUE(status.ok()) << status.error().to_line();
  return out.str();
}
json report_json(const std::filesystem::path& path) { return json::parse(report_text(path, true)); }

Error refusal(const std::filesystem::path& path) {
  std::ostringstream out;
  CollectingLog log;
  const Status status = inspect::report(path, {true, false}, out, log);
  EXPECT_FALSE(status.ok()) << out.str();
  return status.ok() ? Error{} : status.error();
}

const json& row_of(const json& list, const std::string& name) {
  for (const json& row : list)
    if (row["name"] == name) return row;
  throw std::runtime_error("no row " + name);
}

double e4m3(unsigned byte) {
  const int exponent = byte >> 3 & 15;
  const double magnitude =
      exponent == 0 ? std::ldexp(byte & 7, -9) : std::ldexp(8 + (byte & 7), exponent - 10);
  return byte & 0x80 ? -magnitude : magnitude;
}

/// What the audit should say about these scale bytes.
json counted(const std::string& bytes) {
  json want{{"count", bytes.size()}, {"zero", 0}, {"negative_zero", 0},
            {"subnormal", 0},        {"nan", 0},  {"infinite", 0},
            {"negative", 0}};
  double sum = 0, low = INFINITY, high = -INFINITY;
  size_t numbers = 0;
  const auto add = [&](const char* key) { want[key] = want[key].get<int>() + 1; };
  for (const char c : bytes) {
    const unsigned byte = static_cast<unsigned char>(c);
    if ((byte & 0x7F) == 0x7F) {
      add("nan");
      continue;
    }
    if (byte == 0) add("zero");
    if (byte == 0x80) add("negative_zero");
    if ((byte & 0x7F) != 0 && (byte & 0x7F) < 8) add("subnormal");
    if (byte > 0x80) add("negative");
    low = std::min(low, e4m3(byte));
    high = std::max(high, e4m3(byte));
    sum += e4m3(byte);
    ++numbers;
  }
  want["min"] = low;
  want["max"] = high;
  want["mean"] = sum / static_cast<double>(numbers);
  return want;
}

/// Equal, but for the last bits of the mean, whose sum has another order here.
void expect_stats(json got, json want) {
  EXPECT_NEAR(got["mean"].get<double>(), want["mean"].get<double>(),
              1e-12 * std::fabs(want["mean"].get<double>()));
  got.erase("mean");
  want.erase("mean");
  EXPECT_EQ(got, want);
}

float float_of(const std::string& bytes) {
  float value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

TEST(InspectCheckpoint, ListsEveryTensorAndEveryModule) {
  const CheckpointEditor source("modelopt-nvfp4-sharded-llama");
  const json report = report_json(fixture("modelopt-nvfp4-sharded-llama"));
  ASSERT_EQ(report["tensors"].size(), source.tensors().size());
  for (size_t i = 0; i < source.tensors().size(); ++i) {
    const EditedTensor& want = source.tensors()[i];
    const json& got = report["tensors"][i];
    EXPECT_EQ(got["name"], want.name);
    EXPECT_EQ(got["dtype"], want.dtype);
    EXPECT_EQ(got["shape"].get<std::vector<uint64_t>>(), want.shape);
    EXPECT_EQ(got["size_bytes"], want.bytes.size());
    EXPECT_EQ(got["file"], want.shard);
  }
  EXPECT_EQ(report["import"]["convertible"], true);
  const json& module = row_of(report["import"]["modules"], "model.layers.0.self_attn.q_proj");
  EXPECT_EQ(module["scheme"], "nvfp4");
  EXPECT_EQ(module["role"], "attn_q");
}

TEST(InspectCheckpoint, CountsTheScales) {
  CheckpointEditor source("modelopt-nvfp4-llama-odd");
  const json report = report_json(fixture("modelopt-nvfp4-llama-odd"));
  std::string all;
  size_t rows = 0;
  for (const EditedTensor& tensor : source.tensors()) {
    if (!tensor.name.ends_with(".weight_scale")) continue;
    ++rows;
    all += tensor.bytes;
    const std::string module =
        tensor.name.substr(0, tensor.name.size() - std::strlen(".weight_scale"));
    const json& row = row_of(report["scales"]["tensors"], module);
    expect_stats(row["block_scales"], counted(tensor.bytes));
    EXPECT_EQ(row["global_scales"]["count"], 1);
    EXPECT_EQ(row["global_scales"]["max"].get<float>(),
              float_of(source.tensor(module + ".weight_scale_2").bytes));
    EXPECT_EQ(row["input_scales"]["min"].get<float>(),
              float_of(source.tensor(module + ".input_scale").bytes));
  }
  EXPECT_EQ(report["scales"]["tensors"].size(), rows);
  expect_stats(report["scales"]["all"]["block_scales"], counted(all));
  EXPECT_EQ(report["scales"]["all"]["global_scales"]["count"], rows);
}

TEST(InspectCheckpoint, FindsWhatIsOdd) {
  CheckpointEditor edited("modelopt-nvfp4-llama");
  const std::string module = "model.layers.0.mlp.up_proj";
  std::string scales = edited.tensor(module + ".weight_scale").bytes;
  const std::string odd("\x7F\xFF\x00\x80\x80\x01\x87\xB8", 8);
  scales.replace(16, odd.size(), odd);
  edited.tensor(module + ".weight_scale").bytes = scales;
  edited.set_f32_bits(module + ".weight_scale_2", 0x00000001);
  edited.remove(module + ".input_scale");
  const TempFolder folder;
  const auto path = edited.write(folder.path());
  const json report = report_json(path);
  const json& row = row_of(report["scales"]["tensors"], module);
  expect_stats(row["block_scales"], counted(scales));
  EXPECT_EQ(row["block_scales"]["nan"], 2);
  EXPECT_GE(row["block_scales"]["negative"], 2);  // a subnormal one and a normal one
  EXPECT_EQ(row["global_scales"]["subnormal"], 1);
  EXPECT_EQ(row["input_scales"]["absent"], 1);
  EXPECT_EQ(row["input_scales"]["count"], 0);

  const std::string text = report_text(path, false);
  EXPECT_NE(text.find("2 NaN, 2 negative"), std::string::npos) << text;
  EXPECT_NE(text.find("global: 1 subnormal"), std::string::npos);
}

TEST(InspectCheckpoint, ReportsWhatTheConverterRefusesAndWhy) {
  CheckpointEditor edited("modelopt-nvfp4-llama");
  const std::string tensor = "model.layers.0.mlp.up_proj.weight_scale_2";
  edited.set_f32_bits(tensor, 0x7FC00000);
  const TempFolder folder;
  const auto path = edited.write(folder.path());
  const json report = report_json(path);
  EXPECT_EQ(report["import"]["convertible"], false);
  EXPECT_EQ(report["import"]["kind"], "bad_scale");
  EXPECT_NE(report["import"]["error"].get<std::string>().find(tensor), std::string::npos);
  EXPECT_EQ(report["scales"]["all"]["global_scales"]["non_finite"], 1);
  EXPECT_EQ(report["tensors"].size(), edited.tensors().size());
  EXPECT_NE(report_text(path, false).find("imp-convert would refuse this checkpoint (bad_scale)"),
            std::string::npos);
}

TEST(InspectCheckpoint, ReportsFormatsOfOthers) {
  const json report = report_json(fixture("other-awq-llama"));
  EXPECT_EQ(report["import"]["convertible"], false);
  EXPECT_EQ(report["tensors"].size(), CheckpointEditor("other-awq-llama").tensors().size());
  EXPECT_NE(report_text(fixture("other-bf16-qwen3next"), false).find("none that quantized weights"),
            std::string::npos);
}

TEST(InspectCheckpoint, SaysWhyAModuleHasItsScheme) {
  const json report = report_json(fixture("modelopt-fp8-llama-odd"));
  ASSERT_EQ(report["import"]["convertible"], true);
  size_t quantized = 0;
  for (const json& module : report["import"]["modules"]) {
    if (module["scheme"] != "fp8") continue;
    ++quantized;
    EXPECT_NE(module["why"].get<std::string>().find("F8_E4M3"), std::string::npos) << module;
    EXPECT_NE(module["why"].get<std::string>().find("weight_scale"), std::string::npos) << module;
  }
  EXPECT_EQ(quantized, 7u);  // one layer of them
  EXPECT_NE(report_text(fixture("modelopt-fp8-llama-odd"), false).find("why"), std::string::npos);
}

/// Positive BF16 numbers, as this fixture's scales are.
double bf16_at(const std::string& bytes, size_t i) {
  uint32_t bits = static_cast<uint8_t>(bytes[2 * i]) | static_cast<uint8_t>(bytes[2 * i + 1]) << 8;
  const int exponent = static_cast<int>(bits >> 7 & 0xFF);
  return std::ldexp(1.0 + (bits & 0x7F) / 128.0, exponent - 127);
}

TEST(InspectCheckpoint, CountsScalesOfOtherTypes) {
  CheckpointEditor edited("ct-fp8block-llama-odd");
  const std::string module = "model.layers.0.mlp.down_proj";
  std::string& scales = edited.tensor(module + ".weight_scale").bytes;
  const size_t count = scales.size() / 2;
  ASSERT_GE(count, 4u);
  std::vector<double> values;
  for (size_t i = 3; i < count; ++i) values.push_back(bf16_at(scales, i));
  const std::string odd("\x00\x00\x80\xFF\xC0\x7F", 6);  // +0, -infinity, NaN
  scales.replace(0, odd.size(), odd);
  const TempFolder folder;
  const json report = report_json(edited.write(folder.path()));
  const json& stats = row_of(report["scales"]["tensors"], module)["block_scales"];
  EXPECT_EQ(stats["count"], count);
  EXPECT_EQ(stats["zero"], 1);
  EXPECT_EQ(stats["infinite"], 1);
  EXPECT_EQ(stats["nan"], 1);
  EXPECT_EQ(stats["min"], 0.0);
  EXPECT_EQ(stats["max"], *std::max_element(values.begin(), values.end()));
}

class InspectArtifact : public ::testing::Test {
 protected:
  json report_of(const std::string& fixture_name, std::vector<uint32_t> sms) {
    return report_json(folder_.write("a.imp", artifact_of(fixture(fixture_name), std::move(sms))));
  }
  TempFolder folder_;
};

TEST_F(InspectArtifact, CountsTheSameScalesAsInTheSource) {
  for (const char* name :
       {"modelopt-nvfp4-llama-odd", "modelopt-nvfp4-qwen3moe", "modelopt-nvfp4-llama"}) {
    const json source = report_json(fixture(name))["scales"]["all"];
    for (const std::vector<uint32_t>& sms : {std::vector<uint32_t>{89}, {120}, {89, 120}}) {
      json artifact = report_of(name, sms)["scales"]["all"];
      EXPECT_EQ(artifact["tensors_without_block_scales"], 0);
      EXPECT_EQ(artifact["block_scales"], source["block_scales"]) << name;
      EXPECT_EQ(artifact["global_scales"], source["global_scales"]) << name;
      EXPECT_EQ(artifact["input_scales"], source["input_scales"]) << name;
    }
  }
}

/// Their forms hold other numbers: rescaled bytes, bf16 times a power of two, the global scale.
TEST_F(InspectArtifact, CountsTheSourcesScalesOfOtherEnginesLayouts) {
  const std::pair<const char*, layouts::LayoutId> lines[] = {
      {"modelopt-nvfp4-llama-odd", layouts::LayoutId::kMarlin},
      {"modelopt-nvfp4-llama", layouts::LayoutId::kMaxSm8x},
      {"modelopt-fp8block-edge-llama", layouts::LayoutId::kMarlin},
      {"ct-mxfp4a16-llama-odd", layouts::LayoutId::kMarlin},
      {"ct-w4a16asym-llama", layouts::LayoutId::kMachete4}};
  for (const auto& [name, layout] : lines) {
    const json source = report_json(fixture(name))["scales"]["all"];
    const json artifact = report_json(
        folder_.write("a.imp", engine_artifact(fixture(name), layout)))["scales"]["all"];
    EXPECT_EQ(artifact["tensors_without_block_scales"], 0) << name;
    EXPECT_EQ(artifact["block_scales"]["count"], source["block_scales"]["count"]) << name;
    EXPECT_EQ(artifact["block_scales"]["min"], source["block_scales"]["min"]) << name;
    EXPECT_EQ(artifact["block_scales"]["max"], source["block_scales"]["max"]) << name;
  }
}

/// One 64 x 64 NVFP4 operand in one mma64 block, so 256 block scales inside blocks of codes.
std::string blocks_only(const std::string& manifest) {
  ArtifactBuilder b;
  auto& operand = b.operand("w", 64, 64, artifact::kOperandGemm);
  operand.scheme = static_cast<uint16_t>(model::Scheme::kNvfp4);
  operand.group_size = 16;
  b.part("w", 0, 64);
  b.form(2, 1u << 5);
  b.component(artifact::ComponentKind::kBlocks, Dtype::kU8, {1, 1, 2304}, paint(2304, 3));
  b.manifest = manifest;
  return b.bytes();
}

TEST_F(InspectArtifact, TakesCountsOfTheManifestOnlyIfTheyAreWhole) {
  const auto row_for = [&](const std::string& counts) {
    const std::string manifest = R"({"operands":[{"name":"w")" + counts + "}]}";
    return report_json(folder_.write("a.imp", blocks_only(manifest)))["scales"]["tensors"][0];
  };
  // 0x38 is 1, 0x40 is 2: mean 1.25.
  const json good = row_for(R"(,"block_scale_bytes":[[56,192],[64,64]])");
  EXPECT_EQ(good["block_scales"]["count"], 256);
  EXPECT_EQ(good["block_scales"]["mean"], 1.25);
  for (const char* bad : {"", R"(,"block_scale_bytes":[[56,192],[64,63]])",
                          R"(,"block_scale_bytes":[[56,192],[256,64]])",
                          R"(,"block_scale_bytes":[[56,192],[64,-64]])",
                          R"(,"block_scale_bytes":[[56,18446744073709551615],[64,257]])",
                          R"(,"block_scale_bytes":"many")"}) {
    const json row = row_for(bad);
    ASSERT_TRUE(row.contains("block_scales_not_read")) << bad;
    EXPECT_NE(row["block_scales_not_read"].get<std::string>().find("inside blocks"),
              std::string::npos);
  }
}

TEST_F(InspectArtifact, NamesOperandsFormsAndProvenance) {
  const json report = report_of("modelopt-nvfp4-llama", {89, 120});
  EXPECT_EQ(report["manifest"]["source"]["architecture"], "LlamaForCausalLM");
  EXPECT_FALSE(report["manifest"].contains("operands"));
  EXPECT_EQ(report["source_tensors"].size(),
            CheckpointEditor("modelopt-nvfp4-llama").tensors().size());
  const json& qkv = row_of(report["operands"], "model.layers.0.self_attn.qkv_proj");
  EXPECT_EQ(qkv["role"], "attn_qkv");
  EXPECT_EQ(qkv["scheme"], "nvfp4");
  ASSERT_EQ(qkv["parts"].size(), 3u);
  EXPECT_EQ(qkv["parts"][1]["module"], "model.layers.0.self_attn.k_proj");
  ASSERT_EQ(qkv["forms"].size(), 2u);
  EXPECT_EQ(qkv["forms"][0]["layout"], "mma64");
  EXPECT_EQ(qkv["forms"][1]["layout"], "native");
  EXPECT_EQ(report["artifact"]["total_bytes"],
            std::filesystem::file_size(folder_.path() / "a.imp"));
}

TEST_F(InspectArtifact, TextHasOneLineAnOperand) {
  const auto path = folder_.write("a.imp", artifact_of(fixture("modelopt-nvfp4-llama"), {89, 120}));
  const std::string text = report_text(path, false), verbose = report_text(path, false, true);
  for (const char* piece : {"mma64+native", "model.layers.1.self_attn.qkv_proj", "LlamaForCausalLM",
                            "sm_89", "block scales of", "all together"})
    EXPECT_NE(text.find(piece), std::string::npos) << piece;
  EXPECT_EQ(text.find("  part "), std::string::npos);
  EXPECT_NE(verbose.find("  part model.layers.0.self_attn.k_proj: rows 256 + 128"),
            std::string::npos);
  EXPECT_NE(verbose.find("companion config.json"), std::string::npos);
}

TEST_F(InspectArtifact, DoesNotTrustScalesAmongWhichPaddingIsMissing) {
  Damaged d(artifact_of(fixture("modelopt-nvfp4-llama-odd"), {120}));
  for (size_t i = 0; i < d.entry(artifact::SectionType::kComponents).record_count; ++i) {
    const auto& c = d.component(i);
    if (c.kind == static_cast<uint16_t>(artifact::ComponentKind::kBlockScale))
      d.bytes.replace(c.offset_bytes, c.size_bytes, std::string(c.size_bytes, '\x38'));
  }
  const json report = report_json(folder_.write("a.imp", d.bytes));
  EXPECT_GT(report["scales"]["all"]["tensors_without_block_scales"], 0);
  for (const json& row : report["scales"]["tensors"])
    if (row.contains("block_scales_not_read")) {
      EXPECT_NE(row["block_scales_not_read"].get<std::string>().find("padding"), std::string::npos);
    }
}

TEST_F(InspectArtifact, TakesAnyArtifactThatOpens) {
  const auto path = folder_.write("other.name", rich_sample().bytes());
  const json report = report_json(path);
  EXPECT_EQ(report["operands"].size(), 4u);
  EXPECT_EQ(report["operands"][0]["forms"][0]["layout"],
            "layout 2");  // its manifest names no layout
  EXPECT_NE(report_text(path, false, true).find("kind 40"), std::string::npos);
}

TEST_F(InspectArtifact, RefusesAManifestThatIsNoObject) {
  const std::string deep = "{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}";
  for (const std::string& manifest : {std::string("[]"), std::string("{\"a\":"), deep}) {
    ArtifactBuilder b = rich_sample();
    b.manifest = manifest;
    const Error error = refusal(folder_.write("a.imp", b.bytes()));
    EXPECT_EQ(error.kind, ErrorKind::kBadSection);
    EXPECT_NE(error.message.find("manifest"), std::string::npos);
  }
}

TEST_F(InspectArtifact, ADamagedOneIsCalledOne) {
  std::string bytes = artifact_of(fixture("modelopt-nvfp4-llama"), {89});
  bytes[0] = 'x';
  EXPECT_EQ(refusal(folder_.write("a.imp", bytes)).kind, ErrorKind::kBadMagic);
  EXPECT_EQ(refusal(folder_.write("model.gguf", "GGUF")).kind, ErrorKind::kTruncated);
  EXPECT_EQ(refusal(folder_.path() / "absent.imp").kind, ErrorKind::kIo);
}

TEST(InspectScalars, CountsEveryOddity) {
  inspect::ScalarStats stats;
  for (const float value : {1.0f, -2.0f, 0.0f, -0.0f, 1e-40f, INFINITY, NAN}) stats.add(value);
  EXPECT_EQ(stats.count, 7u);
  EXPECT_EQ(stats.zero, 2u);
  EXPECT_EQ(stats.negative, 1u);
  EXPECT_EQ(stats.subnormal, 1u);
  EXPECT_EQ(stats.non_finite, 2u);
  EXPECT_EQ(stats.min, -2.0f);
  EXPECT_EQ(stats.max, 1.0f);
}

}  // namespace
}  // namespace imp::testing
