// imp-convert on a card: the file is byte for byte the one that the CPU writes, whatever the
// fixture, the path, the shapes, the number of lost groups and the device memory it may use.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "src/base/digest.h"
#include "tests/unit/conversion.h"
#include "tests/unit/gpu.h"
#include "tests/unit/ragged_checkpoint.h"

namespace imp::testing {
namespace {

class GpuConvert : public GpuTest {};

/// File and artifact id of a conversion in memory.
struct Converted {
  std::string bytes;
  convert::Report report;
};

Result<Converted> convert_with(convert::Options options, convert::Backend backend) {
  options.backend = backend;
  CollectingLog log;
  IMP_ASSIGN(const convert::Prepared prepared, convert::prepare(options, log));
  MemoryFile file;
  IMP_ASSIGN(const convert::Report report,
             convert::run_into(file, prepared, options, ::testing::TempDir(), log));
  return Converted{file.bytes(), report};
}

Digest128 digest(const std::string& bytes) {
  Xxh3Stream stream;
  stream.update(std::as_bytes(std::span(bytes)));
  return stream.digest();
}

void expect_same_file(const convert::Options& options) {
  const auto cpu = convert_with(options, convert::Backend::kCpu);
  ASSERT_TRUE(cpu.ok()) << cpu.error().to_line();
  const auto cuda = convert_with(options, convert::Backend::kCuda);
  ASSERT_TRUE(cuda.ok()) << cuda.error().to_line();
  EXPECT_EQ(digest(cuda->bytes), digest(cpu->bytes));
  EXPECT_TRUE(cuda->bytes == cpu->bytes);
  EXPECT_EQ(cuda->report.artifact_id, cpu->report.artifact_id);
  EXPECT_EQ(cuda->report.exceptions, cpu->report.exceptions);
}

/// Fixtures that must convert (tests/data/README.md).
std::vector<std::filesystem::path> fixtures() {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(IMP_TEST_DATA))
    if (entry.is_directory() && entry.path().filename().string().starts_with("modelopt-nvfp4"))
      found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

TEST_F(GpuConvert, EveryFixtureGivesTheFileOfTheCpu) {
  ASSERT_GE(fixtures().size(), 10u);
  for (const auto& input : fixtures())
    for (const repack::Path path : {repack::Path::kWord, repack::Path::kMap}) {
      SCOPED_TRACE(input.filename().string() +
                   (path == repack::Path::kMap ? " through the index map" : ""));
      convert::Options options = options_for(input, {89, 120});
      options.path = path;
      expect_same_file(options);
    }
}

/// Scales per 32, transposed stacks, interleaved rows, codes of 8 bits, zero points, native bytes.
TEST_F(GpuConvert, OtherSchemesGiveTheFileOfTheCpu) {
  for (const char* name :
       {"modelopt-w4a8nvfp4-llama", "modelopt-other-nvfp4-gptoss", "other-mxfp4-gptoss",
        "ct-autoround-w4a16-llama-small", "ct-autoround-int8w8a8-llama-small",
        "ct-w8a8asym-static-llama-odd", "ct-w3a16asym-channel-llama-odd", "ct-mxfp4a16-llama-odd",
        "modelopt-mxfp8-qwen3moe", "modelopt-fp8-llama-odd", "ct-fp8block-llama-odd",
        "ct-v012-w4a16asym-g32-actordergroup-llama-small"})
    for (const repack::Path path : {repack::Path::kWord, repack::Path::kMap}) {
      SCOPED_TRACE(std::string(name) +
                   (path == repack::Path::kMap ? " through the index map" : ""));
      convert::Options options = options_for(fixture(name), {89, 120});
      options.path = path;
      expect_same_file(options);
    }
}

/// Layouts of other engines, also with slots so small that a slab is cut.
TEST_F(GpuConvert, EngineLayoutsGiveTheFileOfTheCpu) {
  using plan::LayoutId;
  const std::pair<const char*, LayoutId> cases[] = {
      {"modelopt-nvfp4-llama", LayoutId::kMarlin},
      {"modelopt-nvfp4-llama-odd", LayoutId::kMarlinA0},
      {"modelopt-nvfp4-llama", LayoutId::kMaxSm8x},
      {"modelopt-nvfp4-qwen3moe", LayoutId::kMarlin},
      {"modelopt-mxfp4-qwen3moe", LayoutId::kMarlin},
      {"ct-autoround-w4a16-llama-small", LayoutId::kMachete4},
      {"ct-v012-w4a16asym-g32-actordergroup-llama-small", LayoutId::kMarlin},
      {"ct-autoround-int8w8a8-llama-small", LayoutId::kMachete8},
      {"ct-w8a8asym-static-llama-odd", LayoutId::kMarlin},
      {"ct-fp8block-llama-odd", LayoutId::kMarlin},
  };
  for (const auto& [name, layout] : cases)
    for (const uint64_t budget : {convert::kDeviceBudgetBytes, uint64_t{1} << 20}) {
      SCOPED_TRACE(std::string(name) + ", layout " + std::to_string(static_cast<int>(layout)) +
                   ", " + std::to_string(budget) + " bytes");
      convert::Options options = options_for(fixture(name), {});
      options.plan.layout = layout;
      options.device_budget_bytes = budget;
      expect_same_file(options);
    }
}

TEST_F(GpuConvert, RaggedShapesAndManyLostGroups) {
  const TempFolder folder;
  const convert::Options options = options_for(write_ragged_checkpoint(folder.path()), {89, 120});
  const auto cpu = convert_with(options, convert::Backend::kCpu);
  ASSERT_TRUE(cpu.ok()) << cpu.error().to_line();
  // Each of the six MLP matrices is one slab: with more than six full lists, one overflows.
  ASSERT_GT(cpu->report.exceptions, 6 * convert::kLostListGroups);
  expect_same_file(options);
}

TEST_F(GpuConvert, LittleDeviceMemoryGivesTheSameFile) {
  const TempFolder folder;
  convert::Options options = options_for(write_ragged_checkpoint(folder.path()), {89, 120});
  for (const uint64_t budget : {uint64_t{512} << 10, uint64_t{2} << 20}) {
    SCOPED_TRACE(std::to_string(budget));
    options.device_budget_bytes = budget;
    expect_same_file(options);
  }
}

TEST_F(GpuConvert, ThreadCountsGiveTheSameFile) {
  const TempFolder folder;
  convert::Options options = options_for(write_ragged_checkpoint(folder.path()), {89, 120});
  for (const uint64_t threads : {2, 9}) {
    options.threads = threads;
    expect_same_file(options);
  }
}

TEST_F(GpuConvert, TooLittleDeviceMemoryIsRefusedNamingTheBytes) {
  const TempFolder folder;
  convert::Options options = options_for(write_ragged_checkpoint(folder.path()), {89});
  options.device_budget_bytes = 100000;
  const auto result = convert_with(options, convert::Backend::kCuda);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kNoDevice);
  EXPECT_NE(result.error().message.find("100000"), std::string::npos) << result.error().message;
}

TEST_F(GpuConvert, BadScalesAreRefusedAsOnTheCpu) {
  const auto input = fixture("modelopt-trap-nvfp4-zerotensor-llama");
  const auto result = convert_with(options_for(input, {89}), convert::Backend::kCuda);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kBadScale);
  EXPECT_EQ(result.error().tensor, "model.layers.0.mlp.down_proj.weight_scale");
}

}  // namespace
}  // namespace imp::testing
